import { h } from "../../shared/elements.js";
import { between, duration, length, shortTime, since } from "../parts/clock.js";
import { avatar, keyed, setAttribute, setText, show } from "../parts/elements.js";
import { createEmpty } from "../parts/empty.js";
import { focusComposer } from "../parts/focus.js";
import { agentName, portray, visitorName } from "../parts/names.js";
import { select } from "../route.js";
import { moreEnded } from "../server/refresh.js";
import { loadFound } from "../server/search.js";
import { isMine, isSupervisor, lastMessage, reasonOf, state, talkOf, toast, unansweredSince } from "../store.js";
import { say, texts } from "../texts.js";
import { createFilters } from "./filters.js";
import { openList, rowsOf } from "./lists.js";
import { currentOrder, holdOrder, ORDERS, setOrder } from "./order.js";

/** @import { QueueEntry, Session, View } from "../types.js" */

// The list beside the conversation. Its rows are the sessions of the open list.

const MINUTE_MS = 60_000;
// After how many minutes without an answer a chat stands out.
const SOON = 1;
const LATE = 3;

/** Returns the ids of the sessions that can be opened from the list, in order, for the keys that go up and down. */
export function listed() {
  const list = openList();
  return list.id === "queue" && !isSupervisor() ? [] : rowsOf(list).flatMap((row) => row.id ?? []);
}

/** @returns {View} */
export function createList() {
  const title = h("h1", { id: "list-title" });
  const count = h("span", { class: "count" });
  const rows = h("ul", {
    class: "rows",
    onkeydown: moveFocus,
    onpointerenter: () => holdOrder(true),
    onpointerleave: () => holdOrder(false),
  });
  const options = ORDERS.map(({ value, label }) => h("option", { value, selected: value === currentOrder() }, label));
  const order = h(
    "select",
    { class: "order", "aria-label": texts.order.label, onchange: () => setOrder(ORDERS[order.selectedIndex].value) },
    ...options,
  );
  const filters = createFilters();
  const empty = createEmpty();
  const loading = h(
    "div",
    { class: "skeletons", "aria-hidden": "true" },
    ...[1, 2, 3].map(() => h("div", { class: "skeleton" })),
  );
  const more = h("button", { class: "button quiet wide", type: "button", onclick: loadMore }, texts.lists.more);

  async function loadMore() {
    more.disabled = true;
    await (state.found ? loadFound() : moreEnded()).catch((error) => toast(error.message, { kind: "error" }));
    more.disabled = false;
  }

  return {
    element: h(
      "section",
      { class: "list", "aria-labelledby": "list-title" },
      h("div", { class: "list-head" }, title, count, order, filters.element),
      loading,
      rows,
      more,
      empty.element,
    ),
    update() {
      const list = openList();
      /** @type {readonly any[]} */
      const items = rowsOf(list);
      const isLoading = state.loaded ? list.id === "ended" && state.found?.isLoading === true : !state.loadError;
      setText(title, list.title ?? list.label);
      show(order, list.id === "mine");
      show(loading, isLoading && !items.length);
      filters.update();
      setText(count, String((items.length && list.count()) || ""));
      setAttribute(rows, "aria-busy", state.loaded ? null : "true");
      const [kind, create] = list.id === "queue" ? ["queue", createQueueRow] : ["session", createRow];
      keyed(rows, items, (row) => `${kind}-${row.id ?? row.userId}`, /** @type {any} */ (create));
      const { cursor } = state.found ?? { cursor: state.endedCursor };
      show(more, list.id === "ended" && Boolean(cursor) && items.length > 0);
      const isEmpty = state.loaded && !items.length && !isLoading;
      show(empty.element, isEmpty);
      if (isEmpty) empty.update(list.empty());
    },
  };
}

