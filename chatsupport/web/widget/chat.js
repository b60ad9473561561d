import { follow, PASSING } from "../shared/connection.js";
import { OUTWORN, visitor } from "./visitor.js";

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// One person's chat, without its looks: calls render(state) on each change and emit(event, detail) for the page.
// `person` is what is kept of them.
export function createChat(options, person, render, emit) {
  // What comes after stop() changes nothing: there may be somebody else by then.
  const own = {
    ...person,
    keep: (changes) => stopped || person.keep(changes),
    keepSecret: (changes) => stopped || person.keepSecret(changes),
  };
  const { kept, keep } = own;
  const { call, rest, getToken, carry, reason } = visitor(options, own);
  // The session's: `read` tells how far the visitor has read, `theirs` how far an agent has.
  let id, status, agent, place, since, messages, read, theirs, typing, idle, hasMore;
  // The visitor's
  let { outbox, userId: me } = kept();
  let names = Object(kept().names);
  let typedAt = 0;
  // The connection's; `staffed` tells whether somebody is there.
  let client, socket, unfollow, connecting, online, problem, sending, stopped, timer, staffed, due;
  let tries = 0;
  let told = ","; // What the page was told: no status, no place.

  function enterNone(session) {
    id = session;
    status = agent = place = since = typing = idle = hasMore = null;
    messages = [];
    read = theirs = 0;
  }

  // Shows what is new, once for all that came together.
  function changed() {
    if (!due) queueMicrotask(draw);
    due = true;
  }

  function draw() {
    due = false;
    if (stopped) return;
    if (told !== (told = `${[status, place]}`)) emit("status", { status, queuePosition: place });
    // prettier-ignore
    render({
      id, status, agent, place, since, messages, read, theirs, typing, idle, hasMore, outbox, names, online, problem,
      staffed,
    });
  }

  // Whether it is worth trying again, perhaps with a new token.
  function passes(code) {
    if (OUTWORN.test(code)) own.keepSecret({ token: null, worn: own.secret().token });
    return code === "ORIGIN" || OUTWORN.test(code) || PASSING.test(code);
  }

  // Refused for good: what waits has failed, and the visitor is told. So is whoever has made the page.
  function fail({ code, message }) {
    console.warn("Chat Support:", code, message);
    problem = code;
    for (const entry of outbox) if (!entry.failed && !entry.done) store(Object.assign(entry, { failed: code }));
    changed();
  }

  // Connects; socket.io does the rest, but not where the server has refused or closed the connection.
  async function connect() {
    if (connecting || stopped) return;
    connecting = true;
    clearTimeout(timer);
    try {
      // A browser may remember that an import has failed, so each has an address of its own.
      client ??= (await import(options.io + (tries ? `?${tries}` : ""))).io;
      const token = await getToken();
      await carry();
      if (stopped) return;
      me = kept().userId;
      socket ??= listen();
      socket.auth = { token };
      if (!socket.active) socket.connect(); // While it tries by itself, it would ask the server twice.
      enter();
      await lookUp();
    } catch (refusal) {
      retry(refusal);
    } finally {
      connecting = false;
    }
  }

  function retry({ code = "OFFLINE", message }) {
    if (stopped) return;
    if (!passes(code)) return fail({ code, message });
    if (code === "ORIGIN") changed((problem = code));
    clearTimeout(timer);
    timer = setTimeout(connect, Math.min(2 ** tries++, 30) * (500 + 1_000 * Math.random()));
  }

  function listen() {
    const { origin, pathname: path } = new URL(`${options.server}/socket.io`);
    const made = client(origin, { path, autoConnect: false, reconnectionDelayMax: 10_000, randomizationFactor: 0.8 });
    for (const name in handlers) {
      made.on(name, (data) => {
        if (stopped || (data?.sessionId ?? id) !== id) return;
        handlers[name](data);
        changed();
      });
    }
    return made;
  }

  const handlers = {
    connect() {
      online = true;
      tries = 0;
      problem = null;
      // What was not refused for good is tried again.
      for (const entry of outbox) if (PASSING.test(entry.failed)) Object.assign(entry, { failed: null, tries: 0 });
      send();
    },
    connect_error({ data }) {
      if (!socket.active) retry(data ?? {});
      else reason().then((code) => changed((problem = code === "ORIGIN" ? code : null)));
    },
    disconnect(cause) {
      online = typing = false;
      if (cause === "io server disconnect") retry({});
    },
    user_typing({ isTyping, userType }) {
      if (userType !== "user") typing = isTyping;
    },
    messages_read: ({ seq }) => (theirs = Math.max(theirs, seq)),
    queue_update: ({ queuePosition }) => (place = queuePosition),
    agent_assigned(event) {
      status = "active";
      place = null;
      meet(event.agent);
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

  // Names are kept: what somebody has written stays theirs when another takes over.
  function meet(somebody) {
    agent = somebody;
    if (agent && names[agent.id] !== agent.name) keep({ names: (names = { ...names, [agent.id]: agent.name }) });
  }

  // Follows the session that is kept, if there is one.
  function enter() {
    const { sessionId } = kept();
    if (sessionId === id || !socket) return;
    unfollow?.();
    enterNone(sessionId);
    ({ since } = kept());
    read = +kept().read || 0;
    unfollow = id && follow(socket, id, { onJoined, onMessage, onFailure });
    changed();
  }

  const begin = (sessionId, at) => {
    keep({ sessionId, since: at, read: 0, ended: false });
    enter();
  };

  // Asks for the open session, which may have begun on another device. A guest has one device.
  async function lookUp() {
    if (!options.userId || (id && status !== "ended" && !kept().ended)) return;
    const { session } = await rest("chat/session/current");
    if (session && session.id !== id) begin(session.id, Date.parse(session.createdAt));
  }

  function onJoined(session) {
    ({ status, queuePosition: place } = session);
    meet(session.agent);
    if (!messages[0]) hasMore = session.hasMore;
    for (const { userType, seq } of session.readSeq) {
      if (userType === "user") read = Math.max(read, seq);
      else theirs = Math.max(theirs, seq);
    }
    keep({ ended: status === "ended" });
    changed();
  }

  function onMessage(message) {
    const isOwn = message.senderType === "user";
    if (isOwn) drop(message.clientMessageId);
    messages.push(message);
    typing &&= isOwn;
    idle = false;
    changed();
    if (!isOwn) emit("message", message);
  }

  function onFailure(code) {
    if (/FORBIDDEN|NOT_FOUND|INVALID_SESSION/.test(code)) again();
    else if (!passes(code)) fail({ code });
  }

  // What is unsent is kept for the next page; other tabs keep theirs in the same place.
  const without = (entry) => kept().outbox.filter((one) => one.id !== entry);
  const store = (entry) => keep({ outbox: [...without(entry.id), entry] });

  function drop(entry) {
    outbox = outbox.filter((one) => one.id !== entry);
    keep({ outbox: without(entry) });
  }

  // Sends what waits, one after the other. What was not acknowledged when the connection broke is sent on the next one:
  // only an answer of the server's makes a message fail.
  async function send() {
    let entry;
    while (!sending && online && !stopped && (entry = outbox.find((one) => !one.failed && !one.done))) {
      sending = true;
      try {
        if (!id) {
          await getToken();
          begin((await rest("chat/start-session", { userId: kept().userId })).sessionId, Date.now());
        }
        const payload = { sessionId: id, message: entry.text, clientMessageId: entry.id };
        const answer = await socket.timeout(12_000).emitWithAck("send_message", payload);
        if (!answer.success) throw answer;
        problem = null;
        entry.done = true; // It leaves the outbox when it comes back as a message.
      } catch ({ code = "OFFLINE", message }) {
        const answered = !/OFFLINE|ORIGIN|DATABASE/.test(code);
        entry.tries = (entry.tries ?? 0) + answered;
        if (code === "BLOCKED") fail({ code, message });
        else if (!passes(code) || entry.tries > 2) {
          entry.failed = code;
          store(entry);
          if (!id) problem = code;
        } else await pause(1_000);
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

  function open() {
    if (!online) connect();
    else lookUp().catch(({ code }) => passes(code));
  }

  function post(entry) {
    store(entry);
    changed();
    open();
    send();
  }

  enterNone();
  return {
    open,
    again,
    end() {
      const { sessionId } = kept();
      socket.emit("end_session", { sessionId }, (answer) => answer.success || passes(answer.code) || fail(answer));
    },
    hasFailed: () => !!problem,
    stop() {
      stopped = true;
      clearTimeout(timer);
      unfollow?.();
      socket?.disconnect();
    },
    // Takes over what another tab has kept. Returns whether that is somebody else's chat.
    share() {
      const { userId, read: readThere } = kept();
      if (me && userId !== me) return true;
      enter();
      read = Math.max(read, +readThere || 0);
      return draw();
    },
    // Tells how far the visitor has read, where it is new; returns how far that is.
    see(seq) {
      if (seq > read) {
        keep({ read: (read = seq) });
        socket.emit("mark_read", { sessionId: id, seq });
      }
      return read;
    },
    // Asks whether somebody is there, while that matters.
    ask() {
      if (status && status !== "waiting") return;
      const found = ({ isStaffed }) => staffed !== isStaffed && changed((staffed = isStaffed));
      call("chat/availability").then(found, ({ code }) => passes(code));
    },
    write(text) {
      const entry = { id: crypto.getRandomValues(new Uint32Array(4)).join("-"), text };
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
    async earlier() {
      const [first] = messages;
      const page = await rest(`chat/messages/${id}?limit=50&before=${first.seq}`);
      if (messages[0] !== first) return;
      messages.unshift(...page.messages);
      hasMore = page.pagination.hasMore;
      changed();
    },
  };
}
