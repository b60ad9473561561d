import { h } from "../page.js";
import { words } from "../part.js";

/** @import { Shown } from "../types.js" */

// The button above the messages that loads earlier ones.

const button = h("button", { class: "earlier" }, words.earlier);

/**
 * Shows or hides the button.
 * @param {Shown} view
 * @param {boolean} isShown
 */
export function show({ chat, hello, state: { id, messages } }, isShown) {
  if (!isShown) return button.remove();
  hello.before(button);
  button.onclick = async () => {
    const [first] = messages;
    const page = await chat.rest(`chat/messages/${id}?limit=50&before=${first.seq}`);
    // The chat has one list of messages as long as it lasts.
    if (messages[0] === first) chat.addEarlier(page.messages, page.pagination.hasMore);
  };
}
