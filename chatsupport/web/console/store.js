/** @import { Draft, Session, State, Talk, Toast } from "./types.js" */

// The store. Only `change` alters it. Subscribers are told once, after all changes of the same turn.

/** @returns {Draft} */
function initial() {
  return {
    phase: "starting",
    agent: null,
    link: "connecting",
    linkMessage: null,
    loaded: false,
    loadError: null,
    sessions: new Map(),
    conversations: new Map(),
    queue: { total: 0, longestWaitingSince: null, sessions: [] },
    departments: [],
    endedCursor: null,
    endedSince: "",
    filters: { from: "", to: "", agentId: "", tag: "", reason: "" },
    found: null,
    chips: new Map(),
    search: { query: "", isLoading: false, results: [], cursor: null, error: null },
    spot: null,
    endReasons: null,
    replies: null,
    tags: [],
    hasNotes: true,
    hasPushes: true,
    writes: "reply",
    noting: false,
    agents: [],
    drafts: new Map(),
    outbox: new Map(),
    uploads: new Map(),
    ends: new Map(),
    missing: new Map(),
    switching: null,
    busy: new Map(),
    earlier: new Map(),
    list: "mine",
    selected: null,
    panel: false,
    toasts: [],
  };
}

const current = initial();

/**
 * The store as everybody reads it. The type check and the browser refuse writes.
 * @type {State}
 */
export const state = new Proxy(current, {
  set: () => false,
  deleteProperty: () => false,
  defineProperty: () => false,
});

/** @type {Set<(state: State) => void>} */
const subscribers = new Set();
let isScheduled = false;

/** @param {(state: State) => void} subscriber */
export function subscribe(subscriber) {
  subscribers.add(subscriber);
}

/** Tells subscribers soon. It uses a microtask and not an animation frame, because the title counts in a hidden tab too. */
export function notify() {
  if (isScheduled) return;
  isScheduled = true;
  queueMicrotask(() => {
    isScheduled = false;
    for (const subscriber of subscribers) subscriber(state);
  });
}

/**
 * Alters the store. A change may be made within another.
 * @param {(draft: Draft) => unknown} alter
 */
export function change(alter) {
  alter(current);
  notify();
}

/** Sets some of the store's fields. @param {Partial<Draft>} fields */
export function assign(fields) {
  change((draft) => Object.assign(draft, fields));
}

/** @type {Map<string, number>} When we last heard of a field that events change too. */
const heard = new Map();

/**
 * Sets some of the store's fields as the server tells them. `at` is when we asked, or now for an event. Each field that we
 * have heard of since then stays, because it is newer.
 * @param {Partial<Draft>} fields
 * @param {number} at
 */
export function hear(fields, at) {
  const news = Object.entries(fields).filter(([name]) => (heard.get(name) ?? 0) <= at);
  for (const [name] of news) heard.set(name, at);
  assign(Object.fromEntries(news));
}

/** Forgets everything of the agent who was signed in. The address names the open view. */
export function reset() {
  assign({ ...initial(), list: state.list, selected: state.selected });
}

/** @type {Talk} */
const SILENCE = Object.freeze({
  messages: [],
  notes: [],
  noted: false,
  lastSeq: null,
  hasEarlier: false,
  loading: false,
  asked: false,
  error: null,
  reads: new Map(),
  markedSeq: 0,
  typing: new Set(),
  presence: null,
  endsAt: null,
  live: false,
  watching: false,
});

/** Returns the known messages of a session. @param {string} sessionId */
export const talkOf = (sessionId) => state.conversations.get(sessionId) ?? SILENCE;

/** @param {string} sessionId @param {Partial<Talk>} changes */
export function patchTalk(sessionId, changes) {
  change((draft) => draft.conversations.set(sessionId, Object.freeze({ ...talkOf(sessionId), ...changes })));
}

/** @param {string} sessionId @param {string} userId @param {boolean} isTyping */
export function setTyping(sessionId, userId, isTyping) {
  const typing = new Set(talkOf(sessionId).typing);
  typing[isTyping ? "add" : "delete"](userId);
  patchTalk(sessionId, { typing });
}

/** Somebody has read up to a message. @param {string} sessionId @param {string} userId @param {number} seq */
export function readTo(sessionId, userId, seq) {
  const { reads } = talkOf(sessionId);
  if ((reads.get(userId) ?? 0) < seq) patchTalk(sessionId, { reads: new Map(reads).set(userId, seq) });
}

/**
 * Takes in a session as the server tells it. `at` is when we asked, or now for an event. Each field that we have heard of
 * since then stays, because it is newer.
 * @param {Partial<Session> & { id: string }} session
 * @param {number} at
 */
