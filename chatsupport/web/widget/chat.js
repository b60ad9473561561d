import { call } from "../shared/api.js";
import { connect, EXPIRED, follow, loadClient, PASSING } from "../shared/connection.js";

const ANSWER_MS = 12_000;
const TRIES = 3;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const newId = () =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

// The visitor's chat, without its looks: calls render(state) on each change and emit(event, detail) for the page.
export function createChat({ server, io, integrity, userId, userHash }, store, render, emit) {
  const empty = () => ({
    status: null,
    messages: [],
    agent: null,
    place: null,
    typing: false,
    agentRead: 0,
    read: 0,
    idle: false,
  });
  const state = { ...empty(), outbox: [], online: false, problem: null, seen: false };
  let connection, stop, token, sending, typedAt, me;

  function change(changes) {
    const { status, place } = state;
    Object.assign(state, changes);
    if (state.seen) markRead();
    if (status !== state.status || place !== state.place) {
      emit("status", { status: state.status, queuePosition: state.place });
    }
    render(state);
  }

  const report = ({ code }) => change({ problem: code });

  function identity() {
    const kept = store.get();
    if (userId && kept.userId !== userId) store.set({ userId, token: null, sessionId: null, outbox: [] });
    else if (!kept.userId) store.set({ userId: `visitor-${newId()}` });
    me = store.get().userId;
    return store.get();
  }

  async function getToken(renew) {
    const kept = identity();
    if (kept.token && !renew) return kept.token;
    token ??= call(server, "/api/auth/token", { body: { userId: kept.userId, userHash } }).finally(
      () => (token = null),
    );
    const given = (await token).token;
    if (store.get().userId === kept.userId) store.set({ token: given });
    return given;
  }

  async function api(path, body) {
    try {
      return await call(server, path, { body, token: await getToken() });
    } catch (error) {
      if (!EXPIRED.includes(error.code)) throw error;
      return call(server, path, { body, token: await getToken(true) });
    }
  }

  async function open() {
    if (connection) return;
    const opening = (connection = {});
    try {
      const client = await loadClient(io, integrity);
      if (connection !== opening) return; // Somebody else has signed in meanwhile.
      connection = connect(client, server, getToken, (problem) => change({ problem }));
    } catch {
      connection = null;
      return change({ problem: "OFFLINE" });
    }
    const handlers = {
      connect: () => (change({ online: true, problem: null }), send()),
      disconnect: () => change({ online: false, typing: false }),
      user_typing: ({ isTyping, userType }) => userType !== "user" && change({ typing: isTyping }),
      messages_read: ({ seq }) => change({ agentRead: Math.max(state.agentRead, seq) }),
      queue_update: ({ queuePosition }) => change({ place: queuePosition }),
      agent_assigned: ({ agent }) => change({ status: "active", agent, place: null }),
      session_unassigned: () => change({ status: "waiting", agent: null, typing: false }),
      session_idle: () => change({ idle: true }),
      session_ended: () => (store.set({ ended: true }), change({ status: "ended", typing: false })),
    };
    for (const name in handlers) {
      connection.socket.on(name, (data) => (data?.sessionId ?? state.id) === state.id && handlers[name](data));
    }
    enter();
  }

  // Follows the session that is kept, if there is one.
  function enter() {
    const { sessionId, read = 0, since } = store.get();
    if (sessionId === state.id || !connection?.socket) return;
    stop?.();
    stop = null;
    change({ ...empty(), id: sessionId, read, since });
    if (sessionId) stop = follow(connection.socket, sessionId, { onJoined, onMessage, onFailure: again });
  }

  function onJoined({ status, agent, queuePosition: place, readSeq, hasMore }) {
    const mark = (own) =>
      Math.max(0, ...readSeq.filter((one) => (one.userType === "user") === own).map((one) => one.seq));
    if (!state.messages.length) state.hasMore = hasMore;
    store.set({ ended: status === "ended" });
    change({ status, agent, place, agentRead: mark(false), read: Math.max(state.read, mark(true)) });
  }

  function onMessage(message) {
    const own = message.senderType === "user";
    if (own) drop(message.clientMessageId);
    change({ messages: [...state.messages, message], typing: own && state.typing, idle: false });
    if (!own) emit("message", message);
  }

  function markRead() {
    const last = state.messages.at(-1)?.seq ?? 0;
    if (last <= state.read) return;
    state.read = last;
    store.set({ read: last });
    connection.socket.emit("mark_read", { sessionId: state.id, seq: last });
  }

  // What is unsent is kept for the next page; other tabs keep theirs in the same place.
  const others = (id) => (store.get().outbox ?? []).filter((entry) => entry.id !== id);
  const keep = ({ id, text, failed }) => store.set({ outbox: [...others(id), { id, text, failed }] });

  function drop(id) {
    state.outbox = state.outbox.filter((entry) => entry.id !== id);
    store.set({ outbox: others(id) });
  }

  // Sends what waits, one after the other. What was not acknowledged when the connection broke is sent again on the next.
  async function send() {
    while (!sending && state.online) {
      const entry = state.outbox.find((one) => !one.failed);
      if (!entry) break;
      sending = true;
      try {
        if (!state.id) await startSession();
        const payload = { sessionId: state.id, message: entry.text, clientMessageId: entry.id };
        const answer = await connection.socket.timeout(ANSWER_MS).emitWithAck("send_message", payload);
        if (!answer.success) throw answer;
        state.problem = null;
        entry.failed = "stored"; // It leaves the outbox when it comes back as a message.
      } catch ({ code = "OFFLINE" }) {
        entry.tries = (entry.tries ?? 0) + state.online;
        if (!PASSING.includes(code) || entry.tries >= TRIES) {
          keep(Object.assign(entry, { failed: code }));
          if (!state.id) state.problem = code;
        } else await pause(1_000);
      }
      sending = false;
      change({});
    }
  }

  async function startSession() {
    const { sessionId } = await api("/api/chat/start-session", { userId: store.get().userId });
    store.set({ sessionId, since: Date.now(), read: 0, ended: false });
    enter();
  }

  // Forgets an ended session, and is ready for a new one.
  function again() {
    store.set({ sessionId: null, since: null });
    enter();
  }

  function restart() {
    const before = connection;
    before?.close?.();
    connection = stop = token = null;
    change({ ...empty(), id: null, outbox: [], online: false, problem: null });
    if (before) open();
  }

  return {
    open,
    again,
    begin() {
      const { sessionId, ended, outbox = [] } = userId ? identity() : store.get();
      state.outbox = outbox;
      change({});
      if (outbox.some((entry) => !entry.failed) || (sessionId && !ended)) open();
      store.onChange(() => {
        const kept = store.get();
        if (!userId && me && kept.userId !== me) restart(); // Somebody has signed in, in another tab.
        me = kept.userId;
        enter();
        if (kept.sessionId === state.id) change({ read: Math.max(state.read, kept.read ?? 0) });
      });
    },
    see: (seen) => change({ seen }),
    write(text) {
      const entry = { id: newId(), text };
      state.outbox = [...state.outbox, entry];
      keep(entry);
      change({});
      open();
      send();
    },
    retry(entry) {
      if (state.status === "ended") again();
      keep(Object.assign(entry, { failed: null, tries: 0 }));
      change({});
      send();
    },
    typing() {
      if (state.status !== "active" || Date.now() - typedAt < 3_000) return;
      typedAt = Date.now();
      connection.socket.volatile.emit("typing_start", { sessionId: state.id });
    },
    end: () => api(`/api/chat/end-session/${state.id}`, {}).catch(report),
    earlier: () =>
      api(`/api/chat/messages/${state.id}?limit=50&before=${state.messages[0].seq}`).then(
        ({ messages, pagination }) =>
          change({ messages: [...messages, ...state.messages], hasMore: pagination.hasMore }),
        report,
      ),
    identify(who) {
      ({ userId, userHash } = who);
      if (store.get().userId === userId && !state.problem) return;
      identity();
      restart();
    },
  };
}
