import { linked, toLink } from "../shared/links.js";
import { addressOf, draw, fitting, readPicture } from "./canvas.js";
import { h, say } from "./page.js";
import { words } from "./part.js";

/** @import { Attachment, Message } from "../shared/types.js" */

// What parts show of a message that has more than a person's text.

const PICTURE_PX = 480;

// What the server says in English when a bot hands a chat over (services/assignment/closing_lines.py).
const TO_QUEUE = "You will be connected to a person.";
const TO_PERSON = /^You are now connected to (.+)\.$/s;

/**
 * Returns the server's line at the end of a bot's part in the chat's language, or nothing for other messages.
 * @param {Message} message
 */
export function lineOf({ message, senderType, clientMessageId = "" }) {
  if (senderType !== "system" || !/^handover-/.test(clientMessageId)) return "";
  if (message === TO_QUEUE) return words.toQueue;
  const name = message.match(TO_PERSON)?.[1];
  return name ? say(words.toPerson, name) : "";
}

/**
 * Returns the card of a message, if it has one.
 * @param {Message} message
 */
export function cardOf({ content, picture }) {
  if (content?.type !== "card") return null;
  const { title, text, buttons = [] } = content;
  return h(
    "div",
    { class: "tile", role: "group", "aria-label": title },
    picture?.url && createPicture(picture),
    h("div", { class: "title", dir: "auto" }, title),
    text && h("div", { dir: "auto" }, ...linked(text)),
    ...buttons.map(button),
  );
}

// A link says where it leads, as addresses in messages do.
/** @param {{ title: string, url: string }} button */
function button({ title, url }) {
  const link = toLink(url);
  link?.replaceChildren(h("span", { dir: "auto" }, title), h("small", null, link.hostname));
  return link;
}

// Its place is there before it is loaded, so that the end of the chat stays in view.
/** @param {Attachment} picture */
function createPicture(picture) {
  const { url, thumbnailUrl = url, alt } = picture;
  const canvas = h("canvas", { ...fitting(picture, PICTURE_PX), role: alt && "img", "aria-label": alt });
  readPicture(addressOf(`${thumbnailUrl}`))
    .then((blob) => draw(canvas, blob, PICTURE_PX))
    .catch(() => canvas.remove()); // The card is good without it.
  return canvas;
}
