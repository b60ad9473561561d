// What was said: by day and by person, earlier messages on scrolling up, and at the end what is still on its way.

import { loadEarlier } from "../actions.js";
import { dayKey, dayName, fullTime, timeOfDay } from "../clock.js";
import { h, icon, keyed, setText, show } from "../dom.js";
import { discard, retry } from "../outbox.js";
import { linked } from "../../shared/links.js";
import { createEmpty } from "./empty.js";

const TOGETHER_MS = 120_000;
const NEAR_PX = 60;

export function createMessages() {
  const items = h("ol", { class: "messages" });
  const typing = h("p", { class: "typing", hidden: true });
  const top = h("div", { class: "messages-top" });
  const empty = createEmpty();
  const log = h(
    "div",
    { class: "log", role: "log", "aria-live": "polite", "aria-label": "Messages", tabindex: "0" },
    top,
    empty.element,
    items,
    typing,
  );
  const jump = h(
    "button",
    { class: "button small jump", type: "button", hidden: true, onclick: () => toEnd() },
    icon("down"),
    h("span", {}),
  );
  const element = h("div", { class: "log-frame" }, log, jump);
  let sessionId = null;
  let shown = null; // what the list was made of; the same means that there is nothing to do
  let stick = true; // the end is in view and stays there
  let seen = 0; // the last seq when the end was in view

  const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_PX;
  function toEnd() {
    log.scrollTop = log.scrollHeight;
  }
  log.addEventListener("scroll", () => {
    stick = atEnd();
    if (stick) show(jump, false);
    if (sessionId && log.scrollTop < NEAR_PX && shown?.talk?.hasEarlier && !shown.talk.error) loadEarlier(sessionId);
  });
  new ResizeObserver(() => stick && toEnd()).observe(log);

  return {
    element,
    atEnd,
    update(session, talk, state) {
      const messages = talk?.messages ?? [];
      const outbox = state.outbox.get(session.id) ?? [];
      const readSeq = talk?.reads.get(session.userId) ?? 0;
      const isTyping = Boolean(talk?.typing.size);
      showTop(top, session.id, talk);
      const parts = {
        messages,
        outbox,
        readSeq,
        isTyping,
        first: messages[0]?.seq,
        id: session.id,
        team: state.agents,
        talk,
      };
      if (shown && Object.keys(parts).every((key) => parts[key] === shown[key])) return;
      const changed = sessionId !== session.id;
      const prepended = !changed && shown?.first > parts.first;
      const height = log.scrollHeight - log.scrollTop;
      if (changed) {
        // A new list, so that a screen reader does not read out a whole history.
        log.setAttribute("aria-live", "off");
        setTimeout(() => log.setAttribute("aria-live", "polite"), 500);
        [stick, seen, sessionId] = [true, 0, session.id];
      }
      const sent = (shown?.outbox.length ?? 0) < outbox.length && !changed;
      shown = parts;
      keyed(items, arrange(session, parts, state), (item) => item.key, create);
      setText(typing, `${session.userId} is typing…`);
      show(typing, isTyping);
      const none = !messages.length && !outbox.length && talk && !talk.loading && !talk.error;
      show(empty.element, Boolean(none));
      if (none)
        empty.update({
          image: "chats",
          title: "No message yet",
          text: session.status === "ended" ? "Nothing was written in this chat." : "Say hello.",
        });
      if (prepended) log.scrollTop = log.scrollHeight - height;
      else if (stick || sent) toEnd();
      const last = messages.at(-1)?.seq ?? 0;
      if (stick || !seen) seen = last;
      show(jump, !stick && last > seen);
      setText(jump.lastChild, last - seen === 1 ? "1 new message" : `${last - seen} new messages`);
    },
  };
}

function showTop(top, sessionId, talk) {
  const what = talk?.loading ? "loading" : talk?.error ? `error ${talk.error}` : talk?.hasEarlier ? "more" : "";
  if (top.dataset.state === `${sessionId} ${what}`) return;
  top.dataset.state = `${sessionId} ${what}`;
  const load = (label) => h("button", { class: "button small", type: "button", onclick }, label);
  function onclick() {
    top.parentElement.focus({ preventScroll: true }); // The button goes, and the focus must not go with it.
    loadEarlier(sessionId);
  }
  if (what === "loading") top.replaceChildren(h("span", { class: "muted" }, "Loading earlier messages…"));
  else if (what === "more") top.replaceChildren(load("Show earlier messages"));
  else if (talk?.error) {
    const text = `Earlier messages could not be loaded. ${talk.error}`;
    top.replaceChildren(h("span", { class: "failure" }, text), load("Try again"));
  } else top.replaceChildren();
}

