import { isMine, state, unansweredSince } from "../store.js";
import { texts } from "../texts.js";
import { isHeld, shownBefore } from "./order.js";

/** @import { Session } from "../types.js" */
/** @typedef {{ id: string, label: string, has: (session: Session) => boolean }} Chip */

const { filters } = texts;
/** @type {Chip} */
const ALL = { id: "all", label: filters.all, has: () => true };
/** @type {Chip} */
const UNANSWERED = { id: "unanswered", label: filters.unanswered, has: (session) => unansweredSince(session) !== null };

/** The filters of the lists of open chats, one of which is chosen. @type {Record<string, Chip[]>} */
export const CHIPS = {
  mine: [ALL, { id: "unread", label: filters.unread, has: (session) => session.unreadCount > 0 }, UNANSWERED],
  all: [
    ALL,
    { id: "waiting", label: filters.waiting, has: (session) => session.status === "waiting" },
    { id: "active", label: filters.active, has: (session) => session.status === "active" },
    { id: "ours", label: filters.withMe, has: isMine },
    { id: "bots", label: filters.withBot, has: ({ status, agent }) => status === "active" && Boolean(agent?.isBot) },
  ],
};

/**
 * Returns the sessions that the list's chosen chip lets through, and the one that is open: it does not disappear when it is read.
 * Nor does a row under the pointer.
 * @param {string} list
 * @param {Session[]} sessions
 */
export function chosen(list, sessions) {
  const chip = CHIPS[list].find(({ id }) => id === state.chips.get(list)) ?? ALL;
  const stays = (/** @type {string} */ id) => id === state.selected || (isHeld() && shownBefore(list).includes(id));
  return sessions.filter((session) => chip.has(session) || stays(session.id));
}
