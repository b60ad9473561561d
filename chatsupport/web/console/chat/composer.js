import { h } from "../../shared/elements.js";
import { icon, setAttribute, setText, show } from "../parts/elements.js";
import { emit, isConnected } from "../server/live.js";
import { keepWriting, outboxOf } from "../server/outbox.js";
import { change, isMine, isSupervisor, state, talkOf } from "../store.js";
import { say, texts } from "../texts.js";

/** @import { Session } from "../types.js" */

// The field to write in. Enter sends, and Shift+Enter begins a new line. Its text is the session's draft, and is kept.

const MOST = 1000;
const TYPING_MS = 3_000;
const HIGHEST_PX = 168;

/** @param {string} text */
const length = (text) => [...text.trim()].length;

/** @param {Session} session */
export const canWrite = (session) =>
  session.status === "active" && !session.gone && (isMine(session) || (isSupervisor() && talkOf(session.id).watching));

export function createComposer() {
  const field = h("textarea", {
    id: "composer",
    rows: "1",
    "aria-describedby": "composer-hint composer-count",
    placeholder: texts.composer.placeholder,
    oninput,
    onblur: stopTyping,
    onkeydown(/** @type {KeyboardEvent} */ event) {
      // An input method uses Enter to accept what it proposes.
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
    },
  });
  const count = h("span", { class: "composer-count", id: "composer-count" });
  const hint = h("span", { class: "composer-hint", id: "composer-hint" }, texts.composer.hint);
  const label = h("span", {}, texts.composer.send);
  const button = h("button", { class: "button primary send", type: "submit" }, icon("send"), label);
  const element = h(
    "form",
    { class: "composer", onsubmit: submit },
    h("label", { class: "visually-hidden", for: "composer" }, texts.composer.label),
    h("div", { class: "composer-field" }, field, button),
    h("div", { class: "composer-foot" }, hint, count),
  );
  let sessionId = "";
  let writable = false;
  let typingAt = 0;

  /** @param {Event} event */
  function submit(event) {
    event.preventDefault();
    const text = field.value.trim();
    if (!writable || !text || length(text) > MOST) return;
    outboxOf(sessionId).add(text);
    setDraft("");
    typingAt = 0;
    field.focus();
  }

  /** @param {string} text */
  function setDraft(text) {
    if (field.value !== text) field.value = text;
    change((draft) => (text ? draft.drafts.set(sessionId, text) : draft.drafts.delete(sessionId)));
    keepWriting();
    grow();
    measure();
  }

  function grow() {
    field.style.height = "auto";
    field.style.height = `${Math.min(field.scrollHeight, HIGHEST_PX)}px`;
  }

  function measure() {
    const now = length(field.value);
    setText(count, say(texts.composer.count, { count: now, most: MOST }));
    count.classList.toggle("failure", now > MOST);
    setAttribute(field, "aria-invalid", now > MOST ? "true" : null);
    button.disabled = !writable || now === 0 || now > MOST;
  }

  function stopTyping() {
    if (typingAt && isConnected()) emit("typing_stop", { sessionId });
    typingAt = 0;
  }

  function oninput() {
    setDraft(field.value);
    if (!isConnected() || !writable) return;
    if (!field.value.trim()) return stopTyping();
    if (Date.now() - typingAt <= TYPING_MS) return;
    typingAt = Date.now();
    emit("typing_start", { sessionId });
  }

  return {
    element,
    /** @param {Session} session */
    update(session) {
      const draft = state.drafts.get(session.id) ?? "";
      const isBusy = state.busy.has(session.id);
      writable = canWrite(session) && !isBusy;
      // A draft in a lost chat can still be copied from the field.
      const visible = writable || isBusy || (Boolean(draft) && (isMine(session) || Boolean(session.gone)));
      show(element, visible);
      if (sessionId !== session.id) {
        stopTyping();
        sessionId = session.id;
        field.value = draft;
        if (visible) grow();
      } else if (field.value !== draft) field.value = draft;
      field.readOnly = !writable;
      measure();
    },
  };
}