// The list's items: a line where a day begins, each message, and what is on its way.
function arrange(session, { messages, outbox, readSeq }, state) {
  const items = [];
  const me = state.agent.id;
  const arrived = new Set(messages.filter((one) => one.senderId === me).map((one) => one.clientMessageId));
  const lastOwn = messages.findLast((one) => one.senderId === me)?.seq;
  let before = null;
  for (const message of messages) {
    const newDay = !before || dayKey(before.timestamp) !== dayKey(message.timestamp);
    if (newDay) items.push({ key: `day-${dayKey(message.timestamp)}`, day: message.timestamp });
    const visitor = message.senderId === session.userId && message.senderType === session.userType;
    const follows =
      !newDay &&
      before.senderId === message.senderId &&
      Date.parse(message.timestamp) - Date.parse(before.timestamp) < TOGETHER_MS;
    items.push({
      // What I have sent keeps its place and its element when it comes back from the server.
      key: message.senderId === me && message.clientMessageId ? `own-${message.clientMessageId}` : `seq-${message.seq}`,
      text: message.message,
      erased: message.erased,
      at: message.timestamp,
      side: visitor ? "theirs" : message.senderType === "system" ? "system" : "ours",
      own: message.senderId === me,
      name: visitor ? session.userId : message.senderId === me ? "You" : nameOf(message, session, state),
      follows,
      state: message.seq === lastOwn ? (readSeq >= message.seq ? "read" : "sent") : null,
    });
    before = message;
  }
  for (const item of outbox) {
    if (arrived.has(item.clientMessageId)) continue;
    items.push({
      key: `own-${item.clientMessageId}`,
      text: item.text,
      at: item.at,
      side: "ours",
      own: true,
      name: "You",
      follows: before?.senderId === me,
      state: item.state,
      reason: item.reason,
      sessionId: session.id,
      id: item.clientMessageId,
    });
  }
  return items;
}

function nameOf(message, session, state) {
  if (message.senderType === "system") return "System";
  if (session.agentId === message.senderId && session.agent) return session.agent.name;
  return state.agents.find((agent) => agent.id === message.senderId)?.name ?? "Another agent";
}

function create(item) {
  if (item.day) {
    const element = h("li", { class: "day" }, h("span", {}));
    return { element, update: (now) => setText(element.firstChild, dayName(now.day)) };
  }
  return createMessage();
}

// Addresses are links. A text that is there already stays, and with it a selection in it.
function write(bubble, text) {
  if (bubble.textContent !== text) bubble.replaceChildren(...linked(text));
}

const STATES = { pending: "Sending…", sent: "Sent", read: "Read" };

function createMessage() {
  const who = h("span", { class: "message-who" });
  const text = h("p", { class: "bubble", dir: "auto" });
  const time = h("time", { class: "message-time" });
  const status = h("span", { class: "message-state" });
  const again = h("button", { class: "link", type: "button", onclick: () => retry(now.sessionId, now.id) }, "Retry");
  const remove = h(
    "button",
    { class: "link", type: "button", onclick: () => discard(now.sessionId, now.id) },
    "Delete",
  );
  const element = h("li", {}, who, text, h("span", { class: "message-foot" }, time, status, again, remove));
  let now = null;
  return {
    element,
    update(item) {
      now = item;
      const failed = item.state === "failed";
      element.className = `message ${item.side}${item.own ? " own" : ""}${item.follows ? " follows" : ""}${item.state ? ` is-${item.state}` : ""}`;
      setText(who, item.name);
      write(text, item.erased ? "This message was erased." : item.text);
      text.classList.toggle("erased", Boolean(item.erased));
      setText(time, timeOfDay(item.at));
      time.dateTime = item.at;
      time.title = fullTime(item.at);
      setText(status, failed ? `Not sent. ${item.reason ?? ""}` : (STATES[item.state] ?? ""));
      show(again, failed);
      show(remove, failed);
    },
  };
}
