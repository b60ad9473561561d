import { assign, patchTalk, putSession, state, talkOf, toast } from "../store.js";
import { texts } from "../texts.js";
import { ApiError, because, call, get, withQuery } from "./api.js";

/** @import { Note, Reply } from "../types.js" */

// Notes and tags, which only staff see, and canned replies.

const OLD_MS = 60_000;
const PAGE = 100;

/** Whether the server does not have this feature. @param {unknown} error */
const isMissing = (error) => error instanceof ApiError && error.code === "NOT_FOUND";

let isLoading = false;
let loadedAt = 0;

/** Loads the canned replies, unless that was done a moment ago. */
export async function loadReplies() {
  if (isLoading || (state.replies && performance.now() - loadedAt < OLD_MS)) return;
  isLoading = true;
  /** @type {Reply[]} */
  const replies = [];
  try {
    for (let cursor; ; ) {
      const page = await get(withQuery("/api/replies", { limit: PAGE, cursor }));
      replies.push(...page.replies);
      if (!page.hasMore) break;
      cursor = page.nextCursor;
    }
  } catch (error) {
    if (!isMissing(error)) toast(because(texts.replies.failed, error), { kind: "error" });
  }
  isLoading = false;
  loadedAt = performance.now();
  assign({ replies });
}

/** Loads a chat's last notes, once. @param {string} sessionId */
export async function loadNotes(sessionId) {
  if (talkOf(sessionId).noted) return;
  patchTalk(sessionId, { noted: true });
  try {
    const { notes } = await get(withQuery(`/api/chat/notes/${sessionId}`, { limit: PAGE }));
    for (const note of notes) putNote(note);
  } catch (error) {
    if (isMissing(error)) return assign({ hasNotes: false });
    const act = () => patchTalk(sessionId, { noted: false });
    toast(because(texts.notes.notLoaded, error), { kind: "error", label: texts.tryAgain, act });
  }
}

/** @param {Note} note */
export function putNote(note) {
  const others = talkOf(note.sessionId).notes.filter(({ id }) => id !== note.id);
  const notes = [...others, note].sort((one, other) => (one.createdAt < other.createdAt ? -1 : 1));
  patchTalk(note.sessionId, { notes });
}

/**
 * Adds a note. Resolves with whether that worked; it is not tried again, because the note could then be there twice.
 * @param {string} sessionId
 * @param {string} text
 */
export async function addNote(sessionId, text) {
  try {
    putNote(await call("POST", `/api/chat/notes/${sessionId}`, { text }, 1));
    return true;
  } catch (error) {
    toast(because(texts.notes.failed, error), { kind: "error" });
    return false;
  }
}

/** Loads the tags that fields propose. */
export async function loadTags() {
  try {
    const { tags } = await get("/api/tags");
    assign({ tags: tags.map((/** @type {{ tag: string }} */ { tag }) => tag) });
  } catch (error) {
    if (!isMissing(error)) toast(because(texts.tags.failed, error), { kind: "error" });
  }
}

/** @param {string} sessionId @param {readonly string[]} tags */
export async function setTags(sessionId, tags) {
  const asked = performance.now();
  try {
    putSession(await call("PUT", `/api/chat/tags/${sessionId}`, { tags }), asked);
  } catch (error) {
    toast(because(texts.tags.notSaved, error), { kind: "error" });
  }
}
