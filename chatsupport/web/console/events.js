// The server's events go into the store. What happens in a followed session's messages is in following.js.

import { followSession, lose, readTo, settle } from "./following.js";
import { announce } from "./announce.js";
import { changeAgent, removeAgent } from "./load.js";
import { isFollowed, stopFollowing } from "./live.js";
import { refreshAgentsSoon } from "./refresh.js";
import { change, conversation, isMine, isSupervisor, patchSession, putSession, state } from "./store.js";

const WHY = {
  transferred: "It was transferred.",
  agent_away: "You were away for too long, so it went back to the queue.",
  agent_deleted: "Your account was removed.",
  no_reply: "You had not answered for too long, so it went back to the queue.",
};

const talkOf = (sessionId) => state.conversations.get(sessionId);

function assigned(session) {
  change(() => {
    const known = state.sessions.get(session.id);
    const news = !known || !isMine(known) || known.status !== "active";
    putSession({ ...session, ...(news && { unreadCount: session.messageCount }) });
    followSession(session.id);
    if (news) announce(`New chat with ${session.userId}`);
  });
  refreshAgentsSoon();
}

function unassigned({ sessionId, agentId, reason }) {
  change(() => {
    if (agentId !== state.agent.id) return; // A supervisor hears of it by session_changed.
    const was = state.busy.get(sessionId);
    state.busy.delete(sessionId);
    if (!was) announce("One of your chats was taken away");
    if (isSupervisor()) {
      stopFollowing(sessionId);
      patchSession(sessionId, { agentId: null, agent: null });
    } else lose(sessionId, reason, WHY[reason] ?? null);
  });
  refreshAgentsSoon();
}

function agentAssigned({ sessionId, agentId, agent }) {
  change(() => {
    patchSession(sessionId, { status: "active", agentId, agent, queuePosition: null });
  });
}

function ended({ sessionId, reason, endedAt, endedBy }) {
  change(() => {
    const session = state.sessions.get(sessionId);
    if (!session) return;
    if (session.status !== "ended" && endedBy !== state.agent.id) announce(`The chat with ${session.userId} has ended`);
    patchSession(sessionId, {
      status: "ended",
      endReason: reason,
      endedAt,
      endedBy,
      unreadCount: 0,
      queuePosition: null,
    });
    state.busy.delete(sessionId);
    state.earlier.delete(session.userId);
    talkOf(sessionId)?.typing.clear();
    settle(sessionId);
  });
  refreshAgentsSoon();
}

// A session as GET returns it: any, for supervisors; for its agent, when it has a new user.
function sessionChanged(session) {
  change(() => {
    const known = state.sessions.get(session.id);
    // What we follow we count ourselves, and sooner.
    const { unreadCount, ...rest } = session;
    const lastSeq = Math.max(session.lastSeq ?? 0, known?.lastSeq ?? 0);
    putSession({ ...rest, lastSeq, ...(!isFollowed(session.id) && { unreadCount }) });
    if (session.status === "active" && isMine(session)) followSession(session.id);
  });
}

// `sessions` are the first of those who wait.
function queueChanged({ waiting, longestWaitingSince, sessions }) {
  change(() => (state.queue = { total: waiting, longestWaitingSince, sessions }));
}

function typing({ sessionId, userId, isTyping }) {
  change(() => talkOf(sessionId)?.typing[isTyping ? "add" : "delete"](userId));
}

function read({ sessionId, userId, seq }) {
  change(() => talkOf(sessionId) && readTo(talkOf(sessionId), userId, seq));
}

// I have read it in another window or another browser.
function readElsewhere({ sessionId, seq }) {
  change(() => {
    const session = state.sessions.get(sessionId);
    if (!session) return;
    readTo(conversation(sessionId), state.agent.id, seq);
    if (session.lastSeq <= seq) patchSession(sessionId, { unreadCount: 0, countedSeq: seq });
  });
}

function presence(isThere) {
  return ({ sessionId, userId, userType }) =>
    change(() => {
      const session = state.sessions.get(sessionId);
      if (!session || session.userId !== userId || session.userType !== userType) return;
      conversation(sessionId).presence = isThere;
      if (!isThere) conversation(sessionId).typing.delete(userId);
    });
}

export const handlers = {
  session_assigned: assigned,
  session_unassigned: unassigned,
  agent_assigned: agentAssigned,
  session_ended: ended,
  session_changed: sessionChanged,
  session_updated: sessionChanged,
  agent_changed: changeAgent,
  agent_deleted: removeAgent,
  queue_changed: queueChanged,
  user_typing: typing,
  messages_read: read,
  session_read: readElsewhere,
  user_joined: presence(true),
  user_left: presence(false),
  session_idle: ({ sessionId, endsAt }) => change(() => talkOf(sessionId) && (talkOf(sessionId).endsAt = endsAt)),
};
