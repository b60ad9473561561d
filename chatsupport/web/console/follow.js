// Following a session: the recipe of docs/events.md. Every message once, in order, over any number of broken
// connections. `conversation.lastSeq` is the last one shown.

const FINAL = new Set(["FORBIDDEN", "SESSION_NOT_FOUND", "INVALID_SESSION_ID"]);
const ANSWER_MS = 15_000;
const RETRY_MS = 500;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Calls onJoined(joined), onMessage(message) for each message after lastSeq, and onFailure(envelope) when the session
// cannot be followed any more. Returns {take, stop}: take(message) is for a message that came by another way.
export function follow(socket, sessionId, conversation, { onJoined, onMessage, onFailure }) {
  let asked = 0; // The number of the last question; an answer to an older one changes nothing.
  let waiting = false;

  function ask() {
    if (waiting || !socket.connected) return; // On connecting we ask anyway.
    waiting = true;
    const question = ++asked;
    const payload = conversation.lastSeq === null ? { sessionId } : { sessionId, after: conversation.lastSeq };
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

  function joined(state) {
    if (state.sessionId !== sessionId) return;
    const first = conversation.lastSeq === null;
    if (first) conversation.lastSeq = state.messages.length ? state.messages[0].seq - 1 : state.lastSeq;
    waiting = false;
    onJoined(state, first);
    for (const message of state.messages) take(message);
    if (state.lastSeq > conversation.lastSeq) ask(); // There were more than 200.
  }

  function take(message) {
    if (message.sessionId !== sessionId || conversation.lastSeq === null) return;
    if (message.seq > conversation.lastSeq + 1) return ask(); // A gap: the answer brings this one too.
    if (message.seq !== conversation.lastSeq + 1) return; // Seen before.
    conversation.lastSeq = message.seq;
    onMessage(message);
  }

  function sync(state) {
    if (state.sessionId === sessionId && conversation.lastSeq !== null && state.lastSeq > conversation.lastSeq) ask();
  }

  const handlers = { connect: again, session_joined: joined, new_message: take, session_sync: sync };
  for (const [name, handler] of Object.entries(handlers)) socket.on(name, handler);
  ask();

  function stop() {
    asked += 1;
    for (const [name, handler] of Object.entries(handlers)) socket.off(name, handler);
  }
  return { take, stop };
}
