import { isPassing, pauseAfter } from "./refusals.js";

/** @import { Joined, Message, Socket } from "./types.js" */

/**
 * Follows a session, as docs/events.md describes it. Returns a function that stops it.
 * @param {Socket} socket
 * @param {string} sessionId
 * @param {object} how
 * @param {number | null} [how.lastSeq] the last message that is known; without it, the last 50 come
 * @param {(state: Joined) => void} how.onJoined gets the session's state, each time before the messages it brings
 * @param {(message: Message) => void} how.onMessage gets each message after lastSeq once, in order
 * @param {(code: string) => void} how.onFailure is told that the session cannot be followed
 */
export const follow = (socket, sessionId, { lastSeq = null, onJoined, onMessage, onFailure }) => {
  /** @type {object | null} The request that waits for its answer. An answer to an older one changes nothing. */
  let waiting = null;

  const ask = () => {
    if (waiting || !socket.connected) return; // We ask on connecting anyway.
    const question = (waiting = {});
    const payload = { sessionId, after: lastSeq, lean: true };
    socket.timeout(15_000).emit("join_session", payload, (/** @type {unknown} */ error, /** @type {any} */ answer) => {
      const { code } = error ? { code: "OFFLINE" } : answer;
      if (waiting !== question || !code) return; // session_joined has brought everything.
      if (isPassing(code)) {
        setTimeout(() => waiting === question && handlers.connect(), pauseAfter(1));
      } else {
        stop();
        onFailure(code);
      }
    });
  };
  /** @type {Record<string, (event?: any) => void>} */
  const handlers = {
    connect() {
      waiting = null;
      ask();
    },
    session_joined(/** @type {Joined} */ state) {
      if (state.sessionId !== sessionId) return;
      lastSeq ??= (state.messages[0]?.seq ?? state.lastSeq + 1) - 1;
      waiting = null;
      onJoined(state);
      state.messages.forEach(handlers.new_message);
      handlers.session_sync(state);
    },
    new_message(/** @type {Message} */ message) {
      if (message.sessionId !== sessionId || lastSeq === null || message.seq <= lastSeq) return;
      if (message.seq > lastSeq + 1) return ask(); // The answer brings this one too.
      lastSeq = message.seq;
      onMessage(message);
    },
    session_sync(/** @type {Pick<Joined, "sessionId" | "lastSeq">} */ state) {
      if (state.sessionId === sessionId && state.lastSeq > /** @type {number} */ (lastSeq)) ask();
    },
  };
  const stop = () => {
    waiting = handlers; // Nothing is requested any more.
    for (const name in handlers) socket.off(name, handlers[name]);
  };
  for (const name in handlers) socket.on(name, handlers[name]);
  ask();
  return stop;
};

/**
 * Connects anew at once if a websocket breaks at the end of the upgrade from polling. Otherwise, socket.io's client would
 * have no transport, and would notice that after 45 s only.
 * @param {Socket} socket
 */
export const surviveUpgrades = (socket) => {
  socket.io.on("open", () => {
    const { engine } = socket.io;
    engine.once("upgrading", () => {
      engine.once("upgradeError", () => {
        if (!socket.active) return;
        socket.io.opts.upgrade = false; // From now on by polling, because the next websocket may break too.
        socket.disconnect().connect();
      });
    });
  });
};
