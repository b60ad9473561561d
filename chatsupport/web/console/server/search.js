import { assign, change, isSupervisor, putSession, state } from "../store.js";
import { texts } from "../texts.js";
import { because, call, get, withQuery } from "./api.js";

/** @import { Filters, Session } from "../types.js" */

// Full-text search, and the filters of the ended chats.

const PAGE = 30;
const LEAST = 2;

/** What was asked for last. An answer to something older changes nothing. */
let asked = 0;

/** Forgets what was found before. @param {string} query */
export function expectSearch(query) {
  asked += 1;
  const isAsked = query.trim().length >= LEAST;
  assign({ search: { query, isLoading: isAsked, results: [], cursor: null, error: null } });
  return isAsked;
}

/** Searches all chats that the agent may see, or loads the next page of what was found. @param {string} query */
export async function search(query) {
  const ours = asked;
  const { results, cursor } = state.search;
  assign({ search: { ...state.search, isLoading: true, error: null } });
  try {
    // Not again by itself: every key would add to the calls, and there is a limit.
    const page = await call(
      "GET",
      withQuery("/api/chat/search", { q: query.trim(), limit: PAGE, cursor }),
      undefined,
      1,
    );
    if (ours !== asked) return;
    assign({
      search: { query, isLoading: false, results: [...results, ...page.results], cursor: page.nextCursor, error: null },
    });
  } catch (error) {
    if (ours === asked)
      assign({ search: { ...state.search, isLoading: false, error: because(texts.palette.failed, error) } });
  }
}

/** Whether the ended chats are filtered. */
export const isFiltered = () => Object.values(state.filters).some(Boolean);

/** @param {Partial<Filters>} changes */
export function setFilters(changes) {
  change((draft) => {
    draft.filters = { ...draft.filters, ...changes };
    draft.found = isFiltered() ? { ids: [], cursor: null, isLoading: false, error: null } : null;
  });
  if (state.found) loadFound();
}

export const clearFilters = () => setFilters({ from: "", to: "", agentId: "", tag: "", reason: "" });

/** Returns the beginning of a day here, such as "2026-11-27", or of the day after it. @param {string} day */
function midnight(day, after = 0) {
  const [year, month, date] = day.split("-").map(Number);
  return new Date(year, month - 1, date + after).toISOString();
}

/** Loads the next filtered chats. */
export async function loadFound() {
  const { filters, found } = state;
  if (!found || found.isLoading) return;
  const { from, to, agentId, tag, reason } = filters;
  assign({ found: { ...found, isLoading: true, error: null } });
  const query = {
    status: "ended",
    limit: PAGE,
    from: from ? midnight(from) : null,
    to: to ? midnight(to, 1) : null,
    agentId: isSupervisor() && agentId ? agentId : null,
    tag: tag || null,
    reason: reason || null,
    cursor: found.cursor,
  };
  const at = performance.now();
  try {
    const page = await get(withQuery("/api/chat/sessions", query));
    if (state.filters !== filters) return;
    /** @type {Session[]} */
    const sessions = page.sessions;
    for (const session of sessions) putSession(session, at);
    const ids = [...found.ids, ...sessions.map(({ id }) => id)];
    assign({ found: { ids, cursor: page.nextCursor, isLoading: false, error: null } });
  } catch (error) {
    if (state.filters === filters) assign({ found: { ...found, isLoading: false, error: because("{reason}", error) } });
  }
}

/** Returns the day some days ago, as a field for dates has it. @param {number} days */
export function daysAgo(days) {
  const day = new Date();
  day.setDate(day.getDate() - days);
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}

/** Shows a chat at one of its messages. @param {string} sessionId @param {number} seq */
export const showAt = (sessionId, seq) => assign({ spot: { sessionId, seq } });
