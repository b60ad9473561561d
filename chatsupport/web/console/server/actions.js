import { isPassing } from "../../shared/refusals.js";
import { isFull } from "../lists/load.js";
import {
  assign,
  canNote,
  change,
  hear,
  isSupervisor,
  patchSession,
  patchTalk,
  putSession,
  readTo,
  state,
  talkOf,
  toast,
} from "../store.js";
import { say, texts } from "../texts.js";
import { ApiError, because, callCounting, get, withQuery } from "./api.js";
import { loadNotes } from "./desk.js";
import { followSession, forget, lose } from "./following.js";
import { ask, isConnected, isFollowed, stopFollowing } from "./live.js";
import { refreshAgentsSoon } from "./refresh.js";

/** @import { Draft } from "../types.js" */

// The actions of an agent. Each shows its effect at once. If the server refuses it, it is undone with a message. Each may
// be repeated without harm.

const PAGE = 50;
const LATEST = 2 ** 31 - 1; // beyond every seq

/**
 * Performs an action, and marks the session meanwhile. A failure is shown with a button to try again.
 * @param {string} sessionId
 * @param {"transferring" | "taking"} mark
 * @param {string} failure the text, with a place for the reason
 * @param {() => Promise<unknown>} act
 */
async function attempt(sessionId, mark, failure, act) {
  if (state.busy.has(sessionId)) return false;
  change((draft) => draft.busy.set(sessionId, mark));
  try {
    await act();
    return true;
  } catch (error) {
    const again = error instanceof ApiError && isPassing(error.code);
    toast(because(failure, error), {
      kind: "error",
      label: again ? texts.tryAgain : null,
      act: again ? () => attempt(sessionId, mark, failure, act) : null,
    });
    return false;
  } finally {
    change((draft) => draft.busy.delete(sessionId));
    refreshAgentsSoon();
  }
}

/**
 * Transfers to an agent or a department, or with neither to the queue.
 * @param {string} sessionId
 * @param {{ agentId?: string, departmentId?: string }} to
 * @param {string} name
 */
export function transfer(sessionId, to, name) {
  return attempt(sessionId, "transferring", texts.transfer.failed, async () => {
    const asked = performance.now();
    /** @type {any} */
    let session = null;
    try {
      session = (await callCounting("POST", `/api/chat/transfer/${sessionId}`, to)).data;
    } catch (error) {
      // The answer to the first attempt was lost, and the session has left us as intended.
      if (!(error instanceof ApiError) || error.code !== "FORBIDDEN" || error.tried === 1) throw error;
    }
    const cameBack = session?.agentId === state.agent?.id;
    if (isSupervisor() && session) putSession(session, asked);
    else if (!cameBack) lose(sessionId, "transferred", say(texts.transfer.youDid, { agent: name }));
    toast(cameBack ? texts.transfer.cameBack : say(texts.transfer.done, { agent: name }));
  });
}

/** @param {string} sessionId */
export async function takeOver(sessionId) {
  if (!state.agent?.isOnline) {
    toast(texts.presence.awayTakeOver, { label: texts.presence.goOnline, act: () => setOnline(true) });
    return false;
  }
  if (isFull()) {
    toast(texts.presence.full, { kind: "error" });
    return false;
  }
  const agentId = state.agent.id;
  return attempt(sessionId, "taking", texts.takeOver.failed, async () => {
    const asked = performance.now();
    const { data } = await callCounting("POST", `/api/chat/transfer/${sessionId}`, { agentId });
    putSession(data, asked);
    patchTalk(sessionId, { watching: false });
    followSession(sessionId);
  });
}

/** Sets me to online or away. The last click wins, in whatever order the answers come in. @param {boolean} isOnline */
export async function setOnline(isOnline) {
  const me = state.agent;
  if (!me) return;
  const set = (/** @type {Partial<Draft["agent"]>} */ record, /** @type {boolean | null} */ switching) => {
    assign({ switching });
    hear({ agent: state.agent && { ...state.agent, ...record } }, performance.now());
  };
  set({ isOnline }, isOnline);
  try {
    const { data } = await callCounting("PATCH", `/api/agents/${me.id}`, { isOnline });
    if (state.switching !== isOnline) return;
    set(data, null);
    refreshAgentsSoon();
  } catch (error) {
    if (state.switching !== isOnline) return;
    set({ isOnline: me.isOnline }, null);
    toast(because(isOnline ? texts.presence.notOnline : texts.presence.notAway, error), {
      kind: "error",
      label: texts.tryAgain,
      act: () => setOnline(isOnline),
    });
  }
}

