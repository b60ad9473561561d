import { follow } from "../shared/connection.js";
import { createOutbox } from "../shared/outbox.js";
import { isOutworn, isPassing, pauseAfter } from "../shared/refusals.js";
import { emit, options } from "./page.js";
import { visitor, warn } from "./visitor.js";

/** @import { Answer, Joined, Message, Refusal, Socket, Unsent } from "../shared/types.js" */
/** @import { Kept, Person, State } from "./types.js" */

/**
 * Makes one person's chat, without its view.
 * @param {Person} person what is kept of them
 * @param {(state: State) => void} render is called on each change
 */
export function createChat(person, render) {
  let isStopped = false;
  // Events after stop() change nothing, because there may be another visitor by then.
  const own = {
    ...person,
    keep: (/** @type {Partial<Kept>} */ changes) => isStopped || person.keep(changes),
    keepSecret: (/** @type {Partial<Kept>} */ changes) => isStopped || person.keepSecret(changes),
  };
  const { kept, keep } = own;
  const { io, server, userId } = options; // As they are now: the page may name somebody else later.
  const { call, rest, getToken, carry, reason } = visitor({ ...options }, own);

  // The session. `read` is the seq up to which the visitor has read, `theirs` the same for an agent.
  /** @type {any} */
  let id;
  /** @type {State["status"]} */
  let status;
  /** @type {State["agent"]} */
  let agent;
  /** @type {State["place"]} */
  let place;
  /** @type {State["since"]} */
  let since;
  /** @type {State["isTyping"]} */
  let isTyping;
  /** @type {State["isIdle"]} */
  let isIdle;
  /** @type {State["isEnding"]} */
  let isEnding;
  /** @type {State["hasMore"]} */
  let hasMore;
  let read = 0;
  let theirs = 0;
  /** @type {Message[]} */
  let messages = [];
  // The visitor.
  let { outbox: unsent, userId: me } = kept();
  let names = Object(kept().names);
  let typedAt = 0;
  // The connection. `isStaffed` tells whether an agent is present.
  /** @type {(origin: string, options: object) => Socket} */
  let client;
  /** @type {Socket} */
  let socket;
  /** @type {any} */
  let unfollow;
  /** @type {boolean} */
  let isConnecting;
  /** @type {boolean} */
  let isOnline;
  /** @type {State["problem"]} */
  let problem;
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  /** @type {State["isStaffed"]} */
  let isStaffed;
  /** @type {boolean} */
  let isDue;
  let tried = 0;
  let told = ","; // What the page was told: no status, no place.

  const outbox = createOutbox({
    read: () => unsent,
    write(entries) {
      // Other tabs store their unsent messages in the same place.
      const others = kept().outbox.filter((other) => !unsent.some((one) => one.id === other.id));
      unsent = entries;
      keep({ outbox: [...others, ...unsent] });
      changed();
    },
    isReady: () => isOnline && !isStopped,
    async deliver(entry) {
      if (!id) {
        await getToken();
        const { sessionId } = await rest("chat/start-session", { userId: kept().userId });
        begin(sessionId, Date.now());
      }
      const payload = { sessionId: id, message: entry.text, clientMessageId: entry.id };
      const answer = await socket.timeout(12_000).emitWithAck("send_message", payload);
      if (answer.success) problem = null;
      return answer;
    },
    onRefusal(refusal) {
      renew(refusal.code);
      if (refusal.code === "BLOCKED") fail(refusal);
      else if (!id && !isPassing(refusal.code)) problem = refusal.code;
      changed();
    },
  });

  // Shows changes, once for all that came together.
  function changed() {
    if (!isDue) queueMicrotask(draw);
    isDue = true;
  }

  function draw() {
    isDue = false;
    if (isStopped) return;
    const before = told;
    told = `${[status, place]}`;
    if (told !== before) emit("status", { status, queuePosition: place });
    render({
      id,
      status,
      agent,
      place,
      since,
      messages,
      read,
      theirs,
      isTyping,
      isIdle,
      hasMore,
      isEnding,
      unsent,
      names,
      isOnline,
      problem,
      isStaffed,
    });
  }

  // Drops a token that is no longer valid. Returns whether another attempt makes sense.
  /** @param {string} code */
  function renew(code) {
    const isWorn = isOutworn(code);
    if (isWorn) own.keepSecret({ token: null, worn: own.secret().token });
    return isWorn || isPassing(code);
  }

  // Refused for good: waiting messages have failed, and the visitor and the page are told.
  /** @param {Refusal} refusal */
  function fail(refusal) {
    warn(refusal);
    problem = refusal.code;
    outbox.fail(refusal);
  }

  // Connects. socket.io reconnects by itself, unless the server has refused or closed the connection.
  async function connect() {
    if (isConnecting || isStopped) return;
    isConnecting = true;
    clearTimeout(timer);
    try {
      // A browser may remember that an import has failed, so each attempt has its own address.
      client ??= (await import(io + (tried ? `?${tried}` : ""))).io;
      const token = await getToken();
      await carry();
      if (isStopped) return;
      me = kept().userId;
      socket ??= listen();
      socket.auth = { token };
      if (!socket.active) socket.connect(); // While it reconnects by itself, this would ask the server twice.
      enter();
      await lookUp();
    } catch (refusal) {
      retry(refusal);
    } finally {
      isConnecting = false;
    }
  }

  function retry(/** @type {Partial<Refusal>} */ { code = "OFFLINE", message }) {
    if (isStopped) return;
    if (!renew(code)) return fail({ code, message });
    if (code === "ORIGIN") problem = code;
    changed();
    clearTimeout(timer);
    tried += 1;
    timer = setTimeout(connect, pauseAfter(tried));
  }

  function listen() {
    const { origin, pathname: path } = new URL(`${server}/socket.io`);
    const made = client(origin, { path, autoConnect: false, reconnectionDelayMax: 10_000, randomizationFactor: 0.8 });
    for (const name in handlers) {
      made.on(name, (/** @type {any} */ data) => {
        if (isStopped || (data?.sessionId ?? id) !== id) return;
        handlers[name](data);
        changed();
      });
    }
    return made;
  }

  /** @type {Record<string, (event?: any) => void>} */
  const handlers = {
    connect() {
      isOnline = true;
      tried = 0;
      problem = null;
      outbox.retry();
    },
    connect_error({ data }) {
      if (!socket.active) return retry(data ?? {});
      reason().then((code) => {
        problem = code === "ORIGIN" ? code : null;
        changed();
      });
    },
    disconnect(cause) {
      isOnline = isTyping = false;
      if (cause === "io server disconnect") retry({});
    },
    user_typing(event) {
      if (event.userType !== "user") isTyping = event.isTyping;
    },
    messages_read({ seq }) {
      theirs = Math.max(theirs, seq);
    },
    queue_update({ queuePosition }) {
      place = queuePosition;
    },
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
      agent = isTyping = null;
    },
    session_idle() {
      isIdle = true;
    },
    session_ended() {
      status = "ended";
      isTyping = isEnding = false;
      keep({ ended: true });
    },
  };

  // Names are kept, so that messages keep their sender's name when another agent takes over.
  function meet(/** @type {any} */ somebody) {
    agent = somebody;
    if (!agent || names[agent.id] === agent.name) return;
    names = { ...names, [agent.id]: agent.name };
    keep({ names });
  }

  // Follows the stored session, if there is one.
  function enter() {
    const { sessionId, since: at = 0 } = kept();
    if (sessionId === id || !socket || isStopped) return;
    // A tab that did not know yet of this session has stored what it knew before. Only a later session takes its place.
    if (id && status !== "ended" && at < since) return begin(id, since, read);
    unfollow?.();
    id = sessionId;
    status = agent = place = isTyping = isIdle = isEnding = hasMore = null;
    messages = [];
    theirs = 0;
    read = +kept().read || 0;
    since = /** @type {number} */ (kept().since);
    unfollow = id && follow(socket, id, { onJoined, onMessage, onFailure });
    changed();
  }

  /** @param {string} sessionId @param {number} at @param {number} [seen] */
  function begin(sessionId, at, seen = 0) {
    keep({ sessionId, since: at, read: seen, ended: false });
    enter();
  }

  // Asks for the open session, which may have begun on another device. A guest has one device.
  async function lookUp() {
    if (!userId || (id && status !== "ended" && !kept().ended)) return;
    const { session } = await rest("chat/session/current");
    if (session && session.id !== id) begin(session.id, Date.parse(session.createdAt));
  }

  /** @param {Joined} session */
  function onJoined(session) {
    ({ status, queuePosition: place } = session);
    meet(session.agent);
    if (!messages[0]) hasMore = session.hasMore;
    for (const { userType, seq } of session.readSeq) {
      if (userType === "user") read = Math.max(read, seq);
      else theirs = Math.max(theirs, seq);
    }
    isEnding = false;
    keep({ ended: status === "ended" });
    changed();
  }

  /** @param {Message} message */
  function onMessage(message) {
    const isOwn = message.senderType === "user";
    outbox.settle(isOwn ? message.clientMessageId : "", message.seq);
    messages.push(message);
    isTyping &&= isOwn;
    isIdle = false;
    changed();
    if (!isOwn) emit("message", message);
  }

  /** @param {string} code */
  function onFailure(code) {
    if (/FORBIDDEN|NOT_FOUND|INVALID_SESSION/.test(code)) again();
    else if (!renew(code)) fail({ code });
  }

  // Forgets an ended session, and is ready for a new one.
  function again() {
    keep({ sessionId: null });
    enter();
  }

  function open() {
    if (!isOnline) connect();
    else lookUp().catch(({ code }) => renew(code));
  }

  return {
    open,
    again,
    // Ends the chat. Without a connection, socket.io does it as soon as there is one.
    end() {
      isEnding = true;
      changed();
      socket.emit("end_session", { sessionId: id }, (/** @type {Answer<{}> & Refusal} */ answer) => {
        if (answer.success) return;
        isEnding = false;
        if (!renew(answer.code)) fail(answer);
        changed();
      });
    },
    stop() {
      isStopped = true;
      clearTimeout(timer);
      unfollow?.();
      socket?.disconnect();
    },
    // Takes over the data that another tab has stored. Returns whether that is another person's chat.
    share() {
      if (me && kept().userId !== me) return true;
      enter();
      read = Math.max(read, +kept().read || 0);
      draw();
    },
    // Reports how far the visitor has read, if that is new. Returns the seq.
    see(/** @type {number} */ seq) {
      if (seq > read) {
        read = seq;
        keep({ read });
        socket.emit("mark_read", { sessionId: id, seq });
      }
      return read;
    },
    // Asks whether an agent is present, while that matters.
    async ask() {
      if (status && status !== "waiting") return;
      try {
        ({ isStaffed } = await call("chat/availability"));
        changed();
      } catch ({ code }) {
        renew(code);
      }
    },
    write(/** @type {string} */ text) {
      outbox.add(text);
      open();
    },
    retry(/** @type {Unsent} */ entry) {
      if (status === "ended") again();
      outbox.retry(entry.id);
      open();
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
