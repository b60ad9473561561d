import { setOnline } from "../server/actions.js";
import { clearFilters, loadFound } from "../server/search.js";
import { change, ended, isSupervisor, mine, open, state, unreadTotal } from "../store.js";
import { texts } from "../texts.js";
import { chosen } from "./chips.js";
import { ordered, steady } from "./order.js";

/** @import { Emptiness } from "../types.js" */

/**
 * @typedef {object} List
 * @property {string} id what the address says
 * @property {string} key opens it
 * @property {string} icon
 * @property {string} label
 * @property {string} [title] where it is not the label
 * @property {() => number} badge counts what is worth looking at
 * @property {boolean} [isUrgent] the badge counts what is unread
 * @property {boolean} [isForSupervisors]
 * @property {boolean} [hasView] it has a view of its own, and no rows
 * @property {() => readonly { id: string | null }[]} rows the sessions in their order, also for the keys that go up and down
 * @property {() => number | null} count stands beside the title
 * @property {() => Emptiness} empty
 */

/**
 * The lists, in the order of the navigation. A new one is a line here, and a view in frame/shell.js if it has one.
 * @type {List[]}
 */
export const LISTS = [
  {
    id: "mine",
    key: "1",
    icon: "chats",
    label: texts.lists.mine,
    badge: unreadTotal,
    isUrgent: true,
    rows: () => ordered(chosen("mine", mine())),
    count: () => chosen("mine", mine()).length,
    empty: () => (mine().length ? filtered("mine") : state.agent?.isOnline ? nothing("chats", "mine") : away()),
  },
  {
    id: "queue",
    key: "2",
    icon: "queue",
    label: texts.lists.queue,
    badge: () => state.queue.total,
    rows: () => state.queue.sessions.map((entry) => ({ ...entry, id: entry.sessionId ?? null })),
    count: () => state.queue.total,
    empty: () => nothing("queue", "queue"),
  },
  {
    id: "all",
    key: "4",
    icon: "all",
    label: texts.lists.all,
    title: texts.lists.allTitle,
    badge: () => (isSupervisor() ? open().length : 0),
    isForSupervisors: true,
    rows: () => chosen("all", open()),
    count: () => chosen("all", open()).length,
    empty: () => (open().length ? filtered("all") : nothing("all", "all")),
  },
  {
    id: "ended",
    key: "3",
    icon: "ended",
    label: texts.lists.ended,
    title: texts.lists.endedTitle,
    badge: () => 0,
    rows: () => state.found?.ids.flatMap((id) => state.sessions.get(id) ?? []) ?? ended(),
    count: () => null, // There may be more.
    empty: () => (state.found ? unfound() : nothing("ended", "ended")),
  },
  {
    id: "overview",
    key: "5",
    icon: "overview",
    label: texts.lists.overview,
    badge: () => 0,
    isForSupervisors: true,
    hasView: true,
    rows: () => [],
    count: () => null,
    empty: () => nothing("overview", "all"),
  },
  {
    id: "settings",
    key: "6",
    icon: "settings",
    label: texts.lists.settings,
    badge: () => 0,
    isForSupervisors: true,
    hasView: true,
    rows: () => [],
    count: () => null,
    empty: () => nothing("settings", "all"),
  },
];

/** Returns the list that is open. */
export const openList = () => LISTS.find(({ id }) => id === state.list) ?? LISTS[0];

/** Returns the rows of a list as they are shown. @param {List} list */
export const rowsOf = (list) => steady(list.id, list.rows());

/** No open chat passes the chosen chip. @param {string} list @returns {Emptiness} */
const filtered = (list) => ({
  image: "chats",
  title: texts.empty.filteredTitle,
  text: texts.empty.filtered,
  label: texts.filters.showAll,
  act: () => change((draft) => draft.chips.delete(list)),
});

/** No ended chat passes the filters, or the chats could not be loaded. @returns {Emptiness} */
const unfound = () =>
  state.found?.error
    ? { image: "alert", title: texts.filters.failed, text: state.found.error, label: texts.tryAgain, act: loadFound }
    : {
        image: "ended",
        title: texts.empty.filteredTitle,
        text: texts.empty.filtered,
        label: texts.filters.clear,
        act: clearFilters,
      };

/** @param {string} image @param {"mine" | "queue" | "all" | "ended"} name @returns {Emptiness} */
const nothing = (image, name) => ({ image, title: texts.empty[`${name}Title`], text: texts.empty[name] });

/** @returns {Emptiness} */
const away = () => ({
  image: "chats",
  title: texts.empty.awayTitle,
  text: texts.empty.away,
  label: texts.presence.goOnline,
  act: () => setOnline(true),
});
