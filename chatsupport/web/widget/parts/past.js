import { linked } from "../../shared/links.js";
import { cardOf, lineOf } from "../message.js";
import { h, locale } from "../page.js";
import { words } from "../part.js";

/** @import { Message } from "../../shared/types.js" */
/** @import { Shown } from "../types.js" */

// The visitor's past chats in this browser. They can be read, and not continued.

const GONE = /FORBIDDEN|NOT_FOUND/;

/** @param {Shown} view */
export function show(view) {
  const { panel, own, chat, focus } = view;
  if (panel.querySelector(".sheet")) return; // This was the second click.
  const { past, names } = own.kept();
  const when = new Intl.DateTimeFormat(locale, { dateStyle: "long", timeStyle: "short" });
  const clock = new Intl.DateTimeFormat(locale, { timeStyle: "short" });
  const back = h("button", { class: "back", onclick: goBack }, words.returnTo);
  const content = h("div", { class: "log", tabindex: "0" });
  const sheet = h("div", { class: "sheet", onkeydown }, back, content);
  let isList = true;
  /** @type {HTMLElement} */ (panel.firstChild).after(sheet);
  list();

  function list() {
    isList = true;
    const chats = Array.from(past)
      .filter((one) => one?.id && one.at > 0)
      .reverse();
    content.replaceChildren(
      ...chats.map((one) =>
        h("button", { onclick: () => read(one) }, when.format(new Date(one.at)), h("small", null, one.name)),
      ),
    );
    back.focus();
  }

  /** @param {{ id: string, at: number }} one */
  async function read({ id, at }) {
    isList = false;
    content.replaceChildren();
    back.focus();
    /** @type {Node[]} */
    const rows = await chat.rest(`chat/messages/${encodeURIComponent(id)}?limit=100`).then(
      (/** @type {{ messages: Message[] }} */ { messages }) => messages.map(row),
      (/** @type {{ code: string }} */ { code }) => [
        h("p", { class: "line" }, GONE.test(code) ? words.gone : words.trouble),
      ],
    );
    if (!isList) content.replaceChildren(h("p", { class: "line" }, when.format(new Date(at))), ...rows);
  }

  /** @param {Message} message */
  function row(message) {
    const { senderType, senderId, timestamp } = message;
    const isOwn = senderType === "user";
    const name = isOwn ? words.you : (names?.[senderId] ?? words.team);
    const note = `${name} · ${clock.format(new Date(timestamp))}`;
    const text = h("p", { dir: "auto" }, ...linked(lineOf(message) || message.message));
    const element = h("div", { class: isOwn && "own" }, text, cardOf(message), h("small", null, note));
    if (message.attachment) view.use("files").then((part) => part.show(message, element, view));
    return element;
  }

  function goBack() {
    if (!isList) return list();
    sheet.remove();
    focus();
  }

  /** @param {KeyboardEvent} event */
  function onkeydown(event) {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    goBack();
  }
}
