// The frame: who I am and how things are, where I can go, and what is open.

import { setOnline } from "../actions.js";
import { signOut } from "../account.js";
import { duration, since } from "../clock.js";
import { h, icon, setAttribute, setText, show } from "../dom.js";
import { numbers } from "../load.js";
import { go } from "../route.js";
import { isSupervisor, mine, open, unreadTotal } from "../store.js";
import { createConversation } from "./conversation.js";
import { openHelp } from "./help.js";
import { createList } from "./list.js";
import { createBanner } from "./notices.js";
import { createOverview } from "./overview.js";
import { createVisitor } from "./visitor.js";

export function createShell() {
  const parts = [
    createTop(),
    createBanner(),
    createNavigation(),
    createList(),
    createOverview(),
    createConversation(),
    createVisitor(),
  ];
  const element = h("div", { class: "shell", hidden: true }, ...parts.map((part) => part.element));
  return {
    element,
    update(state) {
      const visible = state.phase === "signed-in" || state.phase === "expired";
      show(element, visible);
      if (!visible) return;
      element.classList.toggle("has-selection", Boolean(state.selected));
      element.classList.toggle("has-overview", state.list === "overview" && isSupervisor());
      element.classList.toggle("has-panel", state.panel);
      for (const part of parts) part.update(state);
    },
  };
}

function createTop() {
  const waiting = number("Waiting");
  const longest = number("Longest wait");
  const active = number("Active");
  const free = number("Agents free");
  const online = h(
    "button",
    { class: "switch", role: "switch", type: "button", "aria-checked": "true" },
    h("span", { class: "switch-track" }, h("span", { class: "switch-thumb" })),
    h("span", { class: "switch-label" }),
  );
  const name = h("span", { class: "me-name" });
  const role = h("span", { class: "me-role" });
  const element = h(
    "header",
    { class: "top" },
    h(
      "div",
      { class: "brand" },
      h("span", { class: "brand-mark" }, icon("chats")),
      h("span", { class: "brand-name" }, "Chat Support"),
    ),
    h("dl", { class: "numbers", "aria-label": "Now" }, waiting.element, longest.element, active.element, free.element),
    h(
      "div",
      { class: "me" },
      online,
      h("div", { class: "me-who" }, name, role),
      h(
        "button",
        { class: "icon-button", "aria-label": "Keyboard shortcuts and help", title: "Help (?)", onclick: openHelp },
        icon("help"),
      ),
      h(
        "button",
        { class: "icon-button", "aria-label": "Sign out", title: "Sign out", onclick: signOut },
        icon("leave"),
      ),
    ),
  );
  let isOnline = true;
  online.addEventListener("click", () => setOnline(!isOnline));
  return {
    element,
    update(state) {
      ({ isOnline } = state.agent);
      setAttribute(online, "aria-checked", isOnline);
      setAttribute(online, "aria-label", "Take new chats");
      setText(online.lastChild, isOnline ? "Online" : "Away");
      setAttribute(online, "title", isOnline ? "You get new chats (o)" : "You get no new chats (o)");
      setText(name, state.agent.name);
      setText(role, isSupervisor() ? "Supervisor" : "Agent");
      const now = numbers();
      waiting.set(String(now.waiting), now.waiting > 0);
      longest.set(now.longestWaitingSince ? duration(since(now.longestWaitingSince)) : "–");
      active.set(String(now.active));
      free.set(`${now.free} of ${now.there}`);
    },
  };
}

function number(label) {
  const value = h("dd", {});
  return {
    element: h("div", { class: "number" }, h("dt", {}, label), value),
    set(text, attention = false) {
      setText(value, text);
      value.classList.toggle("attention", attention);
    },
  };
}

function createNavigation() {
  const items = [
    item("mine", "My chats", "chats"),
    item("queue", "Queue", "queue"),
    item("all", "All open", "all", true),
    item("ended", "Ended", "ended"),
    item("overview", "Overview", "overview", true),
  ];
  const element = h("nav", { class: "navigation", "aria-label": "Lists" }, ...items.map((one) => one.element));
  return {
    element,
    update(state) {
      const counts = { mine: unreadTotal(), queue: state.queue.total, all: isSupervisor() ? open().length : 0 };
      for (const one of items) one.update(state, counts[one.list] ?? 0, one.list === "mine" ? mine().length : null);
    },
  };
}

function item(list, label, image, supervisors = false) {
  const badge = h("span", { class: "badge", "aria-hidden": "true", hidden: true });
  const spoken = h("span", { class: "visually-hidden" });
  const element = h(
    "button",
    { class: "navigation-item", type: "button", onclick: () => go(list) },
    h("span", { class: "navigation-icon" }, icon(image), badge),
    h("span", {}, label),
    spoken,
  );
  badge.classList.toggle("urgent", list === "mine");
  return {
    element,
    list,
    update(state, count) {
      show(element, !supervisors || isSupervisor());
      setAttribute(element, "aria-current", state.list === list ? "page" : null);
      show(badge, count > 0);
      setText(badge, count > 99 ? "99+" : String(count));
      setText(spoken, count ? `, ${count} ${list === "mine" ? "unread" : ""}` : "");
    },
  };
}
