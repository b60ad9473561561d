import { follow, surviveUpgrades } from "../shared/connection.js";
import { createOutbox } from "../shared/outbox.js";
import { isOutworn, isPassing, pauseAfter } from "../shared/refusals.js";
import { context, page } from "./context.js";
import { emit, options } from "./page.js";
import { use } from "./use.js";
import { visitor, warn } from "./visitor.js";

/** @import { Answer, Joined, Message, Refusal, Socket, Unsent } from "../shared/types.js" */
/** @import { Kept, Person, State } from "./types.js" */

/**
 * Makes one person's chat, without its view.
 * @param {Person} person what is kept of them
 * @param {(state: State) => void} render is called on each change
 */
export const createChat = (person, render) => {
  let isStopped = false;
  // Events after stop() change nothing, because there may be another visitor by then.
  const own = {
    ...person,
    keep: (/** @type {Partial<Kept>} */ changes) => isStopped || person.keep(changes),
    keepSecret: (/** @type {Partial<Kept>} */ changes) => isStopped || person.keepSecret(changes),
  };
  const { kept, keep } = own;
  const { io, server, userId } = options; // As they are now: the page may name somebody else later.
  const { call, rest, getToken } = visitor({ ...options }, own);

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
  /** @type {State["joins"]} */
  let joins = [];
  let typedAt = 0;
  // The connection, and the server's availability.
  /** @type {(origin: string, options: object) => Socket} */
  let client;
  /** @type {Socket} */
  let socket;
  /** @type {any} */
  let unfollow;
  /** @type {boolean} */
  let isConnecting;
  /** @type {boolean} */
  let isLinked;
  /** @type {State["problem"]} */
  let problem;
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  /** @type {State["desk"]} */
  let desk;
  /** @type {State["wrong"]} */
  let wrong;
  let toldPage = "";
  /** @type {boolean} */
  let isDue;
  let tried = 0;
  let { department: departmentId } = options;
  /** @type {Promise<void> | null} */
  let beginning = null;
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
    isReady: () => isLinked && !isStopped,
    async deliver(entry) {
      const sessionId = await begun();
      const replyTo = entry.of === id ? entry.replyTo : null; // That session may have ended meanwhile.
      const payload = { sessionId, message: entry.text, clientMessageId: entry.id, replyTo };
      const answer = await socket.timeout(12_000).emitWithAck("send_message", payload);
      if (answer.success) problem = null;
      return answer;
    },
    onRefusal: (refusal) => onRefusal(refusal),
  });

  /** What is sent was refused. @param {Refusal} refusal */
  const onRefusal = (refusal) => {
    renew(refusal.code);
    if (refusal.code === "BLOCKED") fail(refusal);
    else if (!id && !isPassing(refusal.code)) problem = refusal.code;
    wrong = problem === "INVALID_CONTEXT" ? refusal.details : null;
    changed();
  };

  // Resolves with the id of the session, which begins with what the visitor sends first.
  const begun = async () => {
    if (!id) await (beginning ??= beginOne().finally(() => (beginning = null)));
    return id;
  };

  const beginOne = async () => {
    await getToken();
    toldPage = location.href;
    // What the server thinks of the page is no reason not to chat.
    const { sessionId } = await start(context()).catch((refusal) => {
      if (refusal.code === "INVALID_CONTEXT") return start();
      throw refusal;
    });
    problem = null;
    begin(sessionId, Date.now());
  };

  /** Starts a session. @param {object} [told] what the server may know of the page */
  const start = (told) =>
    forDepartment((about) =>
      rest("chat/start-session", { userId: kept().userId, ...about, ...told, ...kept().answers }),
    );

  // Asks for the department that the page names. If the server does not know it, everybody may get the chat.
  /** @param {(about: any) => Promise<any>} ask */
  const forDepartment = (ask, asked = departmentId) =>
    ask(asked && { departmentId: asked }).catch((refusal) => {
      if (!asked || !/DEPARTMENT/.test(refusal.code)) throw refusal;
      departmentId = "";
      return ask("");
    });

  // Tells staff which page the visitor is looking at.
  const tellPage = () => {
    if (status === "ended" || toldPage === location.href) return;
    toldPage = location.href;
    socket.emit("update_session", { sessionId: id, page: page() });
  };

  // Shows changes, once for all that came together.
  const changed = () => {
    if (!isDue) queueMicrotask(draw);
    isDue = true;
  };

  const draw = () => {
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
      joins,
      isLinked,
      problem,
      desk,
      wrong,
    });
  };

  // Drops a token that is no longer valid. Returns whether another attempt makes sense.
  /** @param {string} code */
  const renew = (code) => {
    const isWorn = isOutworn(code);
    if (isWorn) own.keepSecret({ token: null, worn: own.secret().token });
    return isWorn || isPassing(code);
  };

  // Refused for good: waiting messages have failed, and the visitor and the page are told.
  /** @param {Refusal} refusal */
  const fail = (refusal) => {
    warn(refusal);
    problem = refusal.code;
    outbox.fail(refusal);
  };

  // Connects. socket.io reconnects by itself, unless the server has refused or closed the connection.
  const connect = async () => {
    if (isConnecting || isStopped) return;
    isConnecting = true;
    clearTimeout(timer);
    try {
      // A browser may remember that an import has failed, so each attempt has its own address.
      client ??= (await import(io + (tried ? `?${tried}` : ""))).io;
      const token = await getToken();
      if (kept().from) await (await use("identify")).identify(own, rest);
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
  };

  const retry = (/** @type {Partial<Refusal>} */ { code = "OFFLINE", message }) => {
    if (isStopped) return;
    if (!renew(code)) return fail({ code, message });
    if (code === "OFFLINE") look();
    changed();
    clearTimeout(timer);
    tried += 1;
    timer = setTimeout(connect, pauseAfter(tried));
  };

  // There is no answer. Looks whether the reason is that this page may not call the server.
  const look = async () => {
    const known = problem;
    const isRefused = await (await use("notices")).isRefused(server);
    if (!isLinked && problem === known) problem = isRefused ? "ORIGIN" : null;
    changed();
  };

  const listen = () => {
    const { origin, pathname: path } = new URL(`${server}/socket.io`);
    const made = client(origin, { path, autoConnect: false, reconnectionDelayMax: 10_000, randomizationFactor: 0.8 });
    surviveUpgrades(made);
    for (const name in handlers) {
      made.on(name, (/** @type {any} */ data) => {
        if (isStopped || (data?.sessionId ?? id) !== id) return;
        handlers[name](data);
        changed();
      });
    }
    return made;
  };

  /** @type {Record<string, (event?: any) => void>} */
  const handlers = {
    connect() {
      isLinked = true;
      tried = 0;
      problem = null;
      outbox.retry();
    },
    connect_error({ data }) {
      if (!socket.active) return retry(data ?? {});
      look();
    },
    disconnect(cause) {
      isLinked = isTyping = false;
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
      if (session.id === id) meet(session.agent);
    },
    message_updated(message) {
      // The list stays the same one (parts/earlier.js).
      messages.forEach(({ id }, i) => {
        if (id === message.id) messages[i] = message;
      });
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
  const meet = (/** @type {any} */ somebody) => {
    agent = somebody;
    if (!agent) return;
    const { id, name } = agent;
    names = { ...names, [id]: name };
    if (joins.at(-1)?.id !== id) joins = [...joins, { id, seq: messages.at(-1)?.seq ?? read }];
    keep({ names, joins });
  };

  // Follows the stored session, if there is one.
  const enter = () => {
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
    joins = Array.from(kept().joins ?? []).filter(Boolean);
    since = /** @type {number} */ (kept().since);
    unfollow = id && follow(socket, id, { onJoined, onMessage, onFailure });
    changed();
  };

  /** @param {string} sessionId @param {number} at @param {number} [seen] */
  const begin = (sessionId, at, seen = 0) => {
    if (sessionId !== id) leave();
    keep({ sessionId, since: at, read: seen, ended: false });
    enter();
  };

  // Asks for the open session, which may have begun on another device. A guest has one device.
  const lookUp = async () => {
    if (!userId || (id && status !== "ended" && !kept().ended)) return;
    const { session } = await rest("chat/session/current");
    if (session && session.id !== id) begin(session.id, Date.parse(session.createdAt));
  };

  /** @param {Joined} session */
  const onJoined = (session) => {
    ({ status, queuePosition: place } = session);
    if (!messages[0]) hasMore = session.hasMore;
    for (const { userType, seq } of session.readSeq) {
      if (userType === "user") read = Math.max(read, seq);
      else theirs = Math.max(theirs, seq);
    }
    meet(session.agent);
    isEnding = false;
    keep({ ended: status === "ended" });
    tellPage();
    changed();
  };

  /** @param {Message} message */
  const onMessage = (message) => {
    const isOwn = message.senderType === "user";
    outbox.settle(isOwn ? message.clientMessageId : "", message.seq);
    messages.push(message);
    isTyping &&= isOwn;
    isIdle = false;
    changed();
    if (!isOwn) emit("message", message);
  };

  /** @param {string} code */
  const onFailure = (code) => {
    if (/FORBIDDEN|NOT_FOUND|INVALID_SESSION/.test(code)) again();
    else if (!renew(code)) fail({ code });
  };

  // Adds the session to the past ones, which only this browser knows.
  const leave = () => {
    const past = Array.from(kept().past ?? []);
    if (id) past.push({ id, at: since, name: agent?.name });
    keep({ joins: null, past: past.slice(-20) });
  };

  // Forgets an ended session, and is ready for a new one.
  const again = () => {
    leave();
    keep({ sessionId: null });
    enter();
  };

  const open = () => {
    if (!isLinked) connect();
    else lookUp().catch(({ code }) => renew(code));
  };

  return {
    /** A part that has something to end. @type {(() => void) | undefined} */
    onStop: undefined,
    open,
    again,
    rest,
    getToken,
    begun,
    onRefusal,
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
      this.onStop?.();
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
    // Asks whether an agent is present, while that matters. Only known visitors learn how long they may have to wait.
    async ask() {
      if (isLinked && id) tellPage();
      if (status && status !== "waiting") return;
      try {
        const token = id && (await getToken());
        desk = await forDepartment((about) =>
          call(`chat/availability?${new URLSearchParams(about)}`, undefined, token),
        );
        changed();
      } catch ({ code }) {
        renew(code);
      }
    },
    /** @param {string} text @param {Partial<Unsent>} [also] what else is kept of it */
    write(text, also) {
      outbox.add(text, also);
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
    // Adds earlier messages.
    addEarlier(/** @type {Message[]} */ earlier, /** @type {boolean} */ isMore) {
      messages.unshift(...earlier);
      hasMore = isMore;
      changed();
    },
  };
};
