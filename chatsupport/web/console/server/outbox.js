import { createOutbox } from "../../shared/outbox.js";
import { writeWriting } from "../parts/storage.js";
import { change, state, talkOf } from "../store.js";
import { ask, isConnected } from "./live.js";

// Unsent messages: an outbox for each session. They survive a reload.

/** @type {Map<string, ReturnType<typeof createOutbox>>} */
const outboxes = new Map();

/** @param {string} sessionId */
export function outboxOf(sessionId) {
  const known = outboxes.get(sessionId);
  if (known) return known;
  const outbox = createOutbox({
    read: () => state.outbox.get(sessionId) ?? [],
    write(entries) {
      change((draft) => (entries.length ? draft.outbox.set(sessionId, entries) : draft.outbox.delete(sessionId)));
      keepWriting();
    },
    isReady: isConnected,
    async deliver({ id, text }) {
      const answer = await ask("send_message", { sessionId, message: text, clientMessageId: id });
      const seq = answer?.data?.message.seq;
      const { live, lastSeq } = talkOf(sessionId);
      // It was stored before, and the conversation is already past it.
      if (seq && (!live || (lastSeq !== null && seq <= lastSeq))) setTimeout(() => outbox.settle(id));
      return answer ?? { success: false, code: "OFFLINE" };
    },
    onRefusal() {}, // The message shows that itself.
  });
  outboxes.set(sessionId, outbox);
  return outbox;
}

/** Stores drafts, unsent messages and ends, so that they survive a reload. */
export function keepWriting() {
  if (state.agent) writeWriting(state.agent.id, state);
}

/**
 * The conversation has reached a message. It is ours if it has a clientMessageId.
 * @param {string} sessionId
 * @param {number} seq
 * @param {string} [clientMessageId]
 */
export function arrived(sessionId, seq, clientMessageId) {
  if (state.outbox.has(sessionId)) outboxOf(sessionId).settle(clientMessageId, seq);
}

/** On every connection, sends the waiting messages. */
export function flushAll() {
  for (const sessionId of state.outbox.keys()) outboxOf(sessionId).retry();
}
