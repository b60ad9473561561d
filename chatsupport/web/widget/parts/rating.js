import { h } from "../page.js";
import { words } from "../part.js";

/** @import { Shown } from "../types.js" */

// A rating. The visitor has chosen a face, and may add a comment.

const LONGEST_COMMENT = 500;

/**
 * Rates the chat.
 * @param {Shown} view
 * @param {HTMLElement} place has the faces
 * @param {number} score
 */
export async function show({ panel, chat, state }, place, score) {
  if (!place.querySelector("svg")) return; // This was the second click.
  const { id } = state;
  const status = h("p", { role: "status" });
  const properties = { rows: "2", maxlength: LONGEST_COMMENT, placeholder: words.comment, "aria-label": words.comment };
  const comment = h("textarea", properties);
  const form = h("form", { onsubmit }, comment, h("button", null, words.send));
  const faces = [...place.children];
  place.replaceChildren(status);
  // The next chat has faces again.
  panel.querySelector(".again")?.addEventListener("click", () => place.replaceChildren(...faces), { once: true });
  if (!(await rate())) return;
  place.append(form);
  comment.focus();

  /** Tells the server. Returns whether that is done. */
  async function rate() {
    try {
      await chat.rest(`chat/rating/${id}`, { score, comment: comment.value.trim() || null });
    } catch ({ code }) {
      status.textContent = code === "RATING_CLOSED" ? words.late : words.trouble;
      return false;
    }
    status.textContent = words.thanks;
    return true;
  }

  /** @param {Event} event */
  async function onsubmit(event) {
    event.preventDefault();
    if (await rate()) form.remove();
  }
}
