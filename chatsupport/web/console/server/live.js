import { follow, surviveUpgrades } from "../../shared/connection.js";
import { isOutworn, isPassing, pauseAfter } from "../../shared/refusals.js";
import { assign, patchTalk, state, talkOf } from "../store.js";
import { at } from "./api.js";

/** @import { Joined, Message, Refusal, Socket } from "../../shared/types.js" */

// The socket: one connection, its state, and the sessions that are followed over it.

/** @type {(options: object) => Socket} */
let io;
/** @type {Socket | null} */
let socket = null;
/** @type {Map<string, () => void>} */
let followed = new Map();

/** Loads socket.io's own client from the address in the page. Rejects if it cannot be loaded. */
export async function loadClient() {
  const name = /** @type {HTMLMetaElement} */ (document.querySelector('meta[name="socketio"]'));
  ({ io } = await import(new URL(name.content, document.baseURI).href));
}

/**
 * Connects.
 * @param {string} token
 * @param {object} how
 * @param {Record<string, (event: any) => void>} how.handlers the server's events, by name
 * @param {() => void} how.onConnect is called on each new connection
 * @param {(refusal: Refusal) => void} how.onSignedOut gets the envelope where the token is no good any more
 */
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
  /** @type {Refusal | null} The server's reason for closing the connection. */
  let reason = null;
  let tried = 0;

  ours.on("connect", () => {
    reason = null;
    tried = 0;
    assign({ link: "online", linkMessage: null });
    onConnect();
  });
  ours.on("error", (envelope) => {
    reason = envelope;
  });
  ours.on("disconnect", (why) => {
    if (ours !== socket) return;
    for (const sessionId of followed.keys()) patchTalk(sessionId, { typing: new Set() });
    if (reason && isOutworn(reason.code)) return onSignedOut(reason);
    if (why === "io server disconnect") assign({ link: "closed", linkMessage: reason?.message ?? null });
    else assign({ link: "offline" });
  });
  ours.on("connect_error", (error) => {
    if (ours !== socket) return;
    const { code, message } = error.data ?? {};
    if (isOutworn(code)) return onSignedOut(error.data);
    if (ours.active || isPassing(code)) assign({ link: "offline" });
    else assign({ link: "closed", linkMessage: message });
    // socket.io's client does not try again by itself if the server has refused it.
    if (ours.active || !isPassing(code)) return;
    tried += 1;
    setTimeout(() => ours === socket && ours.connect(), pauseAfter(tried));
  });
  surviveUpgrades(ours);
  for (const [name, handler] of Object.entries(handlers)) ours.on(name, handler);
}

export function disconnect() {
  const old = socket;
  socket = null;
  for (const stop of followed.values()) stop();
  followed = new Map();
  old?.disconnect();
}

/** Tries now: the browser is back on the network, or the agent has pressed the button. */
export function reconnect() {
  if (!socket || socket.connected) return;
  socket.disconnect().connect();
}

export const isConnected = () => Boolean(socket?.connected);

/** @param {string} event @param {object} payload */
export function emit(event, payload) {
  socket?.emit(event, payload, () => {}); // The answer is not used, but without a callback a failure would come as `error`.
}

/**
 * Resolves with the envelope of the acknowledgement, or null if none came in time.
 * @param {string} event
 * @param {object} payload
 */
export async function ask(event, payload, ms = 15_000) {
  if (!socket?.connected) return null;
  try {
    return await socket.timeout(ms).emitWithAck(event, payload);
  } catch {
    return null;
  }
}

/**
 * @param {string} sessionId
 * @param {object} callbacks
 * @param {(state: Joined) => void} callbacks.onJoined
 * @param {(message: Message) => void} callbacks.onMessage
 * @param {(code: string) => void} callbacks.onFailure
 */
export function startFollowing(sessionId, callbacks) {
  if (followed.has(sessionId) || !socket) return;
  const { lastSeq } = talkOf(sessionId);
  patchTalk(sessionId, { live: true });
  followed.set(sessionId, follow(socket, sessionId, { lastSeq, ...callbacks }));
}

/** Stops following. With `leave`, the others are told that we left. @param {string} sessionId */
export function stopFollowing(sessionId, leave = false) {
  followed.get(sessionId)?.();
  followed.delete(sessionId);
  const silent = { live: false, watching: false, typing: new Set() };
  if (state.conversations.has(sessionId)) patchTalk(sessionId, silent);
  if (leave) emit("leave_session", { sessionId });
}

/** @param {string} sessionId */
export const isFollowed = (sessionId) => followed.has(sessionId);