/** Up and Down go through the rows; Tab leaves the list. */
function moveFocus(/** @type {KeyboardEvent} */ event) {
  if (!["ArrowDown", "ArrowUp"].includes(event.key) || event.altKey) return;
  const rows = /** @type {HTMLElement} */ (event.currentTarget);
  /** @type {NodeListOf<HTMLElement>} */
  const buttons = rows.querySelectorAll("button:not(:disabled)");
  const at = [...buttons].indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const next = buttons[at + (event.key === "ArrowDown" ? 1 : -1)];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

/** @param {Session} session */
function createRow({ id }) {
  const picture = avatar();
  const name = h("span", { class: "row-name" });
  const time = h("span", { class: "row-time" });
  const spoken = h("span", { class: "visually-hidden" });
  const preview = h("span", { class: "row-preview" });
  const badge = h("span", { class: "badge urgent" });
  const body = h(
    "span",
    { class: "row-body" },
    h("span", { class: "row-line" }, name, time, spoken),
    h("span", { class: "row-line" }, preview, badge),
  );
  function open() {
    select(id);
    focusComposer();
  }
  const button = h("button", { class: "row", type: "button", "data-session": id, onclick: open }, picture, body);
  return {
    element: h("li", {}, button),
    /** @param {Session} session */
    update(session) {
      portray(picture, session);
      setText(name, visitorName(session));
      setText(preview, describe(session));
      const unanswered = isMine(session) && !state.ends.has(session.id) ? unansweredSince(session) : null;
      const waited = since(unanswered);
      setText(time, unanswered ? duration(waited) : timeOf(session));
      setAttribute(time, "aria-hidden", unanswered ? "true" : null);
      const minutes = Math.floor(waited / MINUTE_MS);
      setText(
        spoken,
        unanswered ? say(minutes ? texts.lists.unanswered : texts.lists.justAsked, { count: minutes }) : "",
      );
      const isWaiting = state.list === "all" && session.status === "waiting";
      time.classList.toggle("attention", isWaiting || minutes >= SOON);
      time.classList.toggle("late", minutes >= LATE);
      const unread = isMine(session) && session.status === "active" ? session.unreadCount : 0;
      show(badge, unread > 0);
      setText(badge, unread > 99 ? "99+" : String(unread));
      setAttribute(badge, "aria-label", say(texts.lists.unread, { count: unread }));
      button.classList.toggle("unread", unread > 0);
      setAttribute(button, "aria-current", state.selected === id ? "true" : null);
    },
  };
}

/**
 * Returns the most important fact in one line: a draft, the person who is typing, the last message, or, for a supervisor, the agent.
 * @param {Session} session
 */
function describe(session) {
  const { lists } = texts;
  if (session.status === "ended") {
    const time = length(between(session.createdAt, session.endedAt));
    return say(lists.reasonAndTime, { reason: reasonOf(session) || lists.hasEnded, time });
  }
  if (state.list === "all") {
    const { status, queuePosition: position, agentId, agent } = session;
    if (status === "waiting") return position ? say(lists.waitsAt, { position }) : lists.waits;
    if (agentId === state.agent?.id) return lists.withYou;
    return say(lists.withAgent, { agent: agent ? agentName(agent) : lists.anAgent });
  }
  if (state.ends.has(session.id)) return texts.chat.ending;
  if (talkOf(session.id).typing.has(session.userId)) return lists.typing;
  const draft = state.selected !== session.id && state.drafts.get(session.id);
  if (draft) return say(lists.draft, { text: draft });
  const last = lastMessage(session.id);
  if (!last) return lists.noMessage;
  return last.senderId === state.agent?.id ? say(lists.mineSaid, { text: last.message }) : last.message;
}

/** @param {Session} session */
function timeOf(session) {
  if (session.status === "ended") return shortTime(session.endedAt ?? session.createdAt);
  if (state.list === "all") return duration(since(session.createdAt));
  return shortTime(lastMessage(session.id)?.timestamp ?? session.createdAt);
}

/** @param {QueueEntry & { id: string | null }} entry */
function createQueueRow({ id }) {
  const place = h("span", { class: "place" });
  const name = h("span", { class: "row-name" });
  const waits = h("span", { class: "row-time attention" });
  const inside = [place, h("span", { class: "row-body" }, h("span", { class: "row-line" }, name, waits))];
  // Only a supervisor may open a waiting chat.
  const row = id
    ? h("button", { class: "row", type: "button", "data-session": id, onclick: () => select(id) }, ...inside)
    : h("div", { class: "row still" }, ...inside);
  return {
    element: h("li", {}, row),
    /** @param {QueueEntry & { id: string | null }} now */
    update(now) {
      setText(place, String(now.position));
      setAttribute(place, "aria-label", say(texts.lists.place, { position: now.position }));
      setText(name, visitorName(state.sessions.get(now.id ?? "") ?? now));
      setText(waits, duration(since(now.waitingSince)));
      setAttribute(row, "aria-current", now.id && state.selected === now.id ? "true" : null);
    },
  };
}
