import { h, write } from "../page.js";
import { words } from "../part.js";

/** @import { Shown } from "../types.js" */

// The button above the messages that loads earlier ones.

const button = h("button", null, words.earlier);
const trouble = h("small", { role: "alert" });
const place = h("div", { class: "earlier" }, button, trouble);

/**
 * Shows or hides the button.
 * @param {Shown} view
 * @param {boolean} isShown
 */
export function show({ chat, hello, state: { id, messages } }, isShown) {
  if (!isShown) return place.remove();
  hello.before(place);
  write(trouble, "");
  button.onclick = async () => {
    write(trouble, "");
    const [first] = messages;
    const page = await chat.rest(`chat/messages/${id}?limit=50&before=${first.seq}`).catch(console.warn);
    if (!page) return write(trouble, words.trouble);
    // The chat has one list of messages as long as it lasts.
    if (messages[0] === first) chat.addEarlier(page.messages, page.pagination.hasMore);
  };
}
