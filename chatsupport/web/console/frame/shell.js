import { h } from "../../shared/elements.js";
import { createConversation } from "../chat/conversation.js";
import { createVisitor } from "../chat/visitor.js";
import { createList } from "../lists/list.js";
import { LISTS, openList } from "../lists/lists.js";
import { numbers } from "../lists/load.js";
import { createOverview } from "../lists/overview.js";
import { duration, since } from "../parts/clock.js";
import { icon, setAttribute, setText, show } from "../parts/elements.js";
import { go } from "../route.js";
import { signOut } from "../server/account.js";
import { setOnline } from "../server/actions.js";
import { isSupervisor, state } from "../store.js";
import { say, texts } from "../texts.js";
import { openAlerts } from "./bell.js";
import { showHelp, showPalette } from "./keys.js";
import { createBanner } from "./notices.js";
import { createSettings } from "./settings.js";

/** @import { List } from "../lists/lists.js" */
/** @import { View } from "../types.js" */

// The frame: the agent's name and state, the navigation, and the open views. A new panel is a file and a line here.

const PANELS = [
  createTop,
  createBanner,
  createNavigation,
  createList,
  createOverview,
  createSettings,
  createConversation,
  createVisitor,
];

/** @returns {View} */
export function createShell() {
  const panels = PANELS.map((create) => create());
  const element = h("div", { class: "shell", hidden: true }, ...panels.map((panel) => panel.element));
  return {
    element,
    update() {
      const visible = state.phase === "signed-in" || state.phase === "expired";
      show(element, visible);
      if (!visible) return;
      element.classList.toggle("has-selection", Boolean(state.selected));
      element.classList.toggle("has-overview", Boolean(openList().hasView) && isSupervisor());
      element.classList.toggle("has-panel", state.panel);
      for (const panel of panels) panel.update(state);
    },
  };
}

/** @returns {View} */
function createTop() {
  const { top } = texts;
  const waiting = number(top.waiting);
  const longest = number(top.longestWait);
  const active = number(top.active);
  const free = number(top.free);
  const label = h("span", { class: "switch-label" });
  const online = h(
    "button",
    {
      class: "switch",
      role: "switch",
      type: "button",
      "aria-checked": "true",
      "aria-label": top.switch,
      onclick: () => setOnline(!state.agent?.isOnline),
    },
    h("span", { class: "switch-track" }, h("span", { class: "switch-thumb" })),
    label,
  );
  const name = h("span", { class: "me-name" });
  const role = h("span", { class: "me-role" });
  /** @param {string} name @param {string} label @param {string} title @param {() => void} onclick */
  const button = (name, label, title, onclick) =>
    h("button", { class: "icon-button", "aria-label": label, title, onclick }, icon(name));
  return {
    element: h(
      "header",
      { class: "top" },
      h(
        "div",
        { class: "brand" },
        h("span", { class: "brand-mark" }, icon("chats")),
        h("span", { class: "brand-name" }, texts.product),
      ),
      h(
        "dl",
        { class: "numbers", "aria-label": top.numbers },
        waiting.element,
        longest.element,
        active.element,
        free.element,
      ),
      h(
        "div",
        { class: "me" },
        online,
        h("div", { class: "me-who" }, name, role),
        button("search", texts.palette.title, texts.palette.hint, showPalette),
        button("bell", texts.alerts.title, texts.alerts.title, openAlerts),
        button("help", top.help, top.helpHint, showHelp),
        button("leave", texts.signIn.out, texts.signIn.out, signOut),
      ),
    ),
    update() {
      const isOnline = Boolean(state.agent?.isOnline);
      setAttribute(online, "aria-checked", isOnline);
      setText(label, isOnline ? top.online : top.away);
      setAttribute(online, "title", isOnline ? top.onlineHint : top.awayHint);
      setText(name, state.agent?.name ?? "");
      setText(role, isSupervisor() ? top.supervisor : top.agent);
      const now = numbers();
      waiting.set(String(now.waiting), now.waiting > 0);
      longest.set(now.longestWaitingSince ? duration(since(now.longestWaitingSince)) : texts.none);
      active.set(String(now.active));
      free.set(say(top.someOf, { some: now.free, all: now.there }));
    },
  };
}

/** @param {string} label */
function number(label) {
  const value = h("dd", {});
  return {
    element: h("div", { class: "number" }, h("dt", {}, label), value),
    /** @param {string} text */
    set(text, attention = false) {
      setText(value, text);
      value.classList.toggle("attention", attention);
    },
  };
}

/** @returns {View} */
function createNavigation() {
  const items = LISTS.map(createItem);
  return {
    element: h("nav", { class: "navigation", "aria-label": texts.lists.label }, ...items.map((item) => item.element)),
    update() {
      for (const item of items) item.update();
    },
  };
}

/** @param {List} list */
function createItem({ id, label, icon: image, badge: countOf, isUrgent, isForSupervisors }) {
  const badge = h("span", { class: `badge${isUrgent ? " urgent" : ""}`, "aria-hidden": "true", hidden: true });
  const spoken = h("span", { class: "visually-hidden" });
  const element = h(
    "button",
    { class: "navigation-item", type: "button", onclick: () => go(id) },
    h("span", { class: "navigation-icon" }, icon(image), badge),
    h("span", {}, label),
    spoken,
  );
  return {
    element,
    update() {
      const count = countOf();
      show(element, !isForSupervisors || isSupervisor());
      setAttribute(element, "aria-current", state.list === id ? "page" : null);
      show(badge, count > 0);
      setText(badge, count > 99 ? "99+" : String(count));
      const words = say(isUrgent ? texts.lists.spokenUnread : texts.lists.spokenCount, { count });
      setText(spoken, count ? words : "");
    },
  };
}