export function putSession(session, at) {
  const known = state.sessions.get(session.id);
  const isNew = (/** @type {string} */ name) => !known || (known.heard[name] ?? 0) <= at;
  const given = Object.entries({ gone: null, ...session }).filter(
    ([name, value]) => value !== undefined && isNew(name),
  );
  /** @type {Partial<Session>} */
  const news = Object.fromEntries(given);
  const isCounted = news.unreadCount !== undefined;
  const countedSeq = isCounted || !known ? (session.lastSeq ?? 0) : known.countedSeq;
  // Marks are stored a moment after they were made, so our own knowledge wins.
  const isRead = talkOf(session.id).markedSeq >= countedSeq;
  const unreadCount = isRead ? 0 : (news.unreadCount ?? known?.unreadCount ?? 0);
  setSession({ ...known, ...news, unreadCount, countedSeq }, Object.keys(news), at);
}

/** @param {string} sessionId @param {Partial<Session>} changes */
export function patchSession(sessionId, changes) {
  const known = state.sessions.get(sessionId);
  if (known) setSession({ ...known, ...changes }, Object.keys(changes), performance.now());
}

/** @param {Partial<Session>} session @param {readonly string[]} names the fields that we have heard of @param {number} at */
function setSession(session, names, at) {
  const heard = { ...session.heard };
  for (const name of names) heard[name] = at;
  const touched = Math.max(session.touched ?? 0, at);
  const whole = /** @type {Session} */ (Object.freeze({ ...session, heard, touched }));
  change((draft) => draft.sessions.set(whole.id, whole));
}

export const isSupervisor = () => state.agent?.role === "supervisor";

/** @param {Session} session */
export const isMine = (session) => session.agentId === state.agent?.id && !session.gone;

/** Whether I am of the staff of a session, who see its notes and change its tags. @param {Session} session */
export const isStaff = (session) => !session.gone && (isMine(session) || isSupervisor());

/** @param {Session} session */
export const canNote = (session) => state.hasNotes && isStaff(session);

const all = () => [...state.sessions.values()].filter((session) => !session.gone);

/** @param {"createdAt" | "endedAt"} field @returns {(one: Session, other: Session) => number} */
const by = (field) => (one, other) => {
  const [first, second] = [one[field] ?? "", other[field] ?? ""];
  return first < second ? -1 : first > second ? 1 : 0;
};

/** The agent's open chats, the newest first. They keep their places, because jumping lists are hard to click. */
export function mine() {
  return all()
    .filter((session) => session.status === "active" && isMine(session))
    .sort(by("createdAt"))
    .reverse();
}

/** The chats that have ended, without older ones that were opened one by one. */
export function ended() {
  return all()
    .filter((session) => session.status === "ended" && session.createdAt >= state.endedSince)
    .sort(by("endedAt"))
    .reverse();
}

export function open() {
  return all()
    .filter((session) => session.status !== "ended")
    .sort(by("createdAt"));
}

/** Why a chat has ended. The reason that only staff see comes before the visitor's. @param {Session} session */
export const reasonOf = (session) => session.internalReason ?? session.endReason ?? "";

export const selectedSession = () => (state.selected ? (state.sessions.get(state.selected) ?? null) : null);
export const unreadTotal = () => mine().reduce((sum, session) => sum + session.unreadCount, 0);

/** @param {string} sessionId */
export const lastMessage = (sessionId) => talkOf(sessionId).messages.at(-1) ?? null;

/** Since when the visitor has waited for a person, or did: since a bot has handed the chat over. @param {Session} session */
export const waitsSince = ({ handedOverAt, createdAt }) => handedOverAt ?? createdAt;

/** Since when the visitor of an open chat has been waiting for an answer, or null. @param {Session} session */
export function unansweredSince(session) {
  if (session.status === "ended") return null;
  let since = null;
  for (const message of [...talkOf(session.id).messages].reverse()) {
    if (message.senderType === session.userType && message.senderId === session.userId) since = message.timestamp;
    else if (message.senderType !== "system") break;
  }
  return since;
}

let toasts = 0;

/**
 * Shows a message for a few seconds or, with an action (label and function), until it is closed. Returns its id.
 * @param {string} text
 * @param {Partial<Omit<Toast, "id" | "text">>} [how]
 */
export function toast(text, { kind = "info", label = null, act = null, close = null } = {}) {
  toasts += 1;
  const id = toasts;
  assign({ toasts: [...state.toasts.slice(-3), { id, text, kind, label, act, close }] });
  if (!act) setTimeout(() => dismiss(id), 6_000);
  return id;
}

/** @param {number} id */
export function dismiss(id) {
  assign({ toasts: state.toasts.filter((one) => one.id !== id) });
}
