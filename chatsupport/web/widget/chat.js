import { follow, PASSING } from "../shared/connection.js";
import { visitor } from "./visitor.js";

// The visitor's chat, without its looks: calls render(state) on each change and emit(event, detail) for the page.
export function createChat(options, kept, keep, render, emit) {
  const [identity, newId, getToken, rest] = visitor(options, kept, keep);
  // The session's: `read` tells how far the visitor has read, `theirs` how far an agent has.
  let id, status, agent, place, since, messages, read, theirs, typing, idle, hasMore;
  // The visitor's
  let outbox, me, seen, typedAt;
  // The connection's
  let client, socket, stop, tries, online, problem, sending;
  let told = ","; // What the page was told: no status, no place.

  function reset(session) {
    id = session;
    status = agent = place = since = typing = idle = hasMore = null;
    messages = [];
    read = theirs = 0;
  }

  function changed() {
    const last = messages.at(-1)?.seq ?? 0;
    if (seen && last > read) {
      keep({ read: (read = last) });
      socket.emit("mark_read", { sessionId: id, seq: read });
    }
    if (told !== (told = `${[status, place]}`)) emit("status", { status, queuePosition: place });
    render({ id, status, agent, place, since, messages, read, theirs, typing, idle, hasMore, outbox, online, problem });
  }

  const report = ({ code }) => changed((problem = code));

  // Whether it is worth trying again; for TOKEN_EXPIRED, INVALID_TOKEN and AUTH_REQUIRED, with a new token.
  function passes(code) {
    if (/TOKEN|AUTH/.test(code)) return !keep({ token: null });
    return PASSING.test(code);
  }

  async function open() {
    try {
      client ??= (await import(options.io)).io;
    } catch {
      return report({ code: "OFFLINE" });
    }
    if (socket) return;
    const { origin, pathname: path } = new URL(`${options.server}/socket.io`);
    const mine = client(origin, { path, autoConnect: false, reconnectionDelayMax: 10_000, randomizationFactor: 0.8 });
    socket = mine;
    for (const name in handlers) {
      socket.on(name, (data) => {
        if (socket !== mine || (data?.sessionId ?? id) !== id) return;
        handlers[name](data);
        changed();
      });
    }
    tries = 0;
    attempt();
    enter();
  }

  // Connects; socket.io does the rest, but not where the server has refused or closed the connection.
  async function attempt() {
    const mine = socket;
    try {
      mine.auth = { token: await getToken() };
      if (socket === mine) mine.connect();
    } catch ({ code }) {
      if (socket === mine) refused(code);
    }
  }

  function refused(code = "OFFLINE") {
    if (!passes(code)) return report({ code });
    const mine = socket;
    setTimeout(() => socket === mine && attempt(), Math.min(2 ** tries++, 30) * (500 + 1_000 * Math.random()));
  }

  const handlers = {
    connect() {
      online = true;
      tries = 0;
      problem = null;
      send();
    },
    connect_error: (error) => socket.active || refused(error.data?.code),
    disconnect(reason) {
      online = typing = false;
      if (reason === "io server disconnect") refused();
    },
    user_typing({ isTyping, userType }) {
      if (userType !== "user") typing = isTyping;
    },
    messages_read: ({ seq }) => (theirs = Math.max(theirs, seq)),
    queue_update: ({ queuePosition }) => (place = queuePosition),
    agent_assigned(event) {
      status = "active";
      agent = event.agent;
      place = null;
    },
    session_updated(session) {
      if (session.id === id) agent = session.agent;
    },
    session_unassigned() {
      status = "waiting";
      agent = typing = null;
    },
    session_idle: () => (idle = true),
    session_ended() {
      status = "ended";
      typing = false;
      keep({ ended: true });
    },
  };

  // Follows the session that is kept, if there is one.
  function enter() {
    const { sessionId } = kept();
    if (sessionId === id || !socket) return;
    stop?.();
    reset(sessionId);
    ({ read = 0, since } = kept());
    stop = id && follow(socket, id, { onJoined, onMessage, onFailure: again });
    changed();
  }

  function onJoined(session) {
    ({ status, agent, queuePosition: place } = session);
    if (!messages[0]) hasMore = session.hasMore;
    for (const { userType, seq } of session.readSeq) {
      if (userType === "user") read = Math.max(read, seq);
      else theirs = Math.max(theirs, seq);
    }
    keep({ ended: status === "ended" });
    changed();
  }

  function onMessage(message) {
    const own = message.senderType === "user";
    if (own) drop(message.clientMessageId);
    messages.push(message);
    typing &&= own;
    idle = false;
    changed();
    if (!own) emit("message", message);
  }

  // What is unsent is kept for the next page; other tabs keep theirs in the same place.
  const without = (entry) => (kept().outbox ?? []).filter((one) => one.id !== entry);
  const store = (entry) => keep({ outbox: [...without(entry.id), entry] });

  function drop(entry) {
    outbox = outbox.filter((one) => one.id !== entry);
    keep({ outbox: without(entry) });
  }

  // Sends what waits, one after the other. What was not acknowledged when the connection broke is sent on the next one.
  async function send() {
    let entry;
    while (!sending && online && (entry = outbox.find((one) => !one.failed && !one.done))) {
      sending = true;
      try {
        if (!id) {
          const { sessionId } = await rest("chat/start-session", { userId: me });
          keep({ sessionId, since: Date.now(), read: 0, ended: false });
          enter();
        }
        const payload = { sessionId: id, message: entry.text, clientMessageId: entry.id };
        const answer = await socket.timeout(12_000).emitWithAck("send_message", payload);
        if (!answer.success) throw answer;
        problem = null;
        entry.done = true; // It leaves the outbox when it comes back as a message.
      } catch ({ code = "OFFLINE" }) {
        entry.tries = (entry.tries ?? 0) + online;
        if (!passes(code) || entry.tries > 2) {
          entry.failed = code;
          store(entry);
          if (!id) problem = code;
        } else await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
      sending = false;
      changed();
    }
  }

  // Forgets an ended session, and is ready for a new one.
  function again() {
    keep({ sessionId: null });
    enter();
  }

  function restart() {
    socket?.disconnect();
    socket = stop = online = problem = null;
    me = identity();
    outbox = [];
    reset();
    changed();
    open();
  }

  function post(entry) {
    store(entry);
    changed();
    open();
    send();
  }

  reset();
  me = identity();
  outbox = kept().outbox ?? [];
  open();
  addEventListener("storage", () => {
    if (!options.userId && kept().userId !== me) restart(); // Somebody has signed in, in another tab.
    enter();
    read = Math.max(read, kept().read ?? 0);
    changed();
  });

  return {
    open,
    again,
    see: (now) => changed((seen = now)),
    write(text) {
      const entry = { id: newId(), text };
      outbox.push(entry);
      post(entry);
    },
    retry(entry) {
      if (status === "ended") again();
      post(Object.assign(entry, { failed: null, tries: 0 }));
    },
    typing() {
      if (status !== "active" || Date.now() - typedAt < 3_000) return;
      typedAt = Date.now();
      socket.volatile.emit("typing_start", { sessionId: id });
    },
    end: () => socket.emit("end_session", { sessionId: id }, (answer) => answer.success || report(answer)),
    earlier: () =>
      rest(`chat/messages/${id}?limit=50&before=${messages[0].seq}`).then((page) => {
        messages.unshift(...page.messages);
        hasMore = page.pagination.hasMore;
        changed();
      }, report),
    identify() {
      if (me !== options.userId || problem) restart();
    },
  };
}
