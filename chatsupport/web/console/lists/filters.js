import { h } from "../../shared/elements.js";
import { keyed, setAttribute, setText, show } from "../parts/elements.js";
import { loadTags } from "../server/desk.js";
import { clearFilters, daysAgo, isFiltered, setFilters } from "../server/search.js";
import { change, isSupervisor, reasonOf, state } from "../store.js";
import { texts } from "../texts.js";
import { CHIPS } from "./chips.js";
import { openList } from "./lists.js";

// The filters under a list's title: chips for open chats, fields for ended ones.

/** @type {{ value: string, label: string, from: () => string, to: () => string }[]} */
const TIMES = [
  { value: "any", label: texts.filters.anyTime, from: () => "", to: () => "" },
  { value: "today", label: texts.messages.today, from: () => daysAgo(0), to: () => "" },
  { value: "yesterday", label: texts.messages.yesterday, from: () => daysAgo(1), to: () => daysAgo(1) },
  { value: "week", label: texts.filters.week, from: () => daysAgo(6), to: () => "" },
  { value: "month", label: texts.filters.month, from: () => daysAgo(29), to: () => "" },
];
const OWN = "own";

export function createFilters() {
  const chips = createChips();
  const fields = createFields();
  let before = "";
  return {
    element: h("div", { class: "filters" }, chips.element, fields.element),
    update() {
      const { id } = openList();
      if (id === "ended" && before !== id) loadTags();
      before = id;
      chips.update(id);
      show(fields.element, id === "ended");
      if (id === "ended") fields.update();
      show(this.element, id === "ended" || id in CHIPS);
    },
  };
}

function createChips() {
  const element = h("div", { class: "chips", role: "group", "aria-label": texts.filters.label });
  return {
    element,
    /** @param {string} list */
    update(list) {
      const chips = CHIPS[list] ?? [];
      show(element, chips.length > 0);
      const chosen = state.chips.get(list) ?? "all";
      keyed(
        element,
        chips.map((chip) => ({ ...chip, list, chosen })),
        ({ id }) => `${list} ${id}`,
        createChip,
      );
    },
  };
}

/** @param {{ id: string, list: string, label: string, chosen: string }} chip */
function createChip({ id, list, label }) {
  const onclick = () => change((draft) => draft.chips.set(list, id));
  const element = h("button", { class: "chip", type: "button", onclick }, label);
  return {
    element,
    update: (/** @type {{ chosen: string }} */ { chosen }) => setAttribute(element, "aria-pressed", chosen === id),
  };
}

/**
 * Makes a field with options that can change, and that shows whether it filters.
 * @param {string} label
 * @param {(value: string) => void} choose
 */
function createChoice(label, choose) {
  const element = h("select", { class: "chip", "aria-label": label, onchange: () => choose(element.value) });
  return {
    element,
    /** @param {{ value: string, label: string }[]} options @param {string} value */
    update(options, value) {
      keyed(element, options, (option) => option.value, createOption);
      if (element.value !== value) element.value = value;
      element.classList.toggle("is-set", value !== options[0].value);
    },
  };
}

/** @param {{ value: string, label: string }} option */
function createOption({ value }) {
  const element = h("option", {});
  element.value = value;
  return { element, update: (/** @type {{ label: string }} */ { label }) => setText(element, label) };
}

/** @param {readonly string[]} names @param {string} chosen @param {string} any */
function named(names, chosen, any) {
  const all = [...new Set([...names, ...(chosen ? [chosen] : [])])];
  return [{ value: "", label: any }, ...all.map((name) => ({ value: name, label: name }))];
}

function createFields() {
  const { filters } = texts;
  let ownDates = false;
  const time = createChoice(filters.time, (value) => {
    ownDates = value === OWN;
    const chosen = TIMES.find((one) => one.value === value);
    setFilters(chosen ? { from: chosen.from(), to: chosen.to() } : {});
    if (ownDates) from.focus();
  });
  /** @param {"from" | "to"} name */
  const date = (name) => {
    const field = h("input", {
      type: "date",
      "aria-label": filters[name],
      onchange: () => setFilters({ [name]: field.value }),
    });
    return field;
  };
  const from = date("from");
  const to = date("to");
  const dates = h("div", { class: "dates" }, from, "–", to);
  const agent = createChoice(filters.agent, (agentId) => setFilters({ agentId }));
  const tag = createChoice(filters.tag, (value) => setFilters({ tag: value }));
  const reason = createChoice(filters.reason, (value) => setFilters({ reason: value }));
  const clear = h(
    "button",
    {
      class: "link",
      type: "button",
      onclick() {
        ownDates = false;
        clearFilters();
        time.element.focus(); // The button goes away.
      },
    },
    filters.clear,
  );
  const element = h(
    "div",
    { class: "chips", role: "group", "aria-label": filters.label },
    time.element,
    agent.element,
    tag.element,
    reason.element,
    clear,
    dates,
  );
  return {
    element,
    update() {
      const now = state.filters;
      const preset = TIMES.find((one) => one.from() === now.from && one.to() === now.to);
      time.update([...TIMES, { value: OWN, label: filters.dates }], ownDates || !preset ? OWN : preset.value);
      show(dates, ownDates || !preset);
      if (from.value !== now.from) from.value = now.from;
      if (to.value !== now.to) to.value = now.to;
      show(agent.element, isSupervisor());
      const agents = state.agents.map(({ id, name }) => ({ value: id, label: name }));
      agent.update([{ value: "", label: filters.anyAgent }, ...agents], now.agentId);
      tag.update(named(state.tags, now.tag, filters.anyTag), now.tag);
      const decided = (state.endReasons ?? []).map(({ label }) => label);
      const seen = [...state.sessions.values()].filter(({ status }) => status === "ended").map(reasonOf);
      reason.update(named([...decided, ...seen].filter(Boolean), now.reason, filters.anyReason), now.reason);
      show(clear, isFiltered());
    },
  };
}
