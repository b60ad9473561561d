import { h } from "../../shared/elements.js";
import { shortTime } from "../parts/clock.js";
import { icon, keyed, setAttribute, setText, show } from "../parts/elements.js";
import { focusFirst } from "../parts/focus.js";
import { visitorName } from "../parts/names.js";
import { go } from "../route.js";
import { expectSearch, search, setFilters, showAt } from "../server/search.js";
import { isMine, isSupervisor, mine, putSession, state, subscribe } from "../store.js";
import { say, texts } from "../texts.js";

/** @import { Found, Session } from "../types.js" */
/** @typedef {{ keys?: string[], what: string, act: () => unknown }} Command */
/**
 * @typedef {object} Entry
 * @property {string} id
 * @property {string} image
 * @property {string} title
 * @property {string} [detail]
 * @property {string} [snippet]
 * @property {string[]} [keys]
 * @property {() => unknown} act
 * @property {boolean} [stays] it leaves the palette open
 */
/** @typedef {{ id: string, label: string, entries: Entry[] }} Group */

// The palette: one field for commands, open chats, people, and all that was said.

const PAUSE_MS = 250;
const MOST = 8;
const MORE = "more";

/** What is open. @type {{ render: () => void, close: () => void } | null} */
let current = null;

subscribe(() => current?.render());

/** @param {string} text */
const folded = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** @param {string} query */
const wordsOf = (query) => folded(query).match(/[\p{L}\p{N}]+/gu) ?? [];

/** @param {string} query @returns {(text: string) => boolean} */
function matching(query) {
  const words = folded(query).split(/\s+/);
  return (text) => words.every((word) => folded(text).includes(word));
}

/** Opens a chat in the list where it is, perhaps at a message. @param {Session} session @param {number} [seq] */
function openChat(session, seq) {
  if (!state.sessions.has(session.id)) putSession(session, performance.now());
  go(session.status === "ended" ? "ended" : isMine(session) ? "mine" : "all", session.id);
  if (seq) showAt(session.id, seq);
  else focusFirst(".conversation-title");
}

const STATUS = { active: texts.visitor.active, waiting: texts.visitor.waiting, ended: texts.visitor.ended };

/** @param {Session} session @param {string} [at] */
const whenAndHow = (session, at = session.endedAt ?? session.createdAt) =>
  say(texts.palette.detail, { status: STATUS[session.status], time: shortTime(at) });

/** @param {Session} session @returns {Entry} */
const toEntry = (session) => ({
  id: `chat-${session.id}`,
  image: "chats",
  title: visitorName(session),
  detail: whenAndHow(session),
  act: () => openChat(session),
});

/** @param {Found} found @returns {Entry[]} */
function toEntries({ session, matches }) {
  if (!matches.length) return [{ ...toEntry(session), id: `found-${session.id}`, snippet: texts.palette.byName }];
  return matches.map(({ seq, snippet, at }) => ({
    ...toEntry(session),
    id: `found-${session.id}-${seq}`,
    detail: whenAndHow(session, at),
    snippet,
    act: () => openChat(session, seq),
  }));
}

/** Returns the people whose names match, with their newest chats. @param {(text: string) => boolean} matches */
function people(matches) {
  /** @type {Map<string, Session>} */
  const newest = new Map();
  for (const session of state.sessions.values()) {
    const known = newest.get(session.userId);
    if (!known || known.createdAt < session.createdAt) newest.set(session.userId, session);
  }
  const visitors = [...newest.values()].filter(
    (session) => session.status === "ended" && matches(`${visitorName(session)} ${session.userId}`),
  );
  const agents = isSupervisor() ? state.agents.filter(({ name }) => matches(name)) : [];
  return [
    ...visitors.map((session) => ({ ...toEntry(session), id: `person-${session.userId}`, image: "person" })),
    ...agents.map(({ id, name }) => ({
      id: `agent-${id}`,
      image: "person",
      title: name,
      detail: texts.palette.agent,
      act() {
        setFilters({ from: "", to: "", tag: "", reason: "", agentId: id });
        go("ended");
      },
    })),
  ];
}

/** @param {string} query @param {Command[]} commands @returns {Group[]} */
function groupsOf(query, commands) {
  const { palette } = texts;
  const matches = matching(query.trim());
  const open = isSupervisor() ? [...state.sessions.values()].filter(({ status }) => status !== "ended") : mine();
  const chats = open.filter((session) => !session.gone && matches(`${visitorName(session)} ${session.userId}`));
  const { results, cursor, isLoading } = state.search;
  const found = query.trim() ? results.flatMap(toEntries) : [];
  if (cursor && !isLoading) {
    const title = found.length ? texts.lists.more : palette.older;
    found.push({ id: MORE, image: "down", title, stays: true, act: () => search(query) });
  }
  const groups = [
    { id: "chats", label: palette.chats, entries: chats.slice(0, MOST).map(toEntry) },
    { id: "people", label: palette.people, entries: query.trim() ? people(matches).slice(0, MOST) : [] },
    {
      id: "commands",
      label: palette.commands,
      entries: commands
        .filter(({ what }) => matches(what))
        .map(({ what, keys, act }) => ({ id: `command-${what}`, image: "overview", title: what, keys, act })),
    },
    { id: "messages", label: palette.messages, entries: found },
  ];
  return groups.filter(({ entries }) => entries.length);
}

