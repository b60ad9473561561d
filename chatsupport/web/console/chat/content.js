import { h } from "../../shared/elements.js";
import { show } from "../parts/elements.js";
import { texts } from "../texts.js";
import { createThumbnail } from "./files.js";

/** @import { Attachment, Message } from "../../shared/types.js" */

// What a message shows beside its text: answers that the visitor may choose, or a card. Agents only see it.

/** Makes the place of a message's content, which stays as it is. */
export function createContent() {
  const element = h("div", { class: "content" });
  let shown = "";
  return {
    element,
    /** @param {Message | undefined} message */
    update(message) {
      show(element, Boolean(message?.content));
      if (!message?.content || shown === message.id) return;
      shown = message.id;
      element.replaceChildren(...partsOf(message.content, message.picture));
    },
  };
}

/** @param {NonNullable<Message["content"]>} content @param {Attachment} [picture] */
function partsOf(content, picture) {
  if (content.type === "quick_replies") {
    const options = content.options.map(({ title }) => h("li", { class: "option" }, title));
    return [h("ul", { class: "options", "aria-label": texts.messages.options }, ...options)];
  }
  const buttons = content.buttons ?? [];
  const card = h(
    "div",
    { class: "offer" },
    picture?.thumbnailUrl && createThumbnail(picture),
    h("p", { class: "offer-title", dir: "auto" }, content.title),
    content.text && h("p", { dir: "auto" }, content.text),
    ...buttons.map(({ title, url }) =>
      h("a", { class: "link", href: url, target: "_blank", rel: "noopener noreferrer", title: url }, title),
    ),
  );
  return [card];
}
