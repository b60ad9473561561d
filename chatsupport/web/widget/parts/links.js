import { linked } from "../../shared/links.js";

/** @import { Message } from "../../shared/types.js" */

/** Turns the addresses in a message into links. @param {Message} _ @param {Element} row */
export function show(_, row) {
  const text = row.querySelector("p");
  if (text && !text.querySelector("a")) text.replaceChildren(...linked(/** @type {string} */ (text.textContent)));
}
