import { h } from "../../shared/elements.js";
import { announce } from "../parts/announce.js";
import { keyed, setAttribute, show } from "../parts/elements.js";
import { loadReplies } from "../server/desk.js";
import { state } from "../store.js";
import { say, texts } from "../texts.js";

/** @import { Reply, Session } from "../types.js" */

// The canned replies over the field, while its text is a slash and the beginning of a shortcut, or a word of a title.

const MOST = 8;
const ASKED = /^\/(\S*)$/;
/** The space before it goes too: "Hello {{visitor.name}}," becomes "Hello," where the visitor has given no name. */
const VISITOR = /\s*\{\{visitor\.name\}\}/g;
const AGENT = /\{\{agent\.name\}\}/g;

/** Returns a reply's text with the names in it. @param {string} text @param {Session} session */
function filled(text, session) {
  const visitor = session.context?.visitor.name;
  return text
    .replace(VISITOR, (place) => (visitor ? place.replace(/\{.*\}/, () => visitor) : ""))
    .replace(AGENT, () => state.agent?.name ?? "");
}

/** @param {string} text */
function matching(text) {
  const word = ASKED.exec(text)?.[1].toLowerCase();
  if (word === undefined) return [];
  const found = (state.replies ?? []).filter(
    ({ shortcut, title }) => shortcut.startsWith(word) || title.toLowerCase().includes(word),
  );
  const first = (/** @type {Reply} */ { shortcut }) => Number(!shortcut.startsWith(word));
  return found.sort((one, other) => first(one) - first(other)).slice(0, MOST);
}

/**
 * @param {HTMLTextAreaElement} field
 * @param {(text: string) => void} onChoose
 */
export function createReplies(field, onChoose) {
  const list = h("ul", { class: "replies", id: "replies", role: "listbox", "aria-label": texts.replies.label });
  /** @type {readonly Reply[]} */
  let found = [];
  let chosen = 0;
  let closedFor = ""; // the text for which Escape has closed the list
  /** @type {Session | null} */
  let session = null;

  field.setAttribute("aria-autocomplete", "list");
  field.setAttribute("aria-controls", "replies");

  /** @param {Reply} reply */
  const choose = (reply) => session && onChoose(filled(reply.text, session));

  function render() {
    show(list, found.length > 0);
    keyed(list, found, (reply) => reply, create);
    setAttribute(field, "aria-activedescendant", found.length ? `reply-${found[chosen].id}` : null);
  }

  /** @param {Reply} reply */
  function create(reply) {
    const element = h(
      "li",
      {
        class: "reply",
        id: `reply-${reply.id}`,
        role: "option",
        onmousedown: (/** @type {Event} */ event) => event.preventDefault(), // The field keeps the focus.
        onclick: () => choose(reply),
      },
      h("span", { class: "reply-shortcut" }, `/${reply.shortcut}`),
      h("span", { class: "reply-title" }, reply.title),
      h("span", { class: "reply-text" }, reply.text),
    );
    return { element, update: () => setAttribute(element, "aria-selected", reply.id === found[chosen].id) };
  }

  return {
    element: list,
    /** @param {Session} now @param {boolean} isOffered */
    update(now, isOffered) {
      session = now;
      const text = field.value;
      const isAsked = isOffered && ASKED.test(text) && text !== closedFor;
      if (!ASKED.test(text)) closedFor = "";
      if (isAsked) loadReplies();
      const before = found;
      found = isAsked ? matching(text) : [];
      if (before.length !== found.length || before.some((one, index) => one.id !== found[index].id)) {
        chosen = 0;
        if (found.length) announce(say(texts.replies.found, { count: found.length }));
      }
      render();
    },
    /** Returns whether the key was for the list. @param {KeyboardEvent} event */
    press({ key, shiftKey, isComposing }) {
      if (!found.length || isComposing || shiftKey) return false;
      if (key === "ArrowDown") chosen = (chosen + 1) % found.length;
      else if (key === "ArrowUp") chosen = (chosen + found.length - 1) % found.length;
      else if (key === "Enter" || key === "Tab") choose(found[chosen]);
      else if (key === "Escape") {
        closedFor = field.value;
        found = [];
      } else return false;
      render();
      list.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
      return true;
    },
  };
}
