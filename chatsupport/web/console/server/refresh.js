import { setServerTime } from "../parts/clock.js";
import { assign, change, hear, isMine, isSupervisor, patchTalk, putSession, state } from "../store.js";
import { get, isAuthorized, withQuery } from "./api.js";
import { followMine, forget, lose } from "./following.js";

/** @import { Session } from "../types.js" */

// Loads the state by REST, at first and again after every reconnect, because events may have been missed. In between,
// events keep it current.

const ENDED_PAGE = 30;
const AGAIN_MS = 1_000;

/** @param {Record<string, string>} query @returns {Promise<Session[]>} */
async function everySession(query) {
  const sessions = [];
  for (let cursor; ; ) {
    const page = await get(withQuery("/api/chat/sessions", { ...query, limit: 100, cursor }));
    sessions.push(...page.sessions);
    if (!page.hasMore || sessions.length >= 1_000) return sessions;
    cursor = page.nextCursor;
  }
}

/** Loads everything that the lists show. Rejects with an ApiError, and keeps what was loaded before. */
export async function refresh() {
  const asked = performance.now();
  refreshSettings().catch(() => {}); // The next refresh tries again.
  refreshDepartments().catch(() => {}); // The same; a server without this feature has none.
  const [agent, active, waiting, ended] = await Promise.all([
    get(`/api/agents/${state.agent?.id}`),
    everySession({ status: "active" }),
    isSupervisor() ? everySession({ status: "waiting" }) : [],
    get(withQuery("/api/chat/sessions", { status: "ended", limit: ENDED_PAGE })),
    refreshQueue(),
    refreshAgents(),
  ]);
  const listed = new Set();
  for (const session of [...active, ...waiting, ...ended.sessions]) {
    listed.add(session.id);
    putSession(session, asked);
  }
  for (const session of [...state.sessions.values()]) {
    if (session.status === "ended" || session.gone || listed.has(session.id) || session.touched > asked) continue;
    // It was open and is now in no list: it ended long ago, or another agent has it.
    if (isMine(session)) lose(session.id, "gone");
    else forget(session.id);
  }
  // Loads everything again that could not be loaded before.
  for (const [sessionId, talk] of state.conversations)
    if (talk.error) patchTalk(sessionId, { asked: false, error: null });
  hear({ agent: { ...state.agent, ...agent, isOnline: state.switching ?? agent.isOnline } }, asked);
  change((draft) => {
    draft.missing.clear();
    for (const [userId, sessions] of draft.earlier) if (sessions === "failed") draft.earlier.delete(userId);
    if (!draft.loaded) Object.assign(draft, reached(ended));
    draft.loaded = true;
    draft.loadError = null;
  });
  followMine();
}

/** Loads what supervisors have decided. */
export async function refreshSettings() {
  const { endReasons } = await get("/api/settings");
  assign({ endReasons });
}

/** Loads the departments, by name. */
export async function refreshDepartments() {
  const { departments } = await get("/api/departments");
  assign({ departments });
}

export async function refreshQueue() {
  const asked = performance.now();
  const queue = await get("/api/chat/queue");
  hear({ queue: { ...queue, longestWaitingSince: queue.sessions[0]?.waitingSince ?? null } }, asked);
}

/** Loads the names and the load of all agents, for supervisors and for transfers. */
export async function refreshAgents() {
  const stats = await get("/api/chat/stats");
  setServerTime(stats.systemHealth.timestamp);
  assign({ agents: stats.agents });
}

export async function moreEnded() {
  const cursor = state.endedCursor;
  if (!cursor) return;
  const asked = performance.now();
  const page = await get(withQuery("/api/chat/sessions", { status: "ended", limit: ENDED_PAGE, cursor }));
  for (const session of page.sessions) putSession(session, asked);
  if (state.endedCursor === cursor) assign(reached(page));
}

/** How far back the ended chats are loaded. @param {{ sessions: Session[], nextCursor: string | null }} page */
const reached = ({ sessions, nextCursor }) => ({
  endedCursor: nextCursor,
  endedSince: (nextCursor && sessions.at(-1)?.createdAt) || "",
});

let isDue = false;

/** Loads the load of all agents soon, once for many causes. */
export function refreshAgentsSoon() {
  if (isDue) return;
  isDue = true;
  setTimeout(
    () => {
      isDue = false;
      if (isAuthorized()) refreshAgents().catch(() => {}); // The next cause, or the next reconnect, tries again.
    },
    AGAIN_MS * (0.2 + Math.random()),
  );
}
