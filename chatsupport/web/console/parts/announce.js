import { h } from "../../shared/elements.js";

// Tells screen readers politely about events outside the focus. The region is made once and stays empty in between,
// because only text that is added later is read out.

const region = h("div", { class: "visually-hidden", "aria-live": "polite", role: "status" });

/** @param {string} text */
export function announce(text) {
  if (!region.isConnected) document.body.append(region);
  const line = h("p", {}, text);
  region.append(line);
  setTimeout(() => line.remove(), 5_000);
}
