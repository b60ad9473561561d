// The client recipe of docs/events.md: every message once, in order, over any number of broken connections.
// It needs nothing but a socket of socket.io-client, and runs in a browser as it runs here.

// What no repeating will change. Everything else (503, 429, a time-out, a broken connection) is tried again.
const FINAL = new Set(["FORBIDDEN", "SESSION_NOT_FOUND", "SESSION_ENDED", "INVALID_MESSAGE", "MESSAGE_TOO_LONG"]);
const ANSWER_MS = 15_000;
const RETRY_MS = 500;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// socket.io-client connects again by itself, but not if the server has refused the connection. If that is for a
// moment only (its database is away, there were too many connections), this does it. It also helps if a websocket breaks
// at the end of the upgrade from polling: the client would have no transport, and would notice that after 45 s only.
export function keepConnecting(socket, retryMs = 2_000) {
  socket.on("connect_error", async (error) => {
    if (socket.active || !["DATABASE_UNAVAILABLE", "RATE_LIMITED", "INTERNAL_ERROR"].includes(error.data?.code)) return;
    await pause(retryMs * (0.5 + Math.random()));
    socket.connect();
  });
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
}

// Calls onMessage(message) for each message after lastSeq, 0 for all there are; without a lastSeq it begins with the
// last 50. Calls onFailure(envelope) when the session cannot be followed. Returns a function that stops it all.
export function followSession(socket, sessionId, { lastSeq = null, onMessage, onFailure = () => {} }) {
  let asked = 0; // The number of the last question; an answer to an older one changes nothing.
  let waiting = false;

  function ask() {
    if (waiting || !socket.connected) return; // On connecting we ask anyway.
    waiting = true;
    const question = ++asked;
    const payload = { sessionId, after: lastSeq, lean: true };
    socket.timeout(ANSWER_MS).emit("join_session", payload, async (error, envelope) => {
      if (question !== asked) return;
      if (error === null && envelope.success) return; // session_joined has brought everything.
      if (error === null && FINAL.has(envelope.code)) return stop(), onFailure(envelope);
      await pause(RETRY_MS);
      if (question === asked) again();
    });
  }

  function again() {
    waiting = false;
    ask();
  }

  function onJoined(joined) {
    if (joined.sessionId !== sessionId) return;
    if (lastSeq === null) lastSeq = joined.messages.length ? joined.messages[0].seq - 1 : joined.lastSeq;
    waiting = false;
    for (const message of joined.messages) take(message);
    if (joined.lastSeq > lastSeq) ask(); // There were more than 200.
  }

  function take(message) {
    if (message.sessionId !== sessionId || lastSeq === null) return;
    if (message.seq > lastSeq + 1) return ask(); // A gap: the answer brings this one too.
    if (message.seq !== lastSeq + 1) return; // Seen before.
    lastSeq = message.seq;
    onMessage(message);
  }

  function onSync(sync) {
    if (sync.sessionId === sessionId && sync.lastSeq > lastSeq) ask();
  }

  const handlers = { connect: again, session_joined: onJoined, new_message: take, session_sync: onSync };
  for (const [name, handler] of Object.entries(handlers)) socket.on(name, handler);
  ask();

  function stop() {
    asked += 1;
    for (const [name, handler] of Object.entries(handlers)) socket.off(name, handler);
  }
  return stop;
}

// Not crypto.randomUUID(), which browsers have on https and localhost only.
const newId = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

// Sends a message, as often as it takes, and resolves with the message as it was stored: once, because every attempt
// carries the same clientMessageId. Rejects with the envelope of a failure that no repeating will change.
export async function sendMessage(socket, sessionId, text, clientMessageId = newId()) {
  for (;;) {
    try {
      const payload = { sessionId, message: text, clientMessageId };
      const envelope = await socket.timeout(ANSWER_MS).emitWithAck("send_message", payload);
      if (envelope.success) return envelope.data.message;
      if (FINAL.has(envelope.code)) return Promise.reject(envelope);
    } catch {
      // No answer: the message may be stored or not. Sending it again is safe.
    }
    await pause(RETRY_MS);
  }
}
