// The connection, as docs/events.md describes it.

export const EXPIRED = ["TOKEN_EXPIRED", "INVALID_TOKEN", "AUTH_REQUIRED"];
export const PASSING = ["OFFLINE", "DATABASE_UNAVAILABLE", "RATE_LIMITED", "INTERNAL_ERROR"];
const ANSWER_MS = 15_000;

// Loads socket.io's client. A script element checks the hash, and import() then gets that same module.
export async function loadClient(url, integrity) {
  if (integrity) {
    await new Promise((onload, onerror) => {
      const from = { type: "module", src: url, integrity, crossOrigin: "anonymous", onload, onerror };
      document.head.append(Object.assign(document.createElement("script"), from));
    });
  }
  return (await import(url)).io;
}

// Keeps a socket connected, also where it was refused for a moment, or needs token(true), a new token. Calls
// onRefused(code) once that is in vain. Returns the socket, and close() to end it.
export function connect(io, server, token, onRefused) {
  const socket = io(server, { autoConnect: false, reconnectionDelayMax: 10_000, randomizationFactor: 0.8 });
  let tries = 0;
  let closed = false;
  async function attempt(renew) {
    try {
      socket.auth = { token: await token(renew) };
      if (!closed) socket.connect();
    } catch (error) {
      again(error.code);
    }
  }
  function again(code) {
    if (closed) return;
    if (code && ![...PASSING, ...EXPIRED].includes(code)) return onRefused(code);
    setTimeout(attempt, Math.min(2 ** tries++, 30) * (500 + 1000 * Math.random()), EXPIRED.includes(code));
  }
  socket.on("connect", () => (tries = 0));
  socket.on("connect_error", (error) => socket.active || again(error.data?.code));
  socket.on("disconnect", (reason) => reason === "io server disconnect" && again());
  attempt();
  return { socket, close: () => (closed = true) && socket.disconnect() };
}

// Follows a session: onMessage gets each message after lastSeq once, in order; without lastSeq, from the last 50 on.
// onJoined gets the session's state, each time before the messages it brings. Returns a function that stops it.
export function follow(socket, sessionId, { lastSeq = null, onJoined, onMessage, onFailure }) {
  let asked = 0; // An answer to an older question changes nothing.
  let waiting = false;

  function ask() {
    if (waiting || !socket.connected) return; // On connecting we ask anyway.
    waiting = true;
    const question = ++asked;
    const payload = lastSeq === null ? { sessionId } : { sessionId, after: lastSeq };
    socket.timeout(ANSWER_MS).emit("join_session", payload, (error, answer) => {
      if (question !== asked || (!error && answer.success)) return; // session_joined has brought everything.
      if (!error && !PASSING.includes(answer.code)) return (stop(), onFailure(answer.code));
      setTimeout(() => question === asked && again(), 1_000);
    });
  }
  function again() {
    waiting = false;
    ask();
  }
  function joined(state) {
    if (state.sessionId !== sessionId) return;
    if (lastSeq === null) lastSeq = state.messages.length ? state.messages[0].seq - 1 : state.lastSeq;
    waiting = false;
    onJoined(state);
    state.messages.forEach(take);
    if (state.lastSeq > lastSeq) ask();
  }
  function take(message) {
    if (message.sessionId !== sessionId || lastSeq === null || message.seq <= lastSeq) return;
    if (message.seq > lastSeq + 1) return ask(); // The answer brings this one too.
    lastSeq = message.seq;
    onMessage(message);
  }
  function sync(state) {
    if (state.sessionId === sessionId && state.lastSeq > lastSeq) ask();
  }
  const handlers = { connect: again, session_joined: joined, new_message: take, session_sync: sync };
  for (const name in handlers) socket.on(name, handlers[name]);
  ask();
  function stop() {
    asked += 1;
    for (const name in handlers) socket.off(name, handlers[name]);
  }
  return stop;
}
