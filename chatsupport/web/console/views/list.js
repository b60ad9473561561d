// The list beside the conversation: my chats, the queue, all that are open, or those that have ended.

import { between, duration, length, shortTime, since } from "../clock.js";
import { avatar, h, initials, keyed, setAttribute, setText, show } from "../dom.js";
import { setOnline } from "../actions.js";
import { moreEnded } from "../refresh.js";
import { select } from "../route.js";
import { ended, isMine, isSupervisor, lastMessage, mine, open, reasonOf, state as store, toast } from "../store.js";
import { createEmpty } from "./empty.js";
import { focusComposer } from "./focus.js";

const TITLES = { mine: "My chats", queue: "Queue", all: "All open chats", ended: "Recently ended", overview: "" };

// The sessions of the list that is shown, in its order; also for the keys that go up and down.
export function listed() {
  if (store.list === "queue") return isSupervisor() ? queued().filter((row) => row.id) : [];
  return { mine, all: open, ended }[store.list]?.() ?? [];
}

function queued() {
  return store.queue.sessions.map((entry) => ({ ...entry, id: entry.sessionId ?? null }));
}

export function createList() {
  const title = h("h1", {});
  const count = h("span", { class: "count" });
  const rows = h("ul", { class: "rows" });
  const empty = createEmpty();
  const loading = h(
    "div",
    { class: "skeletons", "aria-hidden": "true" },
    ...[1, 2, 3].map(() => h("div", { class: "skeleton" })),
  );
  const more = h("button", { class: "button quiet wide", type: "button", onclick: loadMore }, "Show more");
  const element = h(
    "section",
    { class: "list", "aria-labelledby": "list-title" },
    h("div", { class: "list-head" }, title, count),
    loading,
    rows,
    more,
    empty.element,
  );
  title.id = "list-title";
  rows.addEventListener("keydown", moveFocus);

  async function loadMore() {
    more.disabled = true;
    await moreEnded().catch((error) => toast(error.message, { kind: "error" }));
    more.disabled = false;
  }
  return {
    element,
    update(state) {
      const items = state.list === "queue" ? queued() : listed();
      setText(title, TITLES[state.list]);
      show(loading, !state.loaded && !state.loadError);
      setText(
        count,
        state.list === "ended" || !items.length
          ? ""
          : String(state.list === "queue" ? state.queue.total : items.length),
      );
      setAttribute(rows, "aria-busy", state.loaded ? null : "true");
      const kind = state.list === "queue" ? "queue" : "session";
      keyed(rows, items, (row) => `${kind}-${row.id ?? row.userId}`, kind === "queue" ? createQueueRow : createRow);
      show(more, state.list === "ended" && Boolean(state.endedCursor) && items.length > 0);
      const words = state.loaded && !items.length ? emptiness(state) : null;
      show(empty.element, Boolean(words));
      if (words) empty.update(words);
    },
  };
}

function emptiness({ list, agent }) {
  if (list === "queue")
    return { image: "queue", title: "Nobody is waiting", text: "Visitors wait here while all agents are busy." };
  if (list === "ended")
    return { image: "ended", title: "No chat has ended yet", text: "Chats that have ended are listed here." };
  if (list === "all") return { image: "all", title: "No open chats", text: "All chats of the team are listed here." };
  if (agent.isOnline)
    return {
      image: "chats",
      title: "No chats right now",
      text: "You are online. Your next chat appears here by itself.",
    };
  const act = { label: "Go online", act: () => setOnline(true) };
  return { image: "chats", title: "You are away", text: "You get no new chats until you are online again.", ...act };
}

// Up and Down go through the rows; Tab leaves the list.
function moveFocus(event) {
  if (!["ArrowDown", "ArrowUp"].includes(event.key) || event.altKey) return;
  const buttons = [...event.currentTarget.querySelectorAll("button:not(:disabled)")];
  const next = buttons[buttons.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1)];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

function openRow(sessionId) {
  select(sessionId);
  focusComposer();
}

function createRow({ id }) {
  const picture = avatar();
  const name = h("span", { class: "row-name" });
  const time = h("span", { class: "row-time" });
  const preview = h("span", { class: "row-preview" });
  const badge = h("span", { class: "badge urgent" });
  const button = h(
    "button",
    { class: "row", type: "button", "data-session": id, onclick: () => openRow(id) },
    picture,
    h(
      "span",
      { class: "row-body" },
      h("span", { class: "row-line" }, name, time),
      h("span", { class: "row-line" }, preview, badge),
    ),
  );
  return {
    element: h("li", {}, button),
    update(session) {
      setText(picture, initials(session.userId));
      setText(name, session.userId);
      const { text, attention } = describe(session);
      setText(preview, text);
      setText(time, timeOf(session));
      time.classList.toggle("attention", Boolean(attention));
      const unread = isMine(session) && session.status === "active" ? session.unreadCount : 0;
      show(badge, unread > 0);
      setText(badge, unread > 99 ? "99+" : String(unread));
      setAttribute(badge, "aria-label", `${unread} unread`);
      button.classList.toggle("unread", unread > 0);
      setAttribute(button, "aria-current", store.selected === id ? "true" : null);
    },
  };
}

// What is most worth knowing in one line: a draft, who types, the last message; who has it, for who looks after all.
function describe(session) {
  if (session.status === "ended")
    return { text: `${reasonOf(session) || "Ended"} · ${length(between(session.createdAt, session.endedAt))}` };
  if (store.list === "all") {
    if (session.status === "waiting")
      return { text: session.queuePosition ? `Waiting, number ${session.queuePosition}` : "Waiting", attention: true };
    return { text: `With ${session.agentId === store.agent.id ? "you" : (session.agent?.name ?? "an agent")}` };
  }
  const talk = store.conversations.get(session.id);
  if (talk?.typing.has(session.userId)) return { text: "is typing…" };
  if (store.drafts.get(session.id) && store.selected !== session.id)
    return { text: `Draft: ${store.drafts.get(session.id)}` };
  const last = lastMessage(session.id);
  if (!last) return { text: "No message yet" };
  return { text: last.senderId === store.agent.id ? `You: ${last.message}` : last.message };
}

function timeOf(session) {
  if (session.status === "ended") return shortTime(session.endedAt);
  if (store.list === "all") return duration(since(session.createdAt));
  const last = lastMessage(session.id);
  return shortTime(last?.timestamp ?? session.createdAt);
}

function createQueueRow(entry) {
  const place = h("span", { class: "place" });
  const name = h("span", { class: "row-name" });
  const waits = h("span", { class: "row-time attention" });
  const inside = [place, h("span", { class: "row-body" }, h("span", { class: "row-line" }, name, waits))];
  // Only a supervisor may look into a chat that waits.
  const row = entry.id
    ? h(
        "button",
        { class: "row", type: "button", "data-session": entry.id, onclick: () => select(entry.id) },
        ...inside,
      )
    : h("div", { class: "row still" }, ...inside);
  return {
    element: h("li", {}, row),
    update(now) {
      setText(place, String(now.position));
      setAttribute(place, "aria-label", `Number ${now.position}`);
      setText(name, now.userId);
      setText(waits, duration(since(now.waitingSince)));
      setAttribute(row, "aria-current", now.id && store.selected === now.id ? "true" : null);
    },
  };
}
