import { h } from "../../shared/elements.js";

// What a screen reader is told of what happens outside the focus, politely. The region is made once and stays empty
// in between: only what is put into it later is read.

const region = h("div", { class: "visually-hidden", "aria-live": "polite", role: "status" });

/** @param {string} text */
export function announce(text) {
  if (!region.isConnected) document.body.append(region);
  const line = h("p", {}, text);
  region.append(line);
  setTimeout(() => line.remove(), 5_000);
}
