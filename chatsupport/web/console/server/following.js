import { announce } from "../parts/announce.js";
import { visitorName } from "../parts/names.js";
import { change, isMine, patchSession, patchTalk, readTo, state, talkOf } from "../store.js";
import { say, texts } from "../texts.js";
import { isFollowed, startFollowing, stopFollowing } from "./live.js";
import { arrived } from "./outbox.js";

/** @import { Message } from "../../shared/types.js" */

// Puts the events of followed sessions into the store.

const SETTLE_MS = 5_000;

/** @param {string} sessionId */
export function followSession(sessionId) {
  startFollowing(sessionId, {
    onJoined({ status, agentId, agent, queuePosition, hasMore, readSeq }) {
      patchTalk(sessionId, {
        error: null,
        noted: false, // Some notes may have been added meanwhile.
        ...(talkOf(sessionId).lastSeq === null && { hasEarlier: hasMore, lastSeq: 0 }),
      });
      for (const mark of readSeq) readTo(sessionId, mark.userId, mark.seq);
      patchSession(sessionId, { status, agentId, agent, queuePosition });
    },
    onMessage: add,
    onFailure: (code) => lose(sessionId, code),
  });
}

/** @param {string} sessionId */
export function watchSession(sessionId) {
  patchTalk(sessionId, { watching: true });
  followSession(sessionId);
}

/** @param {Message} message */
function add(message) {
  const { sessionId, seq, senderId } = message;
  const talk = talkOf(sessionId);
  if (seq <= (talk.messages.at(-1)?.seq ?? 0)) return; // It already came with the history.
  const typing = new Set(talk.typing);
  typing.delete(senderId);
  patchTalk(sessionId, { messages: [...talk.messages, message], lastSeq: seq, typing, endsAt: null });
  const isOwn = senderId === state.agent?.id;
  arrived(sessionId, seq, isOwn ? message.clientMessageId : undefined);
  const session = state.sessions.get(sessionId);
  if (!session) return;
  const isNews = seq > session.countedSeq && !isOwn;
  if (isNews && state.selected !== sessionId) announce(say(texts.announce.message, { visitor: visitorName(session) }));
  patchSession(sessionId, {
    lastSeq: Math.max(session.lastSeq, seq),
    messageCount: Math.max(session.messageCount, seq),
    countedSeq: Math.max(session.countedSeq, seq),
    unreadCount: session.unreadCount + (isNews ? 1 : 0),
  });
}

/**
 * The session is no longer ours. If the agent is looking at it, its messages and the draft stay on the screen.
 * @param {string} sessionId
 * @param {string} reason
 * @param {string | null} [message]
 */
export function lose(sessionId, reason, message = null) {
  stopFollowing(sessionId);
  if (state.selected === sessionId) patchSession(sessionId, { gone: { reason, message }, unreadCount: 0 });
  else forget(sessionId);
}

/** @param {string} sessionId */
export function forget(sessionId) {
  if (isFollowed(sessionId)) stopFollowing(sessionId);
  change((draft) => {
    draft.sessions.delete(sessionId);
    draft.conversations.delete(sessionId);
  });
}

/**
 * An ended session is followed for a moment longer, for late events, and then no more: a socket can be in 50 sessions.
 * @param {string} sessionId
 */
export function settle(sessionId) {
  setTimeout(() => state.sessions.get(sessionId)?.status === "ended" && stopFollowing(sessionId, true), SETTLE_MS);
}

/** Follows all of our sessions, and the ones that a supervisor watches. */
export function followMine() {
  for (const session of state.sessions.values())
    if (session.status === "active" && isMine(session)) followSession(session.id);
}
