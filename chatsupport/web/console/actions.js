// What an agent does. Each action shows at once; where the server refuses it, it is taken back, and says why. Each may
// be repeated without harm.

import { callCounting, get, isPassing } from "./api.js";
import { followSession, forget, lose, readTo } from "./following.js";
import { ask, isConnected, isFollowed, stopFollowing } from "./live.js";
import { path, refreshAgentsSoon } from "./refresh.js";
import { FULL, isFull } from "./load.js";
import { change, conversation, isSupervisor, patchSession, putSession, state, toast } from "./store.js";

const PAGE = 50;
const LATEST = 2 ** 31 - 1; // beyond every seq

// Do it, with a mark on the session meanwhile; what failed is said with a button that does it again.
async function attempt(sessionId, mark, what, act) {
  if (state.busy.has(sessionId)) return false;
  change(() => state.busy.set(sessionId, mark));
  try {
    await act();
    return true;
  } catch (error) {
    toast(`${what} did not work: ${error.message}`, {
      kind: "error",
      label: isPassing(error.code) ? "Try again" : null,
      act: isPassing(error.code) ? () => attempt(sessionId, mark, what, act) : null,
    });
    return false;
  } finally {
    change(() => state.busy.delete(sessionId));
    refreshAgentsSoon();
  }
}

// End a chat. The visitor sees `reason`; only staff see `internalReason`.
export function end(sessionId, { reason, internalReason }) {
  return attempt(sessionId, "ending", "Ending the chat", async () => {
    const path = `/api/chat/end-session/${sessionId}`;
    const { data } = await callCounting("POST", path, { reason, internalReason });
    const { endedAt, reason: endReason } = data;
    change(() => patchSession(sessionId, { status: "ended", endedAt, endReason, internalReason, unreadCount: 0 }));
  });
}

// Transfer to an agent, or with null to the queue.
export function transfer(sessionId, agentId, name) {
  return attempt(sessionId, "transferring", "Transferring the chat", async () => {
    let session = null;
    try {
      session = (await callCounting("POST", `/api/chat/transfer/${sessionId}`, { agentId })).data;
    } catch (error) {
      // The answer to the first try was lost: the session has left us, and that is what was wanted.
      if (error.code !== "FORBIDDEN" || error.tried === 1) throw error;
    }
    change(() => {
      if (isSupervisor()) putSession({ ...session });
      else if (session?.agentId !== state.agent.id) lose(sessionId, "transferred", `You transferred it to ${name}.`);
    });
    toast(
      session?.agentId === state.agent.id
        ? "Nobody else is free, so the chat came back to you."
        : `The chat was transferred to ${name}.`,
    );
  });
}

export function takeOver(sessionId) {
  if (!state.agent.isOnline) {
    toast("You are away. Go online to take over a chat.", { label: "Go online", act: () => setOnline(true) });
    return Promise.resolve(false);
  }
  if (isFull()) {
    toast(FULL, { kind: "error" });
    return Promise.resolve(false);
  }
  return attempt(sessionId, "taking", "Taking over the chat", async () => {
    const { data } = await callCounting("POST", `/api/chat/transfer/${sessionId}`, { agentId: state.agent.id });
    change(() => {
      putSession(data);
      conversation(sessionId).watching = false;
      followSession(sessionId);
    });
  });
}

// The last click wins, however the answers come in.
export async function setOnline(isOnline) {
  const before = state.agent.isOnline;
  change(() => Object.assign(state, { switching: isOnline, agent: { ...state.agent, isOnline } }));
  try {
    const { data } = await callCounting("PATCH", `/api/agents/${state.agent.id}`, { isOnline });
    if (state.switching !== isOnline) return;
    change(() => Object.assign(state, { switching: null, agent: { ...state.agent, ...data } }));
    refreshAgentsSoon();
  } catch (error) {
    if (state.switching !== isOnline) return;
    change(() => Object.assign(state, { switching: null, agent: { ...state.agent, isOnline: before } }));
    toast(`You could not be set to ${isOnline ? "online" : "away"}. ${error.message}`, {
      kind: "error",
      label: "Try again",
      act: () => setOnline(isOnline),
    });
  }
}

