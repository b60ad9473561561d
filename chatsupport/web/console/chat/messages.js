import { h } from "../../shared/elements.js";
import { linked } from "../../shared/links.js";
import { dayKey, dayName, fullTime, timeOfDay } from "../parts/clock.js";
import { icon, keyed, setAttribute, setText, show } from "../parts/elements.js";
import { createEmpty } from "../parts/empty.js";
import { agentName, visitorName } from "../parts/names.js";
import { loadEarlier } from "../server/actions.js";
import { outboxOf } from "../server/outbox.js";
import { assign, state, talkOf } from "../store.js";
import { say, texts } from "../texts.js";
import { createContent } from "./content.js";
import { createAttachment, isOnlyName } from "./files.js";

/** @import { Message, Unsent } from "../../shared/types.js" */
/** @import { Note, Session, Talk } from "../types.js" */
/**
 * @typedef {object} Line what stands in the list: a day, a message, a note, or what is on its way
 * @property {string} key
 * @property {string} [day]
 * @property {string} [text]
 * @property {Message} [message]
 * @property {boolean} [erased]
 * @property {string} [at]
 * @property {"theirs" | "ours" | "system"} [side]
 * @property {boolean} [own]
 * @property {string} [name]
 * @property {boolean} [follows] it has no name, for the same person has just said something else
 * @property {"pending" | "sent" | "read" | "failed" | null} [mark]
 * @property {number} [seq]
 * @property {boolean} [isSpot] the search has led here
 * @property {Note} [note]
 * @property {Unsent} [unsent]
 * @property {string} [sessionId]
 */

// The messages, by day and by person. Scrolling up loads earlier ones, and unsent ones are at the end.

const TOGETHER_MS = 120_000;
const NEAR_PX = 60;
const QUIET_MS = 500;
const SPOT_MS = 6_000;

export function createMessages() {
  const items = h("ol", { class: "messages" });
  const typing = h("p", { class: "typing", hidden: true });
  const top = h("div", { class: "messages-top" });
  const empty = createEmpty();
  const log = h(
    "div",
    { class: "log", role: "log", "aria-live": "polite", "aria-label": texts.chat.messages, tabindex: "0", onscroll },
    top,
    empty.element,
    items,
    typing,
  );
  const news = h("span", {});
  const jump = h(
    "button",
    { class: "button small jump", type: "button", hidden: true, onclick: toEnd },
    icon("down"),
    news,
  );
  let sessionId = "";
  /** @type {unknown[]} The input of the last rendering. If it is the same, there is nothing to do. */
  let made = [];
  let first = 0; // the first seq that is shown
  let unsent = 0; // how many were unsent
  let stick = true; // the end is in view and stays there
  let seen = 0; // the last seq when the end was in view
  /** @type {unknown} What was scrolled to. */
  let shown = null;
  let height = 0; // of the view

  const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_PX;
  function toEnd() {
    log.scrollTop = log.scrollHeight;
  }
  function onscroll() {
    if (log.clientHeight !== height) return; // Nobody has scrolled: the view has just been opened again, or resized.
    stick = atEnd();
    if (stick) show(jump, false);
    const { hasEarlier, error } = talkOf(sessionId);
    if (log.scrollTop < NEAR_PX && hasEarlier && !error) loadEarlier(sessionId);
  }
  /** Scrolls to the message that the search has found, and loads earlier ones until it is there. @param {Talk} talk */
  function seek({ messages, hasEarlier, loading, error }) {
    const { spot } = state;
    if (!spot || spot === shown || loading || error || !messages.length) return;
    if (messages[0].seq > spot.seq && hasEarlier) return loadEarlier(sessionId);
    shown = spot;
    setTimeout(() => state.spot === spot && assign({ spot: null }), SPOT_MS);
    /** @type {HTMLElement | null} */
    const element = items.querySelector(`[data-seq="${spot.seq}"]`);
    if (!element) return;
    stick = false;
    element.scrollIntoView({ block: "center" });
    element.focus({ preventScroll: true });
  }
  new ResizeObserver(() => {
    height = log.clientHeight;
    if (stick) toEnd();
  }).observe(log);

  return {
    element: h("div", { class: "log-frame" }, log, jump),
    atEnd,
    /** @param {Session} session */
    update(session) {
      const talk = talkOf(session.id);
      const { messages } = talk;
      const outbox = state.outbox.get(session.id) ?? [];
      const isLoading = talk.loading || (talk.live && talk.lastSeq === null); // The join brings the last messages.
      showTop(top, session.id, { ...talk, loading: isLoading });
      const spot = state.spot?.sessionId === session.id ? state.spot : null;
      const parts = [spot, session.id, session.agent, session.status, session.context, talk, outbox, state.agents];
      if (parts.every((part, index) => part === made[index])) return;
      made = parts;
      const isOther = sessionId !== session.id;
      const isPrepended = !isOther && first > (messages[0]?.seq ?? Infinity);
      const below = log.scrollHeight - log.scrollTop;
      if (isOther) {
        // A new list, so that a screen reader does not read out a whole history.
        log.setAttribute("aria-live", "off");
        setTimeout(() => log.setAttribute("aria-live", "polite"), QUIET_MS);
        [stick, seen, sessionId] = [true, 0, session.id];
      }
      const hasSent = !isOther && unsent < outbox.length;
      first = messages[0]?.seq ?? 0;
      unsent = outbox.length;
      keyed(items, arrange(session, talk, outbox), (line) => line.key, create);
      setText(typing, say(texts.messages.typing, { name: visitorName(session) }));
      show(typing, talk.typing.size > 0);
      const isEmpty = !messages.length && !talk.notes.length && !outbox.length && !isLoading && !talk.error;
      show(empty.element, isEmpty);
      const text = session.status === "ended" ? texts.empty.messagesEnded : texts.empty.messages;
      if (isEmpty) empty.update({ image: "chats", title: texts.empty.messagesTitle, text });
      if (spot) seek(talk);
      if (spot && spot === shown) show(jump, false);
      else if (isPrepended) log.scrollTop = log.scrollHeight - below;
      else if (stick || hasSent) toEnd();
      const last = messages.at(-1)?.seq ?? 0;
      if (stick || !seen) seen = last;
      show(jump, !stick && last > seen);
      setText(news, say(texts.messages.news, { count: last - seen }));
    },
  };
}

