// The first picture, and the same again after every reconnect: by REST, for an event may have been missed. Between
// these, events keep it true.

import { get, isAuthorized } from "./api.js";
import { setServerTime } from "./clock.js";
import { followMine, forget, lose } from "./following.js";
import { change, isMine, isSupervisor, putSession, state } from "./store.js";

const ENDED_PAGE = 30;
const AGAIN_MS = 1_000;

export const path = (name, query) => {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  return `${name}?${new URLSearchParams(given)}`;
};

async function everySession(query) {
  const sessions = [];
  for (let cursor; ;) {
    const page = await get(path("/api/chat/sessions", { ...query, limit: 100, cursor }));
    sessions.push(...page.sessions);
    if (!page.hasMore || sessions.length >= 1_000) return sessions;
    cursor = page.nextCursor;
  }
}

// Load all that the lists show. Rejects with an ApiError; what was loaded before stays.
export async function refresh() {
  const asked = performance.now();
  const [agent, active, waiting, ended] = await Promise.all([
    get(`/api/agents/${state.agent.id}`),
    everySession({ status: "active" }),
    isSupervisor() ? everySession({ status: "waiting" }) : [],
    get(path("/api/chat/sessions", { status: "ended", limit: ENDED_PAGE })),
    refreshQueue(),
    refreshAgents(),
  ]);
  change(() => {
    state.agent = { ...state.agent, ...agent };
    const open = [...active, ...waiting];
    const listed = new Set(open.map((session) => session.id));
    for (const session of [...open, ...ended.sessions]) {
      listed.add(session.id);
      putSession(session, asked);
    }
    for (const session of [...state.sessions.values()]) {
      if (session.status === "ended" || session.gone || listed.has(session.id) || session.touched > asked) continue;
      // It was open and is in no list now: it has ended long ago, or is somebody else's.
      if (isMine(session)) lose(session.id, "gone");
      else forget(session.id);
    }
    state.endedCursor ??= ended.nextCursor;
    // Whatever could not be loaded before is asked for again.
    state.missing.clear();
    for (const [userId, sessions] of state.earlier) if (sessions === "failed") state.earlier.delete(userId);
    for (const talk of state.conversations.values()) if (talk.error) Object.assign(talk, { asked: false, error: null });
    Object.assign(state, { loaded: true, loadError: null });
    followMine();
  });
}

export async function refreshQueue() {
  const queue = await get("/api/chat/queue");
  change(() => (state.queue = { ...queue, longestWaitingSince: queue.sessions[0]?.waitingSince ?? null }));
}

// Names and load of everybody, for supervisors and for handing over.
export async function refreshAgents() {
  const stats = await get("/api/chat/stats");
  setServerTime(stats.systemHealth.timestamp);
  change(() => (state.agents = stats.agents));
}

export async function moreEnded() {
  if (!state.endedCursor) return;
  const cursor = state.endedCursor;
  const page = await get(path("/api/chat/sessions", { status: "ended", limit: ENDED_PAGE, cursor }));
  change(() => {
    for (const session of page.sessions) putSession(session);
    if (state.endedCursor === cursor) state.endedCursor = page.nextCursor;
  });
}

// Do it soon, and once for many causes.
function soon(load) {
  let timer = null;
  return () => {
    timer ??= setTimeout(
      () => {
        timer = null;
        if (isAuthorized()) load().catch(() => {}); // The next cause, or the next reconnect, tries again.
      },
      AGAIN_MS * (0.2 + Math.random()),
    );
  };
}

export const refreshAgentsSoon = soon(refreshAgents);