/** For the key, which is more easily pressed by accident than the switch: shows the result, and offers to undo it. */
export function toggleOnline() {
  const isOnline = !state.agent?.isOnline;
  setOnline(isOnline);
  if (isOnline) toast(texts.presence.online);
  else toast(texts.presence.away, { label: texts.presence.goOnline, act: () => setOnline(true) });
}

/** Loads the messages before the first shown one, or the last ones if none is shown. @param {string} sessionId */
export async function loadEarlier(sessionId) {
  const before = talkOf(sessionId);
  if (before.loading || (before.messages.length && !before.hasEarlier)) return;
  patchTalk(sessionId, { loading: true, error: null });
  try {
    const from = before.messages[0]?.seq ?? LATEST;
    const isSought = state.spot?.sessionId === sessionId;
    const page = await get(
      withQuery(`/api/chat/messages/${sessionId}`, { before: from, limit: isSought ? 2 * PAGE : PAGE }),
    );
    const { messages, lastSeq } = talkOf(sessionId);
    const first = messages[0]?.seq ?? Infinity;
    const all = [...page.messages.filter((/** @type {{ seq: number }} */ { seq }) => seq < first), ...messages];
    const { hasMore, total } = page.pagination;
    patchTalk(sessionId, { messages: all, hasEarlier: hasMore, lastSeq: lastSeq ?? all.at(-1)?.seq ?? 0 });
    const session = state.sessions.get(sessionId);
    if (session && total > session.messageCount) patchSession(sessionId, { messageCount: total, lastSeq: total });
    for (const mark of session?.readSeq ?? []) readTo(sessionId, mark.userId, mark.seq);
  } catch (error) {
    patchTalk(sessionId, { error: because("{reason}", error) });
  } finally {
    if (state.conversations.has(sessionId)) patchTalk(sessionId, { loading: false });
  }
}

/** Marks everything on the screen as read. It is repeated after a reconnect, because the answer may have been lost. */
export async function markRead(/** @type {string} */ sessionId) {
  const { lastSeq: seq, markedSeq: before } = talkOf(sessionId);
  if (!seq || before >= seq || !isConnected() || !isFollowed(sessionId)) return;
  patchTalk(sessionId, { markedSeq: seq });
  patchSession(sessionId, { unreadCount: 0, countedSeq: seq });
  const envelope = await ask("mark_read", { sessionId, seq });
  if (!envelope?.success && talkOf(sessionId).markedSeq === seq) patchTalk(sessionId, { markedSeq: before });
}

/** @param {string} userId */
export async function loadEarlierSessions(userId) {
  if (state.earlier.has(userId)) return;
  const put = (/** @type {any} */ sessions) => change((draft) => draft.earlier.set(userId, sessions));
  put("loading");
  try {
    put((await get(withQuery("/api/chat/sessions", { userId, limit: 20 }))).sessions);
  } catch {
    put("failed");
  }
}

/** @param {string} sessionId */
export function stopWatching(sessionId) {
  stopFollowing(sessionId, true);
}

/** A lost chat is kept only while the agent looks at it. @param {string | null} previous */
export function tidy(previous) {
  if (previous && previous !== state.selected && state.sessions.get(previous)?.gone) forget(previous);
}

const REFUSED = new Set(["FORBIDDEN", "SESSION_NOT_FOUND"]);
const fetching = new Set();

/** Loads what the chat on the screen needs. It may be called often, and loads once. */
export async function opened(/** @type {string} */ sessionId) {
  const session = state.sessions.get(sessionId);
  const talk = talkOf(sessionId);
  if (session) {
    if (canNote(session)) loadNotes(sessionId);
    if (talk.live || talk.asked || talk.messages.length || session.gone) return;
    patchTalk(sessionId, { asked: true });
    loadEarlier(sessionId);
    return;
  }
  if (fetching.has(sessionId) || state.missing.has(sessionId)) return;
  fetching.add(sessionId);
  const asked = performance.now();
  try {
    putSession(await get(`/api/chat/session/${encodeURIComponent(sessionId)}`), asked);
  } catch (error) {
    const isRefused = error instanceof ApiError && REFUSED.has(error.code);
    change((draft) => draft.missing.set(sessionId, isRefused ? "refused" : "unreachable"));
  } finally {
    fetching.delete(sessionId);
  }
}

/** Lets a chat that could not be loaded be loaded again by `opened`, at the next change of the store. */
export function openAgain(/** @type {string} */ sessionId) {
  change((draft) => draft.missing.delete(sessionId));
}
