import { h } from "../../shared/elements.js";
import { isFull } from "../lists/load.js";
import { between, duration, length, since, timeOfDay } from "../parts/clock.js";
import { avatar, icon, setAttribute, setText, show } from "../parts/elements.js";
import { createEmpty } from "../parts/empty.js";
import { isLooking } from "../parts/focus.js";
import { agentName, portray, visitorName } from "../parts/names.js";
import { back } from "../route.js";
import { markRead, openAgain, stopWatching, takeOver } from "../server/actions.js";
import { canUndoEnd, undoEnd } from "../server/ending.js";
import { watchSession } from "../server/following.js";
import { assign, isMine, isSupervisor, mine, reasonOf, selectedSession, state, talkOf, waitsSince } from "../store.js";
import { say, texts } from "../texts.js";
import { createComposer } from "./composer.js";
import { openEnd } from "./end.js";
import { createMessages } from "./messages.js";
import { createSummary } from "./summary.js";
import { openTransfer } from "./transfer.js";

/** @import { Emptiness, Session, View } from "../types.js" */

// The open chat: the visitor's name, the messages, and the field to write in.

/** @param {Session | null} session @returns {session is Session} */
export const canAct = (session) =>
  session !== null && session.status !== "ended" && !session.gone && (isMine(session) || isSupervisor());

/** @returns {View} */
export function createConversation() {
  const head = createHead();
  const summary = createSummary();
  const messages = createMessages();
  const words = h("span", {});
  const undo = h(
    "button",
    { class: "link", type: "button", onclick: () => undoEnd(state.selected ?? undefined) },
    texts.end.undo,
  );
  const notice = h("p", { class: "notice", role: "status" }, words, " ", undo);
  const composer = createComposer();
  const empty = createEmpty();
  const element = h(
    "main",
    { class: "conversation", "aria-label": texts.chat.label },
    head.element,
    summary.element,
    messages.element,
    notice,
    composer.element,
    empty.element,
  );
  composer.takeDrops(element);
  return {
    element,
    update() {
      const session = selectedSession();
      for (const part of [head.element, messages.element]) show(part, Boolean(session));
      show(empty.element, !session);
      summary.update(session);
      if (!session) {
        show(notice, false);
        show(composer.element, false);
        return empty.update(nothing());
      }
      head.update(session);
      messages.update(session);
      const sentence = explain(session);
      show(notice, Boolean(sentence));
      setText(words, sentence);
      show(undo, canUndoEnd(session.id));
      composer.update(session);
      // Messages count as read if they are on the screen of an agent who is present.
      const looks = isLooking() && messages.atEnd();
      if (looks && isMine(session) && session.status === "active" && talkOf(session.id).live) markRead(session.id);
    },
  };
}

/** @returns {Emptiness} */
function nothing() {
  const { selected, loaded, list, missing } = state;
  const { empty } = texts;
  const why = selected && loaded ? missing.get(selected) : undefined;
  if (selected && !why) return { image: "chats", title: texts.loading, text: "" };
  if (why === "refused") return { image: "alert", title: empty.refusedTitle, text: empty.refused };
  if (selected) {
    const again = { label: texts.tryAgain, act: () => openAgain(selected) };
    return { image: "alert", title: empty.unreachableTitle, text: empty.unreachable, ...again };
  }
  if (list === "queue") return { image: "queue", title: empty.firstTitle, text: empty.first };
  if (loaded && list === "mine" && !mine().length)
    return { image: "chats", title: empty.quietTitle, text: empty.quiet };
  return { image: "chats", title: empty.chooseTitle, text: empty.choose };
}

/** Says in one line what is special about a chat. @param {Session} session */
function explain(session) {
  const { chat } = texts;
  const { endsAt, watching } = talkOf(session.id);
  const agent = session.agent ? agentName(session.agent) : chat.anotherAgent;
  if (session.gone) return say(chat.gone, { reason: session.gone.message ?? chat.goneElsewhere });
  if (session.status === "ended") {
    const reason = reasonOf(session);
    return session.endedAt
      ? say(chat.endedAt, { time: timeOfDay(session.endedAt), reason })
      : say(chat.ended, { reason });
  }
  const busy = state.busy.get(session.id);
  if (canUndoEnd(session.id)) return chat.endsSoon;
  if (busy) return chat[busy];
  if (endsAt) return say(chat.endsAt, { time: timeOfDay(endsAt) });
  if (isMine(session)) return "";
  if (session.status === "waiting") return chat.waits;
  return say(watching ? chat.watching : chat.notWatching, { agent });
}

function createHead() {
  const { chat } = texts;
  const picture = avatar();
  const title = h("h1", { class: "conversation-title", tabindex: "-1" });
  const status = h("span", { class: "conversation-status" });
  /** @type {Session} */
  let session;
  /** @param {string} label @param {string} image @param {(session: Session) => unknown} act @param {string} [extra] */
  const button = (label, image, act, extra = "") =>
    h(
      "button",
      { class: `button small ${extra}`, type: "button", title: label, onclick: () => act(session) },
      icon(image),
      h("span", {}, label),
    );
  const watch = button(chat.watch, "eye", ({ id }) => watchSession(id));
  const unwatch = button(chat.unwatch, "eyeOff", ({ id }) => stopWatching(id));
  const take = button(chat.takeOver, "take", ({ id }) => takeOver(id), "primary");
  const transfer = button(chat.transfer, "transfer", openTransfer);
  const end = button(chat.end, "end", openEnd);
  const details = h(
    "button",
    {
      class: "icon-button details",
      type: "button",
      "aria-label": chat.about,
      title: chat.aboutHint,
      onclick: () => assign({ panel: !state.panel }),
    },
    icon("person"),
  );
  const element = h(
    "div",
    { class: "conversation-head" },
    h(
      "button",
      { class: "icon-button back", type: "button", "aria-label": texts.lists.back, onclick: back },
      icon("back"),
    ),
    picture,
    h("div", { class: "conversation-who" }, title, status),
    h("div", { class: "conversation-actions" }, watch, unwatch, take, transfer, end, details),
  );
  return {
    element,
    /** @param {Session} now */
    update(now) {
      session = now;
      const { live, watching } = talkOf(session.id);
      portray(picture, session);
      setText(title, visitorName(session));
      setText(status, describe(session));
      const free = canAct(session) && !state.busy.has(session.id);
      const foreign = !isMine(session);
      show(watch, free && foreign && session.status === "active" && !live);
      show(unwatch, free && foreign && watching);
      show(take, free && foreign);
      setAttribute(take, "aria-disabled", isFull() || null);
      setAttribute(take, "title", isFull() ? texts.presence.full : chat.takeOver);
      show(transfer, free && !(session.status === "waiting" && !isSupervisor()));
      show(end, free);
      setAttribute(details, "aria-expanded", state.panel);
    },
  };
}

/** @param {Session} session */
function describe(session) {
  const { chat } = texts;
  if (session.status === "ended")
    return say(chat.statusEnded, { time: length(between(session.createdAt, session.endedAt)) });
  if (session.status === "waiting") return say(chat.statusWaiting, { time: duration(since(waitsSince(session))) });
  const { presence } = talkOf(session.id);
  const active = say(chat.statusActive, { time: duration(since(session.firstAssignedAt ?? session.createdAt)) });
  return active + (presence === null ? "" : presence ? chat.isHere : chat.hasLeft);
}
