// The connection, as docs/events.md describes it.

// What passes by itself: OFFLINE, DATABASE_UNAVAILABLE, RATE_LIMITED, INTERNAL_ERROR.
export const PASSING = /^(OFFLINE|DATABASE|RATE|INTERNAL)/;

// Follows a session: onMessage gets each message after lastSeq once, in order; without lastSeq, from the last 50 on.
// onJoined gets the session's state, each time before the messages it brings. Returns a function that stops it.
export function follow(socket, sessionId, { lastSeq = null, onJoined, onMessage, onFailure }) {
  let waiting; // For the answer to this question; one to an older question changes nothing.

  const ask = () => {
    if (waiting || !socket.connected) return; // On connecting we ask anyway.
    const question = (waiting = {});
    const payload = { sessionId, after: lastSeq, lean: true };
    socket.timeout(15_000).emit("join_session", payload, (error, answer) => {
      const { code } = error ? { code: "OFFLINE" } : answer;
      if (waiting !== question || !code) return; // session_joined has brought everything.
      if (!PASSING.test(code)) return (stop(), onFailure(code));
      setTimeout(() => waiting === question && handlers.connect(), 1_000);
    });
  };
  const handlers = {
    connect() {
      waiting = null;
      ask();
    },
    session_joined(state) {
      if (state.sessionId !== sessionId) return;
      lastSeq ??= (state.messages[0]?.seq ?? state.lastSeq + 1) - 1;
      waiting = null;
      onJoined(state);
      state.messages.forEach(handlers.new_message);
      handlers.session_sync(state);
    },
    new_message(message) {
      if (message.sessionId !== sessionId || lastSeq === null || message.seq <= lastSeq) return;
      if (message.seq > lastSeq + 1) return ask(); // The answer brings this one too.
      lastSeq = message.seq;
      onMessage(message);
    },
    session_sync(state) {
      if (state.sessionId === sessionId && state.lastSeq > lastSeq) ask();
    },
  };
  function stop() {
    waiting = true;
    for (const name in handlers) socket.off(name, handlers[name]);
  }
  for (const name in handlers) socket.on(name, handlers[name]);
  ask();
  return stop;
}
