// Looks at a page as it is laid out, and returns what is wrong with it and what
// it has. `width` is that of the screen: where content is too wide, a phone
// makes the window wider. `dark` tells of the theme.
async (width, dark) => {
  const main = document.querySelector("main");
  const all = (css) => [...main.querySelectorAll(css)];
  const style = (element) => getComputedStyle(element);
  const said = new Set();

  // A theme brings a stylesheet, which may still be on its way
  const sheets = [...document.querySelectorAll('link[rel~="stylesheet"]')];
  const arrived = (link) => link.disabled || link.sheet;
  for (let tries = 0; tries < 500 && !sheets.every(arrived); tries += 1)
    await new Promise((resolve) => setTimeout(resolve, 10));

  // Solutions wait to be opened, and their fonts to be asked for
  for (const details of all("details")) details.open = true;
  main.getBoundingClientRect();
  await document.fonts.ready;
  // Then boxes learn whether they scroll
  const drawn = () => new Promise(requestAnimationFrame);
  await drawn();
  await drawn();

  // A zoomed copy of a picture waits to be asked for, and the still picture of a
  // figure that has come to life, to be printed
  const waits = (element) => element.closest(".img-wrapper")
    || element.closest(".lab-open") && !element.closest(".lab");

  const name = (element) => {
    const text = element.textContent.replace(/\s+/g, " ").trim().slice(0, 60);
    return `<${element.localName}> ${text || element.getAttribute("src") || ""}`;
  };
  const size = (element) => {
    const { width, height } = element.getBoundingClientRect();
    return [width, height];
  };
  const visible = (element) =>
    size(element).every((side) => side > 0) &&
    style(element).visibility === "visible";

  // Formulas
  const formulas = all(".katex");
  if (formulas.length) {
    const faces = [...document.fonts].filter((face) =>
      face.family.replaceAll('"', "").startsWith("KaTeX_"));
    if (!style(formulas[0]).fontFamily.startsWith("KaTeX_Main"))
      said.add("KaTeX's stylesheet is not in force");
    if (!faces.some((face) => face.status === "loaded"))
      said.add("no font of KaTeX was loaded");
    for (const face of faces)
      if (face.status === "error") said.add(`${face.family} was not loaded`);
  }
  for (const formula of formulas)
    if (!visible(formula)) said.add(`invisible: ${name(formula)}`);
  for (const formula of all(".katex-display"))
    if (formula.scrollHeight > formula.clientHeight + 1)
      said.add(`${formula.scrollHeight - formula.clientHeight} px cut off: ${name(formula)}`);

  // Figures
  const figures = all("figure");
  for (const figure of figures)
    if (!visible(figure) || size(figure)[1] < 30)
      said.add(`invisible: ${name(figure)}`);
  for (const image of all("img").filter((image) => !waits(image)))
    if (!image.complete || !image.naturalWidth || !visible(image))
      said.add(`invisible: ${name(image)}`);
  const drawings = all("svg").filter((svg) =>
    !svg.closest(".katex, .buttons") && !waits(svg));
  for (const svg of drawings) {
    if (!visible(svg)) said.add(`invisible: ${name(svg)}`);
    if (!dark) continue;
    // What has no colour of its own is black, which light paper forgives
    for (const part of svg.querySelectorAll(
      "text, path, line, polyline, polygon, rect, circle, ellipse")) {
      if (part.closest("clipPath, mask")) continue;
      for (const paint of [style(part).fill, style(part).stroke])
        if (paint === "rgb(0, 0, 0)")
          said.add(`black on black: ${name(part)} in ${name(svg)}`);
    }
  }

  // Letters of a drawing against the page, on which axe-core has no judgment
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", {
    willReadFrequently: true,
  });
  const linear = (c) =>
    c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const ground = style(document.documentElement).backgroundColor;
  const lights = new Map();
  const light = (color, opacity) => {
    const key = `${color} ${opacity}`;
    if (!lights.has(key)) {
      for (const [paint, alpha] of [[ground, 1], [color, opacity]]) {
        canvas.globalAlpha = alpha;
        canvas.fillStyle = paint;
        canvas.fillRect(0, 0, 1, 1);
      }
      const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data]
        .map((byte) => linear(byte / 255));
      lights.set(key, 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05);
    }
    return lights.get(key);
  };
  for (const text of drawings.flatMap((svg) => [...svg.querySelectorAll("text")])) {
    if (style(text).visibility !== "visible") continue;
    let opacity = style(text).fillOpacity;
    for (let up = text; up !== main; up = up.parentElement)
      opacity *= style(up).opacity;
    const both = [light(style(text).fill, opacity), light(ground, 1)];
    const contrast = Math.max(...both) / Math.min(...both);
    if (contrast < 4.5) said.add(`${contrast.toFixed(2)}, faint: ${name(text)}`);
  }

  // Nothing is wider than the screen, or sticks out of the column, unless it
  // scrolls in a box of its own
  const page = document.documentElement;
  if (page.scrollWidth > width) said.add(`${page.scrollWidth} px wide`);
  const content = document.querySelector("#mdbook-content");
  if (content.scrollWidth > content.clientWidth)
    said.add(`the column scrolls sideways, ${content.scrollWidth} px`);
  const column = main.getBoundingClientRect();
  const scrolls = (element) => {
    for (let up = element.parentElement; up !== main; up = up.parentElement)
      if (["auto", "scroll"].includes(style(up).overflowX)) return true;
    return false;
  };
  for (const element of all("*")) {
    // Inside of these, boxes overlap on purpose
    if (element.parentElement.closest(".katex, svg, .buttons")) continue;
    const { left, right, width } = element.getBoundingClientRect();
    const out = Math.max(column.left - left, right - column.right);
    if (width > 1 && out > 1.5 && !scrolls(element))
      said.add(`${Math.round(out)} px out of the column: ${name(element)}`);
  }

  // A box that scrolls can be scrolled with the keyboard, and has a name
  for (const box of all("*")) {
    if (box.parentElement.closest(".katex, svg")) continue;
    const wide = box.scrollWidth > box.clientWidth + 1;
    if (!wide || !["auto", "scroll"].includes(style(box).overflowX)) continue;
    if (box.tabIndex < 0) said.add(`no Tab leads to ${name(box)}`);
    if (!box.ariaLabel && !box.querySelector(":scope > figcaption"))
      said.add(`a box without a name: ${name(box)}`);
  }

  return {
    said: [...said],
    formulas: formulas.length,
    figures: figures.length,
    height: page.scrollHeight,
  };
}
