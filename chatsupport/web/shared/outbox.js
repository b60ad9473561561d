import { isPassing, pauseAfter, triesFor } from "./refusals.js";

/** @import { Answer, Message, Refusal, Unsent } from "./types.js" */

/**
 * Makes the outbox of one conversation. Its messages go one after the other, so that their order holds. Each keeps its id,
 * its clientMessageId, over every retry, reconnect and reload, so that none is stored twice. Only a refusal makes a message
 * fail, and silence does not.
 * @param {object} conversation
 * @param {() => readonly Unsent[]} conversation.read returns what is on its way
 * @param {(entries: readonly Unsent[]) => void} conversation.write keeps and shows what is on its way from now on
 * @param {() => boolean} conversation.isReady
 * @param {(entry: Unsent) => Promise<Answer<{ message: Message }>>} conversation.deliver sends it once
 * @param {(refusal: Refusal) => void} conversation.onRefusal is told of each, also of one that passes
 */
export const createOutbox = ({ read, write, isReady, deliver, onRefusal }) => {
  let isSending = false;

  /** @param {(entry: Unsent) => unknown} which @param {Partial<Unsent>} changes */
  const alter = (which, changes) => {
    write(read().map((entry) => (which(entry) ? { ...entry, ...changes } : entry)));
  };
  /** @param {Unsent} entry */
  const isPending = (entry) => !entry.failed && !entry.seq;

  const flush = async () => {
    if (isSending) return;
    isSending = true;
    for (let tried = 1, entry; isReady() && (entry = read().find(isPending)); tried += 1) {
      const { id } = entry;
      const { data, code = "OFFLINE", message, details } = await deliver(entry).catch((refusal) => refusal);
      if (!data) {
        onRefusal({ code, message, details });
        if (tried < triesFor(code)) {
          await new Promise((resolve) => setTimeout(resolve, pauseAfter(tried)));
          continue;
        }
      }
      tried = 0;
      // A stored message leaves the outbox when it comes back as a message, so that nothing flickers.
      alter((one) => one.id === id, data ? { seq: data.message.seq } : { failed: code, reason: message });
    }
    isSending = false;
  };

  return {
    /** @param {string} text @param {Partial<Unsent>} [also] what else is kept of the message */
    add(text, also) {
      // Not randomUUID(): a page that came over plain http from another machine does not have it.
      const id = crypto.getRandomValues(new Uint32Array(4)).join("-");
      write([...read(), { id, text, at: new Date().toISOString(), ...also }]);
      return flush();
    },
    /**
     * Tries failed messages again: one, or all that were not refused for good, as on each new connection.
     * @param {string} [id]
     */
    retry(id) {
      alter((entry) => (id ? entry.id === id : isPassing(entry.failed)), { failed: undefined });
      return flush();
    },
    /** Marks waiting messages as failed. @param {Refusal} refusal */
    fail({ code, message }) {
      alter(isPending, { failed: code, reason: message });
    },
    /**
     * Removes delivered messages: one, and all that were stored before the last shown one.
     * @param {string | undefined} id
     * @param {number} [last] its seq
     */
    settle(id, last = 0) {
      const left = read().filter((entry) => entry.id !== id && !(entry.seq && entry.seq <= last));
      if (left.length < read().length) write(left);
    },
  };
};
