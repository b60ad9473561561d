import { h, write } from "../page.js";
import { words } from "../part.js";

/** @import { Shown } from "../types.js" */

// A rating. The visitor has chosen a face, and may add a comment.

const LONGEST_COMMENT = 500;
const LATE = "RATING_CLOSED";

/** @type {Element[]} The question and the faces below it. */
let faces;

/**
 * Rates the chat.
 * @param {Shown} view
 * @param {HTMLElement} place has the faces
 * @param {number} score
 */
export async function show({ chat, state: { id } }, place, score) {
  if (!place.querySelector("svg")) return; // This was the second click.
  faces ??= [...place.children];
  const status = h("p", { role: "status" });
  const properties = { rows: "2", maxlength: LONGEST_COMMENT, placeholder: words.comment, "aria-label": words.comment };
  const comment = h("textarea", properties);
  const form = h("form", { onsubmit }, comment, h("button", null, words.send));
  place.replaceChildren(status);
  // It is hidden between two ended chats. The next one has faces again.
  const observer = new MutationObserver(() => {
    observer.disconnect();
    place.replaceChildren(...faces);
  });
  observer.observe(place, { attributes: true });
  const refusal = await rate();
  if (!status.isConnected || refusal === LATE) return;
  place.append(...(refusal ? faces : [form]));
  const next = refusal ? faces[score] : comment;
  /** @type {HTMLElement} */ (next).focus();

  /** Tells the server. Resolves with the code of a refusal, if there is one. */
  async function rate() {
    try {
      await chat.rest(`chat/rating/${id}`, { score, comment: comment.value.trim() || null });
    } catch ({ code }) {
      write(status, code === LATE ? words.late : words.trouble);
      return code;
    }
    write(status, words.thanks);
  }

  /** @param {Event} event */
  async function onsubmit(event) {
    event.preventDefault();
    if (!(await rate())) form.remove();
  }
}
