// The colours in which everything on the page is painted, and of each text that
// is too faint for white paper, what it is.
async () => {
  const main = document.querySelector("main");
  const paints = [];
  const faint = new Set();

  // A theme brings a stylesheet, which may still be on its way
  const sheets = [...document.querySelectorAll('link[rel~="stylesheet"]')];
  const arrived = (link) => link.disabled || link.sheet;
  for (let tries = 0; tries < 500 && !sheets.every(arrived); tries += 1)
    await new Promise((resolve) => setTimeout(resolve, 10));

  const canvas = new OffscreenCanvas(1, 1).getContext("2d", {
    willReadFrequently: true,
  });
  const known = new Map();
  // Red, green and blue, from 0 to 1, of a colour on white
  const onWhite = (colour, opacity) => {
    const key = `${colour} ${opacity}`;
    if (!known.has(key)) {
      canvas.globalAlpha = 1;
      canvas.fillStyle = "white";
      canvas.fillRect(0, 0, 1, 1);
      canvas.globalAlpha = opacity;
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      const [...bytes] = canvas.getImageData(0, 0, 1, 1).data.slice(0, 3);
      known.set(key, bytes.map((byte) => byte / 255));
    }
    return known.get(key);
  };
  const luminance = (rgb) => {
    const linear = rgb.map((c) =>
      c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const contrast = (rgb) => 1.05 / (luminance(rgb) + 0.05);

  const opacities = new Map([[main.parentElement, 1]]);
  for (const element of [main, ...main.querySelectorAll("*")]) {
    const style = getComputedStyle(element);
    const opacity = opacities.get(element.parentElement) * style.opacity;
    opacities.set(element, opacity);
    if (element.closest(".buttons, .katex-mathml")) continue;
    const drawn = element.closest("svg") && !element.closest(".katex, .fa-svg");
    const { color, backgroundColor, borderTopColor, borderLeftColor } = style;
    const { fill, stroke } = style;
    const paint = [color, backgroundColor, borderTopColor, borderLeftColor,
      drawn ? fill : "", drawn ? stroke : ""].join(" ");
    const name = `<${element.localName} class="${element.getAttribute("class") ?? ""}">`;
    paints.push(`${name} ${paint}`);

    const text = [...element.childNodes]
      .filter((node) => node.nodeType === Node.TEXT_NODE)
      .map((node) => node.data.replace(/[\s\u200b]+/g, " ").trim())
      .join("");
    const written = !drawn || element.localName === "text" || element.localName === "tspan";
    if (!text || !written || !element.checkVisibility()) continue;
    const ink = onWhite(drawn ? fill : color, opacity);
    if (contrast(ink) < 4.5)
      faint.add(`${contrast(ink).toFixed(2)}: ${name} ${text.slice(0, 40)}`);
    if (contrast(onWhite(backgroundColor, 1)) > 1.35)
      faint.add(`a ground of ${backgroundColor}: ${name} ${text.slice(0, 40)}`);
  }
  return { paints, faint: [...faint] };
}