/** Opens the palette, or closes it if it is open. @param {Command[]} commands */
export function openPalette(commands) {
  if (current) return current.close();
  const before = document.activeElement;
  const field = h("input", {
    type: "text",
    role: "combobox",
    maxlength: "200",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: texts.palette.placeholder,
    "aria-label": texts.palette.placeholder,
    "aria-autocomplete": "list",
    "aria-controls": "palette-list",
    "aria-expanded": "true",
    oninput,
    onkeydown,
  });
  const list = h("div", {
    class: "palette-list",
    id: "palette-list",
    role: "listbox",
    "aria-label": texts.palette.title,
  });
  const status = h("p", { class: "palette-status muted", role: "status" });
  const dialog = h(
    "dialog",
    {
      class: "dialog palette",
      "aria-label": texts.palette.title,
      onclick: (/** @type {Event} */ event) => event.target === dialog && dialog.close(),
    },
    h("div", { class: "palette-head" }, icon("search"), field),
    list,
    status,
  );
  /** @type {Entry[]} */
  let entries = [];
  let chosen = "";
  /** @type {string[]} */
  let words = [];
  let timer = 0;
  /** @type {(() => unknown) | null} What happens once it is closed, and the focus is back. */
  let next = null;

  function oninput() {
    clearTimeout(timer);
    chosen = "";
    list.scrollTop = 0;
    if (expectSearch(field.value)) timer = setTimeout(search, PAUSE_MS, field.value);
  }

  /** @param {Entry} entry */
  function run(entry) {
    if (entry.stays) {
      entry.act();
      return field.focus();
    }
    next = entry.act;
    dialog.close();
  }

  /** @param {KeyboardEvent} event */
  function onkeydown(event) {
    if (event.isComposing) return;
    const at = entries.findIndex(({ id }) => id === chosen);
    if (event.key === "Enter" && entries[at]) run(entries[at]);
    else if (event.key === "ArrowDown") chosen = entries[(at + 1) % entries.length]?.id ?? "";
    else if (event.key === "ArrowUp") chosen = entries.at(Math.max(at, 0) - 1)?.id ?? "";
    else return;
    event.preventDefault();
    render();
    list.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }

  function render() {
    const groups = groupsOf(field.value, commands);
    const { isLoading, error } = state.search;
    const before = entries.map(({ id }) => id);
    entries = groups.flatMap((group) => group.entries);
    const ids = entries.map(({ id }) => id);
    // "More" is away while more is loaded. Then the first new entry is chosen, or "more" again: Enter opens nothing else.
    if (chosen === MORE && !isLoading && !before.includes(MORE))
      chosen = ids.find((id) => !before.includes(id)) ?? chosen;
    if (!ids.includes(chosen) && !(chosen === MORE && isLoading)) chosen = ids[0] ?? "";
    words = wordsOf(field.value);
    keyed(list, groups, ({ id }) => id, createGroup);
    const at = ids.indexOf(chosen);
    setAttribute(field, "aria-activedescendant", at < 0 ? null : `palette-${at}`);
    const text = isLoading ? texts.palette.searching : (error ?? (entries.length ? "" : texts.palette.nothing));
    setText(status, text);
    show(status, Boolean(text));
  }

  /** @param {Group} group */
  function createGroup({ label }) {
    const options = h("div", { role: "presentation" });
    const heading = h("div", { class: "palette-heading", "aria-hidden": "true" }, label);
    return {
      element: h("div", { role: "group", "aria-label": label }, heading, options),
      update: (/** @type {Group} */ group) => keyed(options, group.entries, ({ id }) => id, createEntry),
    };
  }

  /** @param {Entry} entry */
  function createEntry(entry) {
    const detail = h("span", { class: "palette-detail" });
    const snippet = h("span", { class: "palette-snippet", dir: "auto" });
    let now = entry;
    const element = h(
      "div",
      {
        class: "palette-entry",
        role: "option",
        onmousedown: (/** @type {Event} */ event) => event.preventDefault(), // The field keeps the focus.
        onclick: () => run(now),
      },
      icon(entry.image),
      h(
        "span",
        { class: "palette-body" },
        h("span", { class: "palette-line" }, h("span", { class: "palette-title" }, entry.title), detail),
        snippet,
      ),
      ...(entry.keys ?? []).map((key) => h("kbd", {}, key)),
    );
    return {
      element,
      /** @param {Entry} entry */
      update(entry) {
        now = entry;
        element.id = `palette-${entries.findIndex(({ id }) => id === entry.id)}`;
        setText(detail, entry.detail ?? "");
        show(snippet, Boolean(entry.snippet));
        if (snippet.textContent !== (entry.snippet ?? ""))
          snippet.replaceChildren(...marked(entry.snippet ?? "", words));
        setAttribute(element, "aria-selected", entry.id === chosen);
      },
    };
  }

  dialog.addEventListener("close", () => {
    clearTimeout(timer);
    current = null;
    dialog.remove();
    if (before instanceof HTMLElement && before.isConnected) before.focus();
    next?.();
  });
  expectSearch("");
  current = { render, close: () => dialog.close() };
  document.body.append(dialog);
  dialog.showModal();
  field.focus();
  render();
}

/** Returns a text's parts, with the words that were looked for marked. @param {string} text @param {string[]} words */
function marked(text, words) {
  return text.split(/([\p{L}\p{N}\p{M}]+)/u).map((part) => {
    const isFound = words.some((word) => folded(part).includes(word));
    return isFound ? h("mark", {}, part) : part;
  });
}
