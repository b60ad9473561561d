import { changeAgent, removeAgent } from "../lists/load.js";
import { announce } from "../parts/announce.js";
import { visitorName } from "../parts/names.js";
import {
  change,
  hear,
  isMine,
  isSupervisor,
  patchSession,
  patchTalk,
  putSession,
  readTo,
  setTyping,
  state,
  talkOf,
} from "../store.js";
import { say, texts } from "../texts.js";
import { putNote } from "./desk.js";
import { forgetEnd } from "./ending.js";
import { followSession, lose, settle } from "./following.js";
import { isFollowed, stopFollowing } from "./live.js";
import { refreshAgentsSoon } from "./refresh.js";

/** @import { Message } from "../../shared/types.js" */
/** @import { Session } from "../types.js" */

// Puts the server's events into the store. Messages of a followed session are in following.js.

/** @type {Record<string, string>} */
const LOST = texts.lost;

/** @type {Record<string, (event: any) => void>} */
export const handlers = {
  /** @param {Session} session */
  session_assigned(session) {
    const known = state.sessions.get(session.id);
    const isNews = !known || !isMine(known) || known.status !== "active";
    putSession({ ...session, ...(isNews && { unreadCount: session.messageCount }) }, performance.now());
    followSession(session.id);
    if (isNews) announce(say(texts.announce.assigned, { visitor: visitorName(session) }));
    refreshAgentsSoon();
  },

  session_unassigned({ sessionId, agentId, reason }) {
    refreshAgentsSoon();
    if (agentId !== state.agent?.id) return; // A supervisor gets session_changed for this.
    if (!state.busy.has(sessionId)) announce(texts.announce.unassigned);
    forgetEnd(sessionId);
    change((draft) => draft.busy.delete(sessionId));
    if (!isSupervisor()) return lose(sessionId, reason, LOST[reason] ?? null);
    stopFollowing(sessionId);
    patchSession(sessionId, { agentId: null, agent: null });
  },

  agent_assigned({ sessionId, agentId, agent }) {
    patchSession(sessionId, { status: "active", agentId, agent, queuePosition: null });
  },

  session_ended({ sessionId, reason, endedAt, endedBy }) {
    refreshAgentsSoon();
    forgetEnd(sessionId);
    const session = state.sessions.get(sessionId);
    if (!session) return;
    const isNews = session.status !== "ended" && endedBy !== state.agent?.id;
    if (isNews) announce(say(texts.announce.ended, { visitor: visitorName(session) }));
    const end = { endReason: reason, endedAt, endedBy };
    patchSession(sessionId, { status: "ended", ...end, unreadCount: 0, queuePosition: null });
    change((draft) => {
      draft.busy.delete(sessionId);
      draft.earlier.delete(session.userId);
    });
    if (state.conversations.has(sessionId)) patchTalk(sessionId, { typing: new Set() });
    settle(sessionId);
  },

  /** @param {Message} message */
  message_updated(message) {
    const { messages } = talkOf(message.sessionId);
    if (!messages.some(({ id }) => id === message.id)) return;
    const changed = messages.map((one) => (one.id === message.id ? message : one));
    patchTalk(message.sessionId, { messages: changed });
  },

  note_added: putNote,
  session_rated: ({ sessionId, rating }) => patchSession(sessionId, { rating }),
  session_changed: changeSession,
  session_updated: changeSession,
  agent_changed: changeAgent,
  agent_deleted: removeAgent,

  /** `sessions` are the first waiting ones. */
  queue_changed({ waiting, longestWaitingSince, departments, sessions }) {
    hear({ queue: { total: waiting, longestWaitingSince, departments, sessions } }, performance.now());
  },

  user_typing({ sessionId, userId, isTyping }) {
    if (state.conversations.has(sessionId)) setTyping(sessionId, userId, isTyping);
  },

  messages_read({ sessionId, userId, seq }) {
    if (state.conversations.has(sessionId)) readTo(sessionId, userId, seq);
  },

  /** The agent has read it in another window or browser. */
  session_read({ sessionId, seq }) {
    const session = state.sessions.get(sessionId);
    if (!session || !state.agent) return;
    readTo(sessionId, state.agent.id, seq);
    if (session.lastSeq <= seq) patchSession(sessionId, { unreadCount: 0, countedSeq: seq });
  },

  user_joined: (event) => setPresence(event, true),
  user_left: (event) => setPresence(event, false),

  session_idle({ sessionId, endsAt }) {
    if (state.conversations.has(sessionId)) patchTalk(sessionId, { endsAt });
  },
};

/**
 * A session as GET returns it: any, for supervisors; for its agent, when it has a new user.
 * @param {Session} session
 */
function changeSession({ unreadCount, ...session }) {
  const lastSeq = Math.max(session.lastSeq ?? 0, state.sessions.get(session.id)?.lastSeq ?? 0);
  // For followed sessions we count unread messages ourselves, and sooner.
  putSession({ ...session, lastSeq, ...(!isFollowed(session.id) && { unreadCount }) }, performance.now());
  const now = state.sessions.get(session.id);
  if (now?.status === "active" && isMine(now)) followSession(session.id);
}

/** @param {{ sessionId: string, userId: string, userType: string }} event @param {boolean} presence */
function setPresence({ sessionId, userId, userType }, presence) {
  const session = state.sessions.get(sessionId);
  if (session?.userId !== userId || session.userType !== userType) return;
  patchTalk(sessionId, { presence });
  if (!presence) setTyping(sessionId, userId, false);
}