/** @param {HTMLElement} top @param {string} sessionId @param {Talk} talk */
function showTop(top, sessionId, { loading, error, hasEarlier }) {
  const what = loading ? "loading" : error ? `error ${error}` : hasEarlier ? "more" : "";
  if (top.dataset.state === `${sessionId} ${what}`) return;
  top.dataset.state = `${sessionId} ${what}`;
  const load = (/** @type {string} */ label) => h("button", { class: "button small", type: "button", onclick }, label);
  function onclick() {
    top.parentElement?.focus({ preventScroll: true }); // The button disappears, and the focus must not be lost with it.
    loadEarlier(sessionId);
  }
  if (loading) top.replaceChildren(h("span", { class: "muted" }, texts.messages.loading));
  else if (error) {
    const text = say(texts.messages.earlierFailed, { reason: error });
    top.replaceChildren(h("span", { class: "failure" }, text), load(texts.tryAgain));
  } else if (hasEarlier) top.replaceChildren(load(texts.messages.earlier));
  else top.replaceChildren();
}

/**
 * Returns the lines of the list: one where a day begins, each message and note, and what is on its way.
 * @param {Session} session
 * @param {Talk} talk
 * @param {readonly Unsent[]} outbox
 */
function arrange(session, { messages, notes: all, reads, hasEarlier }, outbox) {
  /** @type {Line[]} */
  const lines = [];
  const me = state.agent?.id;
  const readSeq = reads.get(session.userId) ?? 0;
  const arrived = new Set(messages.filter((one) => one.senderId === me).map((one) => one.clientMessageId));
  const lastOwn = messages.findLast((one) => one.senderId === me)?.seq;
  /** @type {Message | null} */
  let before = null;
  const notes = all.filter(({ isSummary }) => !isSummary); // A summary stands above the messages.
  // Notes from before the first message that is shown come with the earlier messages.
  const shown = hasEarlier ? notes.filter((note) => note.createdAt >= messages[0]?.timestamp) : [...notes];
  /** @param {string} [until] */
  const addNotes = (until) => {
    const count = shown.length;
    while (shown.length && (until === undefined || shown[0].createdAt < until)) {
      const note = /** @type {Note} */ (shown.shift());
      lines.push({ key: `note-${note.id}`, note });
    }
    return shown.length < count;
  };
  for (const message of messages) {
    const isInterrupted = addNotes(message.timestamp);
    const isNewDay = !before || dayKey(before.timestamp) !== dayKey(message.timestamp);
    if (isNewDay) lines.push({ key: `day-${dayKey(message.timestamp)}`, day: message.timestamp });
    const isOwn = message.senderId === me;
    const isVisitor = message.senderId === session.userId && message.senderType === session.userType;
    const follows =
      !isNewDay &&
      !isInterrupted &&
      before?.senderId === message.senderId &&
      Date.parse(message.timestamp) - Date.parse(before.timestamp) < TOGETHER_MS;
    lines.push({
      // A message that I have sent keeps its place and its element when it comes back from the server.
      key: isOwn && message.clientMessageId ? `own-${message.clientMessageId}` : `seq-${message.seq}`,
      seq: message.seq,
      isSpot: state.spot?.sessionId === session.id && state.spot.seq === message.seq,
      text: message.message,
      message,
      erased: message.erased,
      at: message.timestamp,
      side: isVisitor ? "theirs" : message.senderType === "system" ? "system" : "ours",
      own: isOwn,
      name: isVisitor ? visitorName(session) : isOwn ? texts.you : nameOf(message, session),
      follows,
      mark: message.seq === lastOwn ? (readSeq >= message.seq ? "read" : "sent") : null,
    });
    before = message;
  }
  const hasNoteLast = addNotes();
  for (const unsent of outbox) {
    if (arrived.has(unsent.id)) continue;
    lines.push({
      key: `own-${unsent.id}`,
      text: unsent.text,
      at: unsent.at,
      side: "ours",
      own: true,
      name: texts.you,
      follows: before?.senderId === me && !hasNoteLast,
      mark: unsent.failed ? "failed" : unsent.seq ? "sent" : "pending",
      unsent,
      sessionId: session.id,
    });
  }
  return lines;
}

