import { createUploads } from "../../shared/uploads.js";
import { change, state } from "../store.js";
import { say, texts } from "../texts.js";
import { at, get, tokenNow } from "./api.js";
import { isConnected } from "./live.js";

/** @import { Message } from "../../shared/types.js" */

// The files of each chat that are not sent yet, and the addresses of those that are.

/** @type {Map<string, ReturnType<typeof createUploads>>} */
const known = new Map();

/** @param {string} sessionId */
export function uploadsOf(sessionId) {
  const uploads =
    known.get(sessionId) ??
    createUploads({
      read: () => state.uploads.get(sessionId) ?? [],
      write: (entries) =>
        change((draft) => (entries.length ? draft.uploads.set(sessionId, entries) : draft.uploads.delete(sessionId))),
      isReady: isConnected,
      prepare: async () => ({ url: at(`/api/chat/files/${sessionId}`).href, token: tokenNow() }),
      explain: ({ code, message }) => message ?? (code === "FILE_TOO_LARGE" ? say(texts.files.tooLarge) : undefined),
    });
  known.set(sessionId, uploads);
  return uploads;
}

/** On every connection, sends the waiting files. */
export function flushUploads() {
  for (const sessionId of state.uploads.keys()) uploadsOf(sessionId).flush();
}

/** Returns the address of a file as this page reaches it. @param {string} url */
export const addressOf = (url) => at(url.slice(url.indexOf("/api/files/"))).href;

/** Returns a new address of a message's file: the one in the message runs out. @param {Message} message */
export async function freshAddress({ sessionId, seq }) {
  const { messages } = await get(`/api/chat/messages/${sessionId}?after=${seq - 1}&limit=1`);
  return addressOf(messages[0].attachment.url);
}