// By a key, which is pressed by accident more easily than the switch: say what it did, and offer to take it back.
export function toggleOnline() {
  const isOnline = !state.agent.isOnline;
  setOnline(isOnline);
  if (isOnline) toast("You are online. New chats come to you.");
  else
    toast("You are away. You get no new chats.", { label: "Go online", act: () => setOnline(true) });
}

// Bring what came before the first message that is shown; the last ones where there is none.
export async function loadEarlier(sessionId) {
  const talk = conversation(sessionId);
  if (talk.loading || (talk.messages.length && !talk.hasEarlier)) return;
  change(() => Object.assign(talk, { loading: true, error: null }));
  try {
    const session = state.sessions.get(sessionId);
    const before = talk.messages[0]?.seq ?? LATEST;
    const page = await get(path(`/api/chat/messages/${sessionId}`, { before, limit: PAGE }));
    change(() => {
      const first = talk.messages[0]?.seq ?? Infinity;
      talk.messages = [...page.messages.filter((message) => message.seq < first), ...talk.messages];
      talk.hasEarlier = page.pagination.hasMore;
      talk.lastSeq ??= talk.messages.at(-1)?.seq ?? 0;
      const { total } = page.pagination;
      if (session && total > session.messageCount) patchSession(sessionId, { messageCount: total, lastSeq: total });
      for (const mark of session?.readSeq ?? []) readTo(talk, mark.userId, mark.seq);
    });
  } catch (error) {
    change(() => (talk.error = error.message));
  } finally {
    change(() => (talk.loading = false));
  }
}

// Tell that everything on the screen is read. Asked again after a reconnect, where the answer was lost.
export async function markRead(sessionId) {
  const talk = conversation(sessionId);
  const seq = talk.lastSeq;
  if (!seq || talk.markedSeq >= seq || !isConnected() || !isFollowed(sessionId)) return;
  const before = talk.markedSeq;
  talk.markedSeq = seq;
  change(() => patchSession(sessionId, { unreadCount: 0, countedSeq: seq }));
  const envelope = await ask("mark_read", { sessionId, seq });
  if (!envelope?.success && talk.markedSeq === seq) talk.markedSeq = before;
}

export async function loadEarlierSessions(userId) {
  if (state.earlier.has(userId)) return;
  change(() => state.earlier.set(userId, "loading"));
  try {
    const page = await get(path("/api/chat/sessions", { userId, limit: 20 }));
    change(() => state.earlier.set(userId, page.sessions));
  } catch {
    change(() => state.earlier.set(userId, "failed"));
  }
}

export function stopWatching(sessionId) {
  change(() => stopFollowing(sessionId, true));
}

// A chat that is gone is kept while somebody looks at it, and no longer.
export function tidy(previous) {
  if (previous && previous !== state.selected && state.sessions.get(previous)?.gone) change(() => forget(previous));
}

const REFUSED = new Set(["FORBIDDEN", "SESSION_NOT_FOUND"]);
const fetching = new Set();

// A chat is on the screen: bring what is needed to show it. Called often; does something once.
export async function opened(sessionId) {
  const session = state.sessions.get(sessionId);
  const talk = conversation(sessionId);
  if (session) {
    if (talk.live || talk.asked || talk.messages.length || session.gone) return;
    talk.asked = true;
    loadEarlier(sessionId);
    return;
  }
  if (fetching.has(sessionId) || state.missing.has(sessionId)) return;
  fetching.add(sessionId);
  try {
    const found = await get(`/api/chat/session/${encodeURIComponent(sessionId)}`);
    change(() => putSession(found));
  } catch (error) {
    change(() => state.missing.set(sessionId, REFUSED.has(error.code) ? "refused" : "unreachable"));
  } finally {
    fetching.delete(sessionId);
  }
}

// Ask again for a chat that could not be loaded: at the next change of the store, `opened` finds nothing in its way.
export function openAgain(sessionId) {
  change(() => state.missing.delete(sessionId));
}