/** @param {Message} message @param {Session} session */
function nameOf(message, session) {
  if (message.senderType === "system") return texts.messages.system;
  const isOfAgent = session.agentId === message.senderId && session.agent;
  const agent = isOfAgent || state.agents.find(({ id }) => id === message.senderId);
  return agent ? agentName(agent) : texts.messages.anotherAgent;
}

/** @param {Line} line */
function create(line) {
  if (line.note) return createNote();
  if (!line.day) return createMessage();
  const name = h("span", {});
  return {
    element: h("li", { class: "day" }, name),
    update: (/** @type {Line} */ now) => setText(name, dayName(now.day ?? "")),
  };
}

function createNote() {
  const who = h("span", {});
  const text = h("p", { class: "bubble", dir: "auto" });
  const time = h("time", { class: "message-time" });
  const head = h("span", { class: "message-who" }, icon("lock"), who);
  return {
    element: h("li", { class: "message note" }, head, text, h("span", { class: "message-foot" }, time)),
    /** @param {Line} line */
    update({ note }) {
      if (!note) return;
      const isOwn = note.authorId === state.agent?.id;
      setText(who, isOwn ? texts.notes.yours : say(texts.notes.by, { name: note.authorName }));
      if (text.textContent !== note.text) text.replaceChildren(...linked(note.text));
      setText(time, timeOfDay(note.createdAt));
      time.dateTime = note.createdAt;
      time.title = fullTime(note.createdAt);
    },
  };
}

const MARKS = { pending: texts.messages.sending, sent: texts.messages.sent, read: texts.messages.read, failed: "" };

function createMessage() {
  const who = h("span", { class: "message-who" });
  const bubble = h("p", { class: "bubble", dir: "auto" });
  const attachment = createAttachment();
  const content = createContent();
  const chosen = h("span", { class: "message-chosen" });
  const time = h("time", { class: "message-time" });
  const status = h("span", { class: "message-state" });
  const link = (/** @type {string} */ label) => h("button", { class: "link", type: "button" }, label);
  const again = link(texts.messages.retry);
  const remove = link(texts.messages.delete);
  const element = h(
    "li",
    {},
    who,
    attachment.element,
    bubble,
    content.element,
    h("span", { class: "message-foot" }, time, chosen, status, again, remove),
  );
  return {
    element,
    /** @param {Line} line */
    update({
      seq,
      isSpot,
      text = "",
      message,
      erased,
      at = "",
      side,
      own,
      name = "",
      follows,
      mark,
      unsent,
      sessionId = "",
    }) {
      const isFailed = mark === "failed";
      const classes = ["message", side, own && "own", follows && "follows", isSpot && "is-spot", mark && `is-${mark}`];
      element.className = classes.filter(Boolean).join(" ");
      setAttribute(element, "data-seq", seq ?? null);
      setAttribute(element, "tabindex", isSpot ? "-1" : null);
      setText(who, name);
      const shown = erased ? texts.messages.erased : text;
      // Addresses become links. A text that is already there stays, and keeps a selection in it.
      if (bubble.textContent !== shown) bubble.replaceChildren(...linked(shown));
      bubble.classList.toggle("erased", Boolean(erased));
      attachment.update(message);
      content.update(message);
      setText(chosen, message?.replyTo ? texts.messages.chosen : "");
      show(bubble, !message || !isOnlyName(message));
      setText(time, timeOfDay(at));
      time.dateTime = at;
      time.title = fullTime(at);
      const failure = say(texts.messages.failed, { reason: unsent?.reason ?? "" });
      setText(status, isFailed ? failure : mark ? MARKS[mark] : "");
      show(again, isFailed);
      show(remove, isFailed);
      if (!unsent) return;
      const { id } = unsent;
      again.onclick = () => outboxOf(sessionId).retry(id);
      remove.onclick = () => outboxOf(sessionId).settle(id);
    },
  };
}
