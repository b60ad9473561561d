const SVG = "http://www.w3.org/2000/svg";

// Makes an element. Children that are strings become text, never HTML.
export function make(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const name in attributes) made.setAttribute(name, attributes[name]);
  made.append(...children);
  return made;
}

// Makes a button with a line drawing.
export function iconButton(label, path, attributes) {
  const svg = document.createElementNS(SVG, "svg");
  const line = svg.appendChild(document.createElementNS(SVG, "path"));
  svg.setAttribute("viewBox", "0 0 24 24");
  line.setAttribute("d", path);
  return make("button", { type: "button", "aria-label": label, title: label, ...attributes }, svg);
}
