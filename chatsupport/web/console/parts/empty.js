import { h } from "../../shared/elements.js";
import { icon, setText, show } from "./elements.js";

/** @import { Emptiness } from "../types.js" */

// The text for an empty view: what it means, and what to do about it.

export function createEmpty() {
  const image = h("span", { class: "empty-image" });
  const title = h("p", { class: "empty-title" });
  const text = h("p", { class: "muted" });
  const button = h("button", { class: "button", type: "button" });
  /** @type {string | null} */
  let shown = null;
  return {
    element: h("div", { class: "empty", hidden: true }, image, title, text, button),
    /** @param {Emptiness} words */
    update(words) {
      if (shown !== words.image) image.replaceChildren(icon(words.image));
      shown = words.image;
      setText(title, words.title);
      setText(text, words.text);
      show(button, Boolean(words.act));
      setText(button, words.label ?? "");
      button.onclick = words.act ?? null;
    },
  };
}
