// The chat that is open: who it is, what was said, and the field to write in.

import { markRead, openAgain, stopWatching, takeOver } from "../actions.js";
import { between, duration, length, since, timeOfDay } from "../clock.js";
import { avatar, h, icon, initials, setAttribute, setText, show } from "../dom.js";
import { watchSession } from "../following.js";
import { back } from "../route.js";
import { FULL, isFull } from "../load.js";
import { change, isMine, isSupervisor, mine, reasonOf, selectedSession } from "../store.js";
import { createComposer } from "./composer.js";
import { openEnd } from "./end.js";
import { createEmpty } from "./empty.js";
import { createMessages } from "./messages.js";
import { openTransfer } from "./transfer.js";

export const canAct = (session) =>
  session && session.status !== "ended" && !session.gone && (isMine(session) || isSupervisor());

export function createConversation() {
  const head = createHead();
  const messages = createMessages();
  const notice = h("p", { class: "notice", role: "status" });
  const composer = createComposer();
  const empty = createEmpty();
  const element = h(
    "main",
    { class: "conversation", "aria-label": "Chat" },
    head.element,
    messages.element,
    notice,
    composer.element,
    empty.element,
  );
  return {
    element,
    update(state) {
      const session = selectedSession();
      for (const part of [head.element, messages.element]) show(part, Boolean(session));
      show(empty.element, !session);
      if (!session) {
        show(notice, false);
        show(composer.element, false);
        return empty.update(nothing(state));
      }
      const talk = state.conversations.get(session.id);
      head.update(session, talk, state);
      messages.update(session, talk, state);
      const words = explain(session, talk, state);
      show(notice, Boolean(words));
      setText(notice, words ?? "");
      composer.update(session, talk, state);
      // Read is what stands on the screen of somebody who is there.
      const looks = !document.hidden && document.hasFocus() && messages.atEnd();
      if (looks && isMine(session) && session.status === "active" && talk?.live) markRead(session.id);
    },
  };
}

function nothing({ selected, loaded, list, missing }) {
  if (selected && (!loaded || !missing.has(selected))) return { image: "chats", title: "Loading…", text: "" };
  if (selected && missing.get(selected) === "refused")
    return { image: "alert", title: "This chat cannot be shown", text: "It does not exist, or it is not yours." };
  if (selected)
    return {
      image: "alert",
      title: "This chat could not be loaded",
      text: "The server did not answer.",
      label: "Try again",
      act: () => openAgain(selected),
    };
  if (list === "queue")
    return {
      image: "queue",
      title: "First come, first served",
      text: "The next free agent gets the visitor who has waited longest.",
    };
  if (loaded && list === "mine" && !mine().length)
    return { image: "chats", title: "All quiet", text: "Your next chat opens here. Press ? for the keys." };
  return { image: "chats", title: "No chat is open", text: "Choose one from the list, or press ? for the keys." };
}

function explain(session, talk, state) {
  const others = session.agent?.name ?? "another agent";
  if (session.gone)
    return `This chat is no longer yours. ${session.gone.message ?? "It is with somebody else, or it has ended."}`;
  if (session.status === "ended")
    return `Ended ${session.endedAt ? `at ${timeOfDay(session.endedAt)}` : ""} · ${reasonOf(session)}`;
  const busy = state.busy.get(session.id);
  if (busy) return { ending: "Ending the chat…", transferring: "Transferring…", taking: "Taking over…" }[busy];
  if (talk?.endsAt)
    return `Nobody has written for a while. The chat ends at ${timeOfDay(talk.endsAt)} unless somebody writes.`;
  if (isMine(session)) return null;
  if (session.status === "waiting") return "This visitor is waiting for an agent.";
  return talk?.watching
    ? `You are watching. ${others} is answering; what you write is sent under your name.`
    : `${others} is answering. You see the chat as it was when you opened it.`;
}

function createHead() {
  const picture = avatar();
  const title = h("h1", { class: "conversation-title", tabindex: "-1" });
  const status = h("span", { class: "conversation-status" });
  let session = null;
  const button = (label, image, act, extra = "") =>
    h(
      "button",
      { class: `button small ${extra}`, type: "button", title: label, onclick: () => act(session) },
      icon(image),
      h("span", {}, label),
    );
  const watch = button("Watch live", "eye", ({ id }) => watchSession(id));
  const unwatch = button("Stop watching", "eyeOff", ({ id }) => stopWatching(id));
  const take = button("Take over", "take", ({ id }) => takeOver(id), "primary");
  const transfer = button("Transfer", "transfer", openTransfer);
  const end = button("End", "end", openEnd);
  const details = h(
    "button",
    {
      class: "icon-button details",
      type: "button",
      "aria-label": "About the visitor",
      title: "About the visitor (i)",
      onclick: () => change((state) => (state.panel = !state.panel)),
    },
    icon("person"),
  );
  const element = h(
    "div",
    { class: "conversation-head" },
    h(
      "button",
      { class: "icon-button back", type: "button", "aria-label": "Back to the list", onclick: back },
      icon("back"),
    ),
    picture,
    h("div", { class: "conversation-who" }, title, status),
    h("div", { class: "conversation-actions" }, watch, unwatch, take, transfer, end, details),
  );
  return {
    element,
    update(now, talk, state) {
      session = now;
      setText(picture, initials(session.userId));
      setText(title, session.userId);
      setText(status, describe(session, talk));
      const free = canAct(session) && !state.busy.has(session.id);
      const foreign = !isMine(session);
      show(watch, free && foreign && session.status === "active" && !talk?.live);
      show(unwatch, free && foreign && Boolean(talk?.watching));
      show(take, free && foreign);
      setAttribute(take, "aria-disabled", isFull() || null);
      setAttribute(take, "title", isFull() ? FULL : "Take over");
      show(transfer, free && !(session.status === "waiting" && !isSupervisor()));
      show(end, free);
      setAttribute(details, "aria-expanded", state.panel);
    },
  };
}

function describe(session, talk) {
  if (session.status === "ended") return `Ended · ${length(between(session.createdAt, session.endedAt))}`;
  if (session.status === "waiting") return `Waiting · ${duration(since(session.createdAt))}`;
  const there = { true: " · in the chat", false: " · has left the page" }[talk?.presence] ?? "";
  return `Talking · ${duration(since(session.firstAssignedAt ?? session.createdAt))}${there}`;
}
