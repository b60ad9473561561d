// For supervisors: how the team stands, who waits, who has how much to do.

import { takeOver } from "../actions.js";
import { duration, since } from "../clock.js";
import { avatar, h, icon, keyed, setAttribute, setText, show } from "../dom.js";
import { FULL, hasRoom, isFull, numbers } from "../load.js";
import { go } from "../route.js";
import { open, state as store } from "../store.js";
import { createEmpty } from "./empty.js";

export function createOverview() {
  const tiles = ["Waiting", "Longest wait", "Active chats", "Agents free"].map(createTile);
  const agents = h("ul", { class: "agents" });
  const queue = h("ul", { class: "overview-queue" });
  const nobody = createEmpty();
  const noAgents = createEmpty();
  const element = h(
    "main",
    { class: "overview", "aria-labelledby": "overview-title" },
    h("h1", { id: "overview-title" }, "Overview"),
    h("dl", { class: "tiles" }, ...tiles.map((tile) => tile.element)),
    h(
      "div",
      { class: "overview-columns" },
      h(
        "section",
        { class: "card", "aria-labelledby": "agents-title" },
        h("h2", { id: "agents-title" }, "Agents"),
        agents,
        noAgents.element,
      ),
      h(
        "section",
        { class: "card", "aria-labelledby": "waiting-title" },
        h("h2", { id: "waiting-title" }, "Waiting"),
        queue,
        nobody.element,
      ),
    ),
  );
  return {
    element,
    update(state) {
      const now = numbers();
      const wait = now.longestWaitingSince ? since(now.longestWaitingSince) : null;
      tiles[0].set(String(now.waiting), now.waiting > 0);
      tiles[1].set(wait === null ? "–" : duration(wait), wait > 120_000);
      tiles[2].set(String(now.active));
      tiles[3].set(`${now.free} of ${now.there}`, now.there > 0 && now.free === 0);
      keyed(agents, state.agents, (agent) => agent.id, createAgent);
      show(noAgents.element, state.loaded && !state.agents.length);
      noAgents.update({
        image: "person",
        title: "No agents yet",
        text: "Add agents on the server's command line.",
      });
      keyed(
        queue,
        state.queue.sessions.filter((entry) => entry.sessionId),
        (entry) => entry.sessionId,
        createWaiting,
      );
      show(nobody.element, !state.queue.total);
      nobody.update({ image: "queue", title: "Nobody is waiting", text: "Every visitor has an agent." });
    },
  };
}

function createTile(label) {
  const value = h("dd", {});
  return {
    element: h("div", { class: "tile" }, h("dt", {}, label), value),
    set(text, attention = false) {
      setText(value, text);
      value.classList.toggle("attention", attention);
    },
  };
}

function createAgent(agent) {
  const name = h("span", { class: "agent-name" });
  const status = h("span", { class: "agent-status" });
  const fill = h("span", {});
  const bar = h("div", { class: "load", role: "meter", "aria-valuemin": "0" }, fill);
  const load = h("span", { class: "agent-load" });
  const chats = h("ul", { class: "agent-chats" });
  return {
    element: h(
      "li",
      { class: "agent" },
      avatar(agent.name),
      h(
        "div",
        { class: "agent-body" },
        h("div", { class: "agent-line" }, name, status),
        h("div", { class: "agent-line" }, bar, load),
        chats,
      ),
    ),
    update(now) {
      setText(name, now.name);
      const word = !now.isOnline ? "Away" : hasRoom(now) ? "Free" : "Full";
      setText(status, word);
      status.className = `agent-status is-${word.toLowerCase()}`;
      setAttribute(bar, "aria-label", `Load of ${now.name}`);
      setAttribute(bar, "aria-valuemax", now.maxUsers);
      setAttribute(bar, "aria-valuenow", now.activeUsers);
      // The policy forbids a style in HTML, and allows this.
      fill.style.width = `${Math.min(100, (100 * now.activeUsers) / now.maxUsers)}%`;
      bar.classList.toggle("full", now.activeUsers >= now.maxUsers);
      setText(load, `${now.activeUsers} of ${now.maxUsers}`);
      keyed(
        chats,
        open().filter((session) => session.status === "active" && session.agentId === now.id),
        (one) => one.id,
        createChat,
      );
    },
  };
}

function createChat({ id }) {
  const button = h("button", { class: "chip", type: "button", onclick: () => go("all", id) });
  return { element: h("li", {}, button), update: (session) => setText(button, session.userId) };
}

function createWaiting({ sessionId }) {
  const name = h("button", { class: "link strong", type: "button", onclick: () => go("all", sessionId) });
  const waits = h("span", { class: "row-time attention" });
  const take = h("button", { class: "button small", type: "button", onclick: takeIt }, icon("take"), "Take over");
  async function takeIt() {
    if (await takeOver(sessionId)) go("mine", sessionId);
  }
  return {
    element: h("li", { class: "overview-waiting" }, name, waits, take),
    update(entry) {
      setText(name, entry.userId);
      setText(waits, duration(since(entry.waitingSince)));
      take.disabled = store.busy.has(sessionId);
      setAttribute(take, "aria-disabled", isFull() || null);
      setAttribute(take, "title", isFull() ? FULL : null);
    },
  };
}
