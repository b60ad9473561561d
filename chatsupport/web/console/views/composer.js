// The field to write in. Enter sends, Shift+Enter begins a new line. What is in it is the session's draft, and is kept.

import { h, icon, setAttribute, setText, show } from "../dom.js";
import { emit, isConnected } from "../live.js";
import { keepWriting, send } from "../outbox.js";
import { change, isMine, isSupervisor } from "../store.js";

const MOST = 1000;
const TYPING_MS = 3_000;

const length = (text) => [...text.trim()].length;

export const canWrite = (session, talk) =>
  session.status === "active" && !session.gone && (isMine(session) || (isSupervisor() && Boolean(talk?.watching)));

export function createComposer() {
  const field = h("textarea", {
    id: "composer",
    rows: "1",
    "aria-describedby": "composer-hint composer-count",
    placeholder: "Write a message…",
  });
  const count = h("span", { class: "composer-count", id: "composer-count" });
  const hint = h("span", { class: "composer-hint", id: "composer-hint" }, "Enter sends, Shift + Enter for a new line");
  const button = h("button", { class: "button primary send", type: "submit" }, icon("send"), h("span", {}, "Send"));
  const element = h(
    "form",
    { class: "composer" },
    h("label", { class: "visually-hidden", for: "composer" }, "Message"),
    h("div", { class: "composer-field" }, field, button),
    h("div", { class: "composer-foot" }, hint, count),
  );
  let sessionId = null;
  let writable = false;
  let typingAt = 0;

  function submit() {
    const text = field.value.trim();
    if (!writable || !text || length(text) > MOST) return;
    send(sessionId, text);
    setDraft("");
    typingAt = 0;
    field.focus();
  }

  function setDraft(text) {
    if (field.value !== text) field.value = text;
    change((state) => (text ? state.drafts.set(sessionId, text) : state.drafts.delete(sessionId)));
    keepWriting();
    grow();
    measure();
  }

  function grow() {
    field.style.height = "auto";
    field.style.height = `${Math.min(field.scrollHeight, 168)}px`;
  }

  function measure() {
    const now = length(field.value);
    setText(count, `${now} / ${MOST}`);
    count.classList.toggle("failure", now > MOST);
    setAttribute(field, "aria-invalid", now > MOST ? "true" : null);
    button.disabled = !writable || now === 0 || now > MOST;
  }

  function stopTyping() {
    if (typingAt && isConnected()) emit("typing_stop", { sessionId });
    typingAt = 0;
  }

  field.addEventListener("input", () => {
    setDraft(field.value);
    if (!isConnected() || !writable) return;
    if (!field.value.trim()) stopTyping();
    else if (Date.now() - typingAt > TYPING_MS) {
      typingAt = Date.now();
      emit("typing_start", { sessionId });
    }
  });
  field.addEventListener("blur", stopTyping);
  field.addEventListener("keydown", (event) => {
    // An input method uses Enter to accept what it proposes.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  });
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });

  return {
    element,
    update(session, talk, state) {
      const draft = state.drafts.get(session.id) ?? "";
      writable = canWrite(session, talk) && !state.busy.has(session.id);
      // A draft in a chat that is lost can still be copied out of the field.
      const visible =
        writable || state.busy.has(session.id) || (Boolean(draft) && (isMine(session) || Boolean(session.gone)));
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
