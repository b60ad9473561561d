import { cardOf, lineOf } from "../message.js";
import { h, write } from "../page.js";
import { words } from "../part.js";

/** @import { Message } from "../../shared/types.js" */
/** @import { Shown } from "../types.js" */

// What agents and bots send beside a text: a card, or quick replies. Quick replies are visible while their message is the last
// one (parts.css). So they go when the visitor answers. The line at the end of a bot's part is a line between messages.

/** @param {Message} message @param {HTMLElement} row @param {Shown} view */
export function show(message, row, { chat }) {
  const { content, seq: replyTo, sessionId: of } = message;
  const line = lineOf(message);
  if (line) {
    row.className = line === words.toQueue ? "line" : "line met";
    write(/** @type {Node} */ (row.querySelector("p")), line);
  }
  row.querySelector(":scope > div")?.remove();
  const more = content?.type === "quick_replies" ? choices(content.options) : cardOf(message);
  if (more) row.lastChild?.before(more);

  /** @param {readonly { title: string }[]} all */
  function choices(all) {
    const buttons = all.map(({ title }) => h("button", { dir: "auto", onclick: choose }, title));
    return h("div", { class: "choices", role: "group", "aria-label": words.choose }, ...buttons);
  }

  /** @param {Event} event */
  function choose({ currentTarget }) {
    const button = /** @type {HTMLElement} */ (currentTarget);
    // The button goes, and the focus moves to the field. On a phone, that would open the keyboard.
    const isTouched = matchMedia("(pointer: coarse)").matches;
    (isTouched ? row.parentElement : button)?.focus();
    chat.write(`${button.textContent}`, { of, replyTo });
  }
}
