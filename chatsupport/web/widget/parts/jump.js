import { h, say, texts, write } from "../page.js";

/** @import { Shown } from "../types.js" */

// The button that leads to new messages out of view.

const button = h("button", { class: "jump" });

/** Shows the button, or hides it if there are none. @param {Shown} view @param {number} count */
export function show({ panel, focus }, count) {
  const log = /** @type {HTMLElement} */ (panel.querySelector(":scope > .log"));
  log.after(button);
  button.onclick = () => {
    log.scrollTop = log.scrollHeight;
    focus();
  };
  button.hidden = !count;
  write(button, say(texts.news, count));
}
