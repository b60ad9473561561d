const SVG = "http://www.w3.org/2000/svg";
const LINK = new RegExp("(https?://[^\\s<>\"]*[^\\s<>\".,;:!?')])", "i");

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

// Returns a text's parts, with links for the addresses in it.
export const linked = (text) =>
  text.split(LINK).map((part, i) => (i % 2 ? make("a", { href: part, target: "_blank", rel: "noopener nofollow" }, part) : part));

// Returns black or white, whichever is easier to read on a colour such as #0f766e.
export function readableOn(colour) {
  const [red, green, blue] = [1, 3, 5]
    .map((at) => parseInt(colour.slice(at, at + 2), 16) / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
}

export function chime() {
  const audio = new AudioContext();
  const tone = audio.createOscillator();
  const volume = audio.createGain();
  volume.gain.value = 0.1;
  tone.connect(volume).connect(audio.destination);
  tone.onended = () => audio.close();
  tone.start();
  tone.stop(audio.currentTime + 0.15);
}
