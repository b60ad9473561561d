// The one store. `change` is the only way to alter it; everybody who subscribed is told once, after all changes of the
// same turn. Views read it and never write.

function initial() {
  return {
    phase: "starting", // "signed-out", "signed-in", or "expired": signed in, but the token is no good any more
    agent: null, // {id, name, role, maxUsers, activeUsers, isOnline, …}
    link: "connecting", // "online", "offline", or "closed": the server wants no more of us
    linkMessage: null,
    loaded: false, // the first picture is there
    loadError: null,
    sessions: new Map(), // id -> session, as the server tells it, and what we know besides
    conversations: new Map(), // id -> see conversation()
    queue: { total: 0, longestWaitingSince: null, sessions: [] },
    endedCursor: null,
    agents: [], // everybody's load: {id, name, activeUsers (how many), maxUsers, isOnline}
    drafts: new Map(), // session id -> text
    outbox: new Map(), // session id -> [{clientMessageId, text, at, state, reason}]
    missing: new Map(), // session id -> why it cannot be shown: "refused" or "unreachable"
    switching: null, // what the switch was set to, until the server has answered
    busy: new Map(), // session id -> "ending", "transferring" or "taking"
    earlier: new Map(), // user id -> their other sessions, or "loading"
    list: "mine",
    selected: null,
    panel: false, // the visitor's panel, where it does not fit beside the conversation
    toasts: [],
  };
}

export const state = initial();

const subscribers = new Set();
let scheduled = false;

export function subscribe(subscriber) {
  subscribers.add(subscriber);
}

// Tell everybody soon. A microtask, not an animation frame: the title counts in a hidden tab too.
export function notify() {
  if (scheduled) return;
  scheduled = true;
  queueMicrotask(() => {
    scheduled = false;
    for (const subscriber of subscribers) subscriber(state);
  });
}

export function change(alter) {
  alter(state);
  notify();
}

// Forget everything of who was signed in; the address says what is open.
export function reset() {
  change(() => Object.assign(state, initial(), { list: state.list, selected: state.selected }));
}

export function conversation(sessionId) {
  if (!state.conversations.has(sessionId))
    state.conversations.set(sessionId, {
      messages: [], // without a gap, by seq
      lastSeq: null,
      hasEarlier: false,
      loading: false,
      asked: false, // the last messages were asked for by REST
      error: null,
      reads: new Map(), // user id -> seq
      markedSeq: 0, // up to where the server knows that we have read
      typing: new Set(), // user ids
      presence: null, // whether the visitor is there, once we have heard of it
      endsAt: null,
      live: false, // followed by the socket
      watching: false, // somebody else's, that a supervisor looks at
    });
  return state.conversations.get(sessionId);
}

// Take in a session as the server tells it. `at` is when we asked, or now for an event: what an event has said since a
// question was asked is newer than its answer.
export function putSession(session, at = performance.now()) {
  const known = state.sessions.get(session.id);
  // Joining tells that a session has ended, but not when and why: that is news, however long ago it was asked for.
  const completes = session.status === "ended" && !known?.endedAt;
  if (known && known.touched > at && !completes) return;
  const counted = session.unreadCount !== undefined;
  const merged = { unreadCount: 0, countedSeq: 0, ...known, ...session, gone: null, touched: at };
  if (!counted) merged.unreadCount = known?.unreadCount ?? 0;
  if (counted || !known) merged.countedSeq = session.lastSeq ?? 0;
  // Marks are stored a moment after they were made: what we know to be read is read.
  if (state.conversations.get(session.id)?.markedSeq >= merged.countedSeq) merged.unreadCount = 0;
  state.sessions.set(session.id, merged);
}

export function patchSession(sessionId, patch) {
  const known = state.sessions.get(sessionId);
  if (known) state.sessions.set(sessionId, { ...known, ...patch, touched: performance.now() });
}

export const isSupervisor = () => state.agent?.role === "supervisor";
export const isMine = (session) => session.agentId === state.agent?.id && !session.gone;

const all = () => [...state.sessions.values()].filter((session) => !session.gone);
const by = (field) => (one, other) => (one[field] < other[field] ? -1 : one[field] > other[field] ? 1 : 0);

// My open chats; the one that came last is first, and stays where it is whoever writes: lists that jump are hard to hit.
export function mine() {
  return all()
    .filter((session) => session.status === "active" && isMine(session))
    .sort(by("createdAt"))
    .reverse();
}

export function ended() {
  return all()
    .filter((session) => session.status === "ended")
    .sort(by("endedAt"))
    .reverse();
}

export function open() {
  return all()
    .filter((session) => session.status !== "ended")
    .sort(by("createdAt"));
}

// Why a chat has ended: the reason that only staff see comes before what the visitor was told.
export const reasonOf = (session) => session.internalReason ?? session.endReason ?? "";

export const selectedSession = () => (state.selected ? (state.sessions.get(state.selected) ?? null) : null);
export const unreadTotal = () => mine().reduce((sum, session) => sum + session.unreadCount, 0);
export const lastMessage = (sessionId) => state.conversations.get(sessionId)?.messages.at(-1) ?? null;

let toasts = 0;

// Say something for a few seconds; with an action (label and function) until it is closed.
export function toast(text, { kind = "info", label = null, act = null } = {}) {
  const id = (toasts += 1);
  change(() => (state.toasts = [...state.toasts.slice(-3), { id, text, kind, label, act }]));
  if (!act) setTimeout(() => dismiss(id), 6_000);
}

export function dismiss(id) {
  change(() => (state.toasts = state.toasts.filter((one) => one.id !== id)));
}
