// Has axe-core judge a page as it is, but unfolded, and returns what it finds:
// for each element the rule, what is said, and which of the `known` it is, pairs
// of a rule and a selector.
async (known) => {
  for (const details of document.querySelectorAll("details"))
    details.open = true;
  await document.fonts.ready;
  // Then boxes learn whether they scroll
  const drawn = () => new Promise(requestAnimationFrame);
  await drawn();
  await drawn();
  // A color on its way to that of another theme is neither
  for (const animation of document.getAnimations()) animation.finish();

  const { violations, incomplete } = await axe.run(document, {
    resultTypes: ["violations", "incomplete"],
    elementRef: true,
  });
  // What it leaves to a reader's eyes are letters in drawings and on each other
  const unsure = incomplete.filter(({ id }) => id !== "color-contrast");
  return [...violations, ...unsure].flatMap(({ id, nodes }) =>
    nodes.map(({ element, target, html, failureSummary }) => {
      const index = known.findIndex(([rule, css]) =>
        rule === id && element.matches(css));
      return {
        rule: id,
        said: `${id}: ${target.join(" ")}: ${html}: ${failureSummary}`,
        known: index < 0 ? null : index,
      };
    }));
}
