// What a followed session tells goes into the store.

import { announce } from "./announce.js";
import { isFollowed, startFollowing, stopFollowing } from "./live.js";
import { arrived } from "./outbox.js";
import { change, conversation, isMine, patchSession, state } from "./store.js";

const SETTLE_MS = 5_000;

export function followSession(sessionId) {
  startFollowing(sessionId, {
    onJoined: (joined) =>
      change(() => {
        const talk = conversation(sessionId);
        if (talk.lastSeq === null) Object.assign(talk, { hasEarlier: joined.hasMore, lastSeq: 0 });
        talk.error = null;
        for (const mark of joined.readSeq) readTo(talk, mark.userId, mark.seq);
        const { status, agentId, agent, queuePosition } = joined;
        patchSession(sessionId, { status, agentId, agent, queuePosition });
      }),
    onMessage: (message) => change(() => add(message)),
    onFailure: (code) => change(() => lose(sessionId, code)),
  });
}

export function watchSession(sessionId) {
  change(() => (conversation(sessionId).watching = true));
  followSession(sessionId);
}

function add(message) {
  const { sessionId } = message;
  const talk = conversation(sessionId);
  if (message.seq <= (talk.messages.at(-1)?.seq ?? 0)) return; // It came with the history already.
  talk.messages = [...talk.messages, message];
  talk.lastSeq = message.seq;
  talk.typing.delete(message.senderId);
  talk.endsAt = null;
  arrived(sessionId, message.seq, message.senderId === state.agent.id ? message.clientMessageId : undefined);
  const session = state.sessions.get(sessionId);
  if (!session) return;
  const counted = message.seq > session.countedSeq && message.senderId !== state.agent.id;
  if (counted && state.selected !== sessionId) announce(`Message from ${session.userId}`);
  patchSession(sessionId, {
    lastSeq: Math.max(session.lastSeq, message.seq),
    messageCount: Math.max(session.messageCount, message.seq),
    countedSeq: Math.max(session.countedSeq, message.seq),
    unreadCount: session.unreadCount + (counted ? 1 : 0),
  });
}

export function readTo(talk, userId, seq) {
  if ((talk.reads.get(userId) ?? 0) < seq) talk.reads.set(userId, seq);
}

// The session is not ours any more. What was said stays on the screen of who is looking at it, and so does the draft.
export function lose(sessionId, reason, message = null) {
  stopFollowing(sessionId);
  const session = state.sessions.get(sessionId);
  if (!session) return;
  if (state.selected === sessionId) patchSession(sessionId, { gone: { reason, message }, unreadCount: 0 });
  else forget(sessionId);
}

export function forget(sessionId) {
  if (isFollowed(sessionId)) stopFollowing(sessionId);
  state.sessions.delete(sessionId);
  state.conversations.delete(sessionId);
}

// An ended session is followed a moment longer, for what was on its way, and then not: a socket can be in 50 sessions.
export function settle(sessionId) {
  setTimeout(() => state.sessions.get(sessionId)?.status === "ended" && stopFollowing(sessionId, true), SETTLE_MS);
}

// Follow all that are ours, and no others but those that a supervisor watches.
export function followMine() {
  for (const session of state.sessions.values()) {
    if (session.status === "active" && isMine(session)) followSession(session.id);
  }
}
