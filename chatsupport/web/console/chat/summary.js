import { h } from "../../shared/elements.js";
import { linked } from "../../shared/links.js";
import { setText, show } from "../parts/elements.js";
import { talkOf } from "../store.js";
import { say, texts } from "../texts.js";

/** @import { Session } from "../types.js" */

// What a bot has found out, above the messages, for the person who has the chat now.

export function createSummary() {
  const who = h("summary", {});
  const text = h("p", { dir: "auto" });
  const element = h("details", { class: "bot-summary", open: true, hidden: true }, who, text);
  let shown = "";
  return {
    element,
    /** @param {Session | null} session */
    update(session) {
      const note = session ? talkOf(session.id).notes.findLast(({ isSummary }) => isSummary) : undefined;
      show(element, Boolean(note));
      if (!note || note.id === shown) return;
      shown = note.id;
      element.open = true;
      setText(who, say(texts.notes.summary, { name: note.authorName }));
      text.replaceChildren(...linked(note.text));
    },
  };
}
