// Messages on their way. Each has a clientMessageId from the moment Enter is pressed, and keeps it over every retry,
// reconnect and reload, so that none is stored twice. Those of one session go one after the other: order holds.

import { ask, isConnected } from "./live.js";
import { PASSING } from "../shared/connection.js";
import { change, conversation, state } from "./store.js";
import { writeWriting } from "./storage.js";

const LONGEST_PAUSE_MS = 10_000;
const sending = new Set();

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const items = (sessionId) => state.outbox.get(sessionId) ?? [];

function put(sessionId, list) {
  change(() => (list.length ? state.outbox.set(sessionId, list) : state.outbox.delete(sessionId)));
  keepWriting();
}

// Drafts and messages on their way survive a reload.
export function keepWriting() {
  if (state.agent) writeWriting(state.agent.id, state.drafts, state.outbox);
}

function alter(sessionId, clientMessageId, patch) {
  put(
    sessionId,
    items(sessionId).map((item) => (item.clientMessageId === clientMessageId ? { ...item, ...patch } : item)),
  );
}

export function send(sessionId, text) {
  // Not randomUUID(): a page that came over plain http from another machine has none.
  const clientMessageId = crypto.getRandomValues(new Uint32Array(4)).join("-");
  const item = { clientMessageId, text, at: new Date().toISOString(), state: "pending" };
  put(sessionId, [...items(sessionId), item]);
  flush(sessionId);
}

export function retry(sessionId, clientMessageId) {
  alter(sessionId, clientMessageId, { state: "pending", reason: null });
  flush(sessionId);
}

export function discard(sessionId, clientMessageId) {
  put(
    sessionId,
    items(sessionId).filter((item) => item.clientMessageId !== clientMessageId),
  );
}

// The conversation has come to `seq`: what of ours is in it, or lies before what is shown of it, is on its way no more.
export function arrived(sessionId, seq, clientMessageId = null) {
  const left = items(sessionId).filter((item) => item.clientMessageId !== clientMessageId && !(item.seq <= seq));
  if (left.length < items(sessionId).length) put(sessionId, left);
}

// On every connection: what waits is sent.
export function flushAll() {
  for (const sessionId of state.outbox.keys()) flush(sessionId);
}

async function flush(sessionId) {
  if (sending.has(sessionId)) return;
  sending.add(sessionId);
  try {
    for (;;) {
      const item = items(sessionId).find((one) => one.state === "pending");
      if (!item || !isConnected()) return;
      await deliver(sessionId, item);
    }
  } finally {
    sending.delete(sessionId);
  }
}

// Only a refusal ends it: silence says nothing, and what passes by itself is waited for.
async function deliver(sessionId, { clientMessageId, text }) {
  for (let tried = 1; isConnected(); tried += 1) {
    const envelope = await ask("send_message", { sessionId, message: text, clientMessageId });
    if (envelope?.success) {
      const { seq } = envelope.data.message;
      // Taken off the list when the conversation has it, so that nothing flickers; now where it will not come any more.
      const { live, lastSeq } = conversation(sessionId);
      if (!live || (lastSeq !== null && seq <= lastSeq)) return discard(sessionId, clientMessageId);
      return alter(sessionId, clientMessageId, { state: "sent", seq });
    }
    if (!isConnected()) return; // It stays pending until there is a connection.
    if (envelope && !PASSING.test(envelope.code))
      return alter(sessionId, clientMessageId, { state: "failed", reason: envelope.message });
    await pause(Math.min(LONGEST_PAUSE_MS, 400 * 2 ** tried));
  }
}
