// The socket: one connection, the state of the link, and the sessions that are followed over it.

import { follow } from "../shared/connection.js";
import { at, meansSignedOut } from "./api.js";
import { change, conversation, state } from "./store.js";

// Refused for a moment only; socket.io-client does not try again by itself where the server has refused.
const PASSING = new Set(["DATABASE_UNAVAILABLE", "RATE_LIMITED", "INTERNAL_ERROR"]);
const REFUSED_AGAIN_MS = 2_000;

let io = null;
let socket = null;
let followed = new Map();

// Load socket.io's own client; the page says where it is. Rejects where it cannot be had.
export async function loadClient() {
  const { content } = document.querySelector('meta[name="socketio"]');
  ({ io } = await import(new URL(content, document.baseURI)));
}

// Connect. `handlers` are the events of the server, by name; `onConnect` is called on each new connection, `onSignedOut`
// with the envelope where the token is no good any more.
export function connect(token, { handlers, onConnect, onSignedOut }) {
  disconnect();
  const ours = io({
    path: at("/socket.io").pathname,
    auth: { token },
    reconnectionDelay: 1_000,
    reconnectionDelayMax: 10_000,
    randomizationFactor: 0.8,
  });
  socket = ours;
  let reason = null; // what the server said before it closed the connection
  const link = (name, message = null) => change(() => Object.assign(state, { link: name, linkMessage: message }));

  ours.on("connect", () => {
    reason = null;
    link("online");
    onConnect();
  });
  ours.on("error", (envelope) => (reason = envelope));
  ours.on("disconnect", (why) => {
    if (ours !== socket) return;
    for (const sessionId of followed.keys()) conversation(sessionId).typing.clear();
    if (reason && meansSignedOut(reason.code)) return onSignedOut(reason);
    if (why === "io server disconnect") link("closed", reason?.message);
    else link("offline");
  });
  ours.on("connect_error", (error) => {
    if (ours !== socket) return;
    const code = error.data?.code;
    if (meansSignedOut(code)) return onSignedOut(error.data);
    if (ours.active || PASSING.has(code)) link("offline");
    else link("closed", error.data?.message);
    if (!ours.active && PASSING.has(code))
      setTimeout(() => ours === socket && ours.connect(), REFUSED_AGAIN_MS * (0.5 + Math.random()));
  });
  for (const [name, handler] of Object.entries(handlers)) ours.on(name, handler);
}

export function disconnect() {
  const old = socket;
  socket = null;
  for (const stop of followed.values()) stop();
  followed = new Map();
  old?.disconnect();
}

// Try now: the browser is back on the network, or the agent has pressed the button.
export function reconnect() {
  if (!socket || socket.connected) return;
  socket.disconnect().connect();
}

export const isConnected = () => Boolean(socket?.connected);

export function emit(event, payload) {
  socket?.emit(event, payload, () => {}); // The answer is of no use, but without one a failure comes as `error`.
}

// Resolve with the envelope of the acknowledgement, or null where none came in time.
export async function ask(event, payload, ms = 15_000) {
  if (!socket?.connected) return null;
  try {
    return await socket.timeout(ms).emitWithAck(event, payload);
  } catch {
    return null;
  }
}

export function startFollowing(sessionId, callbacks) {
  if (followed.has(sessionId) || !socket) return;
  const talk = conversation(sessionId);
  talk.live = true;
  followed.set(sessionId, follow(socket, sessionId, { lastSeq: talk.lastSeq, ...callbacks }));
}

// Stop; with `leave` the others are told that we left.
export function stopFollowing(sessionId, leave = false) {
  followed.get(sessionId)?.();
  followed.delete(sessionId);
  const talk = state.conversations.get(sessionId);
  if (talk) Object.assign(talk, { live: false, watching: false });
  talk?.typing.clear();
  if (leave) emit("leave_session", { sessionId });
}

export const isFollowed = (sessionId) => followed.has(sessionId);
