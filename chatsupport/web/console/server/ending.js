import { isOutworn, isPassing } from "../../shared/refusals.js";
import { focusRow } from "../parts/focus.js";
import { visitorName } from "../parts/names.js";
import { go } from "../route.js";
import { change, dismiss, patchSession, state, toast } from "../store.js";
import { say, texts } from "../texts.js";
import { ApiError, because, call, callLast, isAuthorized } from "./api.js";
import { keepWriting } from "./outbox.js";
import { refreshAgentsSoon } from "./refresh.js";

/** @import { End } from "../types.js" */

// Ends of chats. Each is sent a moment after the agent has decided it, so that the agent can undo it. Until the server has
// answered, it is stored like an unsent message; it is sent at once if the page is closed or reloaded.

const UNDO_MS = 8_000;
const AGAIN_MS = 10_000;
const LEAVING_MS = 3_000;

/** @type {Map<string, { timer: number, toast: number }>} */
const waiting = new Map();

/**
 * Ends a chat in a moment. The visitor sees `reason`; only staff see `internalReason`.
 * @param {string} sessionId
 * @param {{ reason: string, internalReason?: string }} reasons
 */
export function end(sessionId, reasons) {
  const session = state.sessions.get(sessionId);
  if (!session || state.busy.has(sessionId)) return;
  put(sessionId, { ...reasons, isSent: false });
  const text = say(texts.end.ends, { visitor: visitorName(session) });
  const notice = toast(text, { label: texts.end.undo, act: () => undoEnd(sessionId), close: () => send(sessionId) });
  waiting.set(sessionId, { timer: setTimeout(send, UNDO_MS, sessionId), toast: notice });
}

/** @param {string} sessionId @param {End} how */
function put(sessionId, how) {
  change((draft) => {
    draft.ends.set(sessionId, Object.freeze(how));
    draft.busy.set(sessionId, "ending");
  });
  keepWriting();
}

/** Whether the chat ends in a moment, and the agent can still undo that. @param {string} sessionId */
export const canUndoEnd = (sessionId) => state.ends.get(sessionId)?.isSent === false;

/** Undoes the end of a chat, or the last one, and opens the chat. @param {string} [sessionId] */
export function undoEnd(sessionId = [...state.ends.keys()].findLast(canUndoEnd)) {
  if (!sessionId || !canUndoEnd(sessionId)) return;
  forgetEnd(sessionId);
  go(state.list, sessionId);
  focusRow(sessionId); // The button is gone.
}

/** The chat has ended, is somebody else's, or stays open. @param {string} sessionId */
export function forgetEnd(sessionId) {
  stopWaiting(sessionId);
  if (!state.ends.has(sessionId)) return;
  change((draft) => {
    draft.ends.delete(sessionId);
    draft.busy.delete(sessionId);
  });
  keepWriting();
}

/** @param {string} sessionId */
function stopWaiting(sessionId) {
  const known = waiting.get(sessionId);
  if (!known) return;
  waiting.delete(sessionId);
  clearTimeout(known.timer);
  dismiss(known.toast);
}

/** @param {string} sessionId @param {boolean} [isLast] the page is being closed */
async function send(sessionId, isLast = false) {
  stopWaiting(sessionId);
  const how = state.ends.get(sessionId);
  if (!how || (how.isSent && !isLast)) return;
  const { reason, internalReason } = how;
  put(sessionId, { reason, internalReason, isSent: true });
  try {
    const path = `/api/chat/end-session/${sessionId}`;
    const { endedAt, reason: endReason } = await (isLast ? callLast : call)("POST", path, { reason, internalReason });
    forgetEnd(sessionId);
    patchSession(sessionId, { status: "ended", endedAt, endReason, internalReason, unreadCount: 0 });
  } catch (error) {
    if (state.ends.get(sessionId)?.isSent) failed(sessionId, error);
  }
  refreshAgentsSoon();
}

/** @param {string} sessionId @param {unknown} error */
function failed(sessionId, error) {
  const code = error instanceof ApiError ? error.code : "";
  if (!isPassing(code) && !isOutworn(code)) {
    forgetEnd(sessionId);
    toast(because(texts.end.failed, error), { kind: "error" });
    return;
  }
  // It is sent again: soon, or when the agent has signed in again.
  const { reason, internalReason } = /** @type {End} */ (state.ends.get(sessionId));
  put(sessionId, { reason, internalReason, isSent: false });
  if (isPassing(code)) waiting.set(sessionId, { timer: setTimeout(send, AGAIN_MS, sessionId), toast: 0 });
}

/** On every connection, sends the ends that nobody can undo any more: those from before a reload, and those that failed. */
export function flushEnds() {
  for (const sessionId of state.ends.keys()) {
    if (state.sessions.get(sessionId)?.status === "ended") forgetEnd(sessionId);
    else if (!waiting.get(sessionId)?.toast) send(sessionId);
  }
}

/** Before signing out: sends all ends. Resolves when they have arrived, or soon. */
export async function finishEnds() {
  const sent = [...state.ends.keys()].map((sessionId) => send(sessionId, true));
  if (sent.length) await Promise.race([Promise.all(sent), new Promise((resolve) => setTimeout(resolve, LEAVING_MS))]);
}

/** Sends all ends when the page is closed or reloaded. The browser delivers them after that. */
export function startEnding() {
  addEventListener("pagehide", () => {
    if (isAuthorized()) for (const sessionId of state.ends.keys()) send(sessionId, true);
  });
}
