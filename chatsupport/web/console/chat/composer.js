import { h } from "../../shared/elements.js";
import { icon, setAttribute, setText, show } from "../parts/elements.js";
import { focusComposer } from "../parts/focus.js";
import { addNote } from "../server/desk.js";
import { emit, isConnected } from "../server/live.js";
import { keepWriting, outboxOf } from "../server/outbox.js";
import { assign, canNote, change, isMine, isSupervisor, state, talkOf } from "../store.js";
import { say, texts } from "../texts.js";
import { createTray } from "./files.js";
import { createReplies } from "./replies.js";

/** @import { Session } from "../types.js" */

// The field to write in: an answer to the visitor, or a note for the team. Enter sends, and Shift+Enter begins a new line.
// Its text is the session's draft, and is kept.

const MOST = { reply: 1000, note: 2000 };
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
    oninput,
    onblur: stopTyping,
    onkeydown(/** @type {KeyboardEvent} */ event) {
      if (replies.press(event)) return event.preventDefault();
      // An input method uses Enter to accept what it proposes.
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
    },
  });
  const replies = createReplies(field, (text) => {
    setDraft(text);
    field.focus();
  });
  const tray = createTray(field, () => measure());
  const label = h("label", { class: "visually-hidden", for: "composer" });
  const count = h("span", { class: "composer-count", id: "composer-count" });
  const hint = h("span", { class: "composer-hint", id: "composer-hint" });
  const verb = h("span", {});
  const button = h("button", { class: "button primary send", type: "submit" }, icon("send"), verb);
  /** @param {"reply" | "note"} value @param {string} name @param {string | null} image */
  const tab = (value, name, image) => {
    const input = h("input", { type: "radio", name: "composer-mode", class: "visually-hidden" });
    input.addEventListener("change", () => assign({ writes: value }));
    // After a click, the agent writes. If the tab took the focus, the text would be taken for shortcuts.
    const onclick = (/** @type {MouseEvent} */ event) => {
      if (event.target === input) return; // The arrow keys stay on the tabs.
      event.preventDefault();
      assign({ writes: value });
      focusComposer(true);
    };
    return { input, element: h("label", { class: `tab ${value}-tab`, onclick }, input, image && icon(image), name) };
  };
  const replyTab = tab("reply", texts.composer.reply, null);
  const noteTab = tab("note", texts.composer.note, "lock");
  const tabs = h(
    "fieldset",
    { class: "plain tabs" },
    h("legend", { class: "visually-hidden" }, texts.composer.mode),
    replyTab.element,
    noteTab.element,
  );
  const element = h(
    "form",
    { class: "composer", onsubmit: submit },
    tabs,
    label,
    tray.chips,
    h("div", { class: "composer-field" }, replies.element, tray.button, field, button),
    h("div", { class: "composer-foot" }, hint, count),
  );
  let sessionId = "";
  let writable = false;
  let typingAt = 0;
  /** @type {"reply" | "note"} */
  let mode = "reply";

  /** Where the draft is: a chat has one of an answer and one of a note. */
  const place = () => (mode === "note" ? `note-${sessionId}` : sessionId);

  /** @param {Event} event */
  function submit(event) {
    event.preventDefault();
    const text = field.value.trim();
    const hasFiles = mode === "reply" && tray.hasChosen();
    if (!writable || !(text || hasFiles) || length(text) > MOST[mode]) return;
    if (mode === "note") return submitNote(text);
    if (hasFiles) tray.send();
    if (text) outboxOf(sessionId).add(text);
    setDraft("");
    typingAt = 0;
    field.focus();
  }

  /** @param {string} text */
  async function submitNote(text) {
    const draft = place();
    assign({ noting: true });
    const isAdded = await addNote(sessionId, text);
    change((store) => {
      store.noting = false;
      if (isAdded) store.drafts.delete(draft);
    });
    keepWriting();
  }

  /** @param {string} text */
  function setDraft(text) {
    if (field.value !== text) field.value = text;
    change((draft) => (text ? draft.drafts.set(place(), text) : draft.drafts.delete(place())));
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
    const most = MOST[mode];
    setText(count, say(texts.composer.count, { count: now, most }));
    count.classList.toggle("failure", now > most);
    setAttribute(field, "aria-invalid", now > most ? "true" : null);
    const isEmpty = now === 0 && !(mode === "reply" && tray.hasChosen());
    button.disabled = !writable || isEmpty || now > most;
  }

  function stopTyping() {
    if (typingAt && isConnected()) emit("typing_stop", { sessionId });
    typingAt = 0;
  }

  function oninput() {
    setDraft(field.value);
    if (mode === "note" || !isConnected() || !writable) return;
    if (!field.value.trim()) return stopTyping();
    if (Date.now() - typingAt <= TYPING_MS) return;
    typingAt = Date.now();
    emit("typing_start", { sessionId });
  }

  function showMode() {
    const isNote = mode === "note";
    const { composer } = texts;
    replyTab.input.checked = !isNote;
    noteTab.input.checked = isNote;
    element.classList.toggle("is-note", isNote);
    setText(label, isNote ? composer.noteLabel : composer.label);
    setText(verb, isNote ? composer.addNote : composer.send);
    const asksInVain = field.value.startsWith("/") && state.replies?.length === 0;
    setText(hint, isNote ? composer.noteHint : asksInVain ? texts.replies.none : composer.hint);
    setAttribute(field, "placeholder", isNote ? composer.notePlaceholder : composer.placeholder);
  }

  return {
    element,
    takeDrops: tray.takeDrops,
    /** @param {Session} session */
    update(session) {
      const isBusy = state.busy.has(session.id);
      const answers = canWrite(session) || isBusy;
      const draft = state.drafts.get(session.id) ?? "";
      // A draft in a lost chat can still be copied from the field.
      const isLost = Boolean(draft) && (isMine(session) || Boolean(session.gone));
      const notes = canNote(session);
      const shows = answers || isLost;
      const wanted = shows && !notes ? "reply" : shows ? state.writes : "note";
      const visible = shows || notes;
      show(element, visible);
      show(tabs, shows && notes);
      writable = wanted === "note" ? notes && !state.noting : canWrite(session) && !isBusy;
      const isOther = sessionId !== session.id || mode !== wanted;
      if (isOther) stopTyping();
      [sessionId, mode] = [session.id, wanted];
      const text = state.drafts.get(place()) ?? "";
      if (field.value !== text) field.value = text;
      showMode();
      if (isOther && visible) grow();
      field.readOnly = !writable;
      tray.update(session.id, visible && writable && mode === "reply");
      measure();
      replies.update(session, visible && writable && mode === "reply");
    },
  };
}
