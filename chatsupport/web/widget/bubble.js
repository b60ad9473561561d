import { iconButton, make } from "./dom.js";

// Returns black or white, whichever is easier to read on a colour such as #0f766e.
function readableOn(colour) {
  const [red, green, blue] = [1, 3, 5]
    .map((at) => parseInt(colour.slice(at, at + 2), 16) / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
}

// Puts the bubble on the page, in a shadow root with a style of its own, which the chat is put into later.
export function createBubble(sheet, strings, { color, position }) {
  const button = iconButton(strings.open, "M4 5h16v11H10l-4 4v-4H4z", { class: "bubble", "aria-haspopup": "dialog" });
  const badge = button.appendChild(make("span", { class: "badge" }));
  const side = ["left", "right"].includes(position) ? position : strings.dir === "rtl" ? "left" : "right";
  const frame = make("div", { class: side, dir: strings.dir, lang: strings.language }, button);
  const host = make("chat-support");
  const root = host.attachShadow({ mode: "open" });

  root.adoptedStyleSheets = [sheet];
  if (/^#[0-9a-f]{6}$/i.test(color)) {
    frame.style.setProperty("--accent", color);
    frame.style.setProperty("--on-accent", readableOn(color));
  }
  root.append(frame);
  document.body.append(host);
  return { root, frame, button, badge };
}
