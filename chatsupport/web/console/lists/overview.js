import { h } from "../../shared/elements.js";
import { duration, since } from "../parts/clock.js";
import { avatar, icon, keyed, setAttribute, setText, show } from "../parts/elements.js";
import { createEmpty } from "../parts/empty.js";
import { agentName, visitorName } from "../parts/names.js";
import { go } from "../route.js";
import { takeOver } from "../server/actions.js";
import { open, state } from "../store.js";
import { say, texts } from "../texts.js";
import { hasRoom, isFull, numbers } from "./load.js";

/** @import { AgentLoad, DepartmentQueue, QueueEntry, Session, View } from "../types.js" */

// For supervisors: the numbers of the team, the queue, and the load of each agent.

const LONG_WAIT_MS = 120_000;

/** @returns {View} */
export function createOverview() {
  const waiting = createTile(texts.overview.waiting);
  const longest = createTile(texts.overview.longestWait);
  const active = createTile(texts.overview.active);
  const free = createTile(texts.overview.free);
  const agents = h("ul", { class: "agents" });
  const queue = h("ul", { class: "overview-queue" });
  const departments = h("ul", { class: "plain overview-departments" });
  const nobody = createEmpty();
  const noAgents = createEmpty();
  /** @param {string} id @param {string} title @param {...HTMLElement} content */
  const card = (id, title, ...content) =>
    h("section", { class: "card", "aria-labelledby": id }, h("h2", { id }, title), ...content);
  return {
    element: h(
      "main",
      { class: "overview", "aria-labelledby": "overview-title" },
      h("h1", { id: "overview-title" }, texts.overview.title),
      h("dl", { class: "tiles" }, waiting.element, longest.element, active.element, free.element),
      h(
        "div",
        { class: "overview-columns" },
        card("agents-title", texts.overview.agents, agents, noAgents.element),
        card("waiting-title", texts.overview.waiting, departments, queue, nobody.element),
      ),
    ),
    update() {
      show(this.element, state.list === "overview");
      const now = numbers();
      const wait = now.longestWaitingSince ? since(now.longestWaitingSince) : null;
      waiting.set(String(now.waiting), now.waiting > 0);
      longest.set(wait === null ? texts.none : duration(wait), wait !== null && wait > LONG_WAIT_MS);
      active.set(String(now.active));
      free.set(say(texts.top.someOf, { some: now.free, all: now.there }), now.there > 0 && now.free === 0);
      keyed(agents, state.agents, (agent) => agent.id, createAgent);
      show(noAgents.element, state.loaded && !state.agents.length);
      noAgents.update({ image: "person", title: texts.empty.agentsTitle, text: texts.empty.agents });
      const entries = state.queue.sessions.filter((entry) => entry.sessionId);
      keyed(departments, state.queue.departments ?? [], (one) => one.id, createDepartment);
      keyed(queue, entries, (entry) => entry.sessionId, createWaiting);
      show(nobody.element, !state.queue.total);
      nobody.update({ image: "queue", title: texts.empty.queueTitle, text: texts.empty.everybodyServed });
    },
  };
}

/** @param {string} label */
function createTile(label) {
  const value = h("dd", {});
  return {
    element: h("div", { class: "tile" }, h("dt", {}, label), value),
    /** @param {string} text */
    set(text, attention = false) {
      setText(value, text);
      value.classList.toggle("attention", attention);
    },
  };
}

/** @param {AgentLoad} agent */
function createAgent(agent) {
  const name = h("span", { class: "agent-name" });
  const status = h("span", { class: "agent-status" });
  const fill = h("span", {});
  const bar = h("div", { class: "load", role: "meter", "aria-valuemin": "0" }, fill);
  const load = h("span", { class: "agent-load" });
  const chats = h("ul", { class: "agent-chats" });
  const body = h(
    "div",
    { class: "agent-body" },
    h("div", { class: "agent-line" }, name, status),
    h("div", { class: "agent-line" }, bar, load),
    chats,
  );
  return {
    element: h("li", { class: "agent" }, avatar(agent.name), body),
    /** @param {AgentLoad} now */
    update(now) {
      setText(name, agentName(now));
      const [kind, word] = !now.isOnline
        ? ["away", texts.overview.isAway]
        : hasRoom(now)
          ? ["free", texts.overview.isFree]
          : ["full", texts.overview.isFull];
      setText(status, word);
      status.className = `agent-status is-${kind}`;
      setAttribute(bar, "aria-label", say(texts.overview.loadOf, { agent: now.name }));
      setAttribute(bar, "aria-valuemax", now.maxUsers);
      setAttribute(bar, "aria-valuenow", now.activeUsers);
      // The policy forbids styles in HTML, but allows this.
      fill.style.width = `${Math.min(100, (100 * now.activeUsers) / now.maxUsers)}%`;
      bar.classList.toggle("full", now.activeUsers >= now.maxUsers);
      setText(load, say(texts.top.someOf, { some: now.activeUsers, all: now.maxUsers }));
      const theirs = open().filter((session) => session.status === "active" && session.agentId === now.id);
      keyed(chats, theirs, (one) => one.id, createChat);
    },
  };
}

/** @param {Session} session */
function createChat({ id }) {
  const button = h("button", { class: "chip", type: "button", onclick: () => go("all", id) });
  return {
    element: h("li", {}, button),
    update: (/** @type {Session} */ session) => setText(button, visitorName(session)),
  };
}

function createDepartment() {
  const element = h("li", { class: "small-text" });
  return {
    element,
    /** @param {DepartmentQueue} now */
    update({ name, waiting, isStarving }) {
      const { overview } = texts;
      setText(
        element,
        say(isStarving ? overview.isStarving : overview.waitingFor, { department: name, some: waiting }),
      );
      element.classList.toggle("attention", isStarving);
    },
  };
}

/** @param {QueueEntry} entry */
function createWaiting({ sessionId = "" }) {
  const name = h("button", { class: "link strong", type: "button", onclick: () => go("all", sessionId) });
  const waits = h("span", { class: "row-time attention" });
  const take = h(
    "button",
    { class: "button small", type: "button", onclick: takeIt },
    icon("take"),
    texts.chat.takeOver,
  );
  async function takeIt() {
    if (await takeOver(sessionId)) go("mine", sessionId);
  }
  return {
    element: h("li", { class: "overview-waiting" }, name, waits, take),
    /** @param {QueueEntry} entry */
    update(entry) {
      setText(name, visitorName(state.sessions.get(entry.sessionId ?? "") ?? entry));
      setText(waits, duration(since(entry.waitingSince)));
      take.disabled = state.busy.has(sessionId);
      setAttribute(take, "aria-disabled", isFull() || null);
      setAttribute(take, "title", isFull() ? texts.presence.full : null);
    },
  };
}
