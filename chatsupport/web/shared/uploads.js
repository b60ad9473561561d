import { pauseAfter, triesFor } from "./refusals.js";

/** @import { Refusal, Upload } from "./types.js" */

// Files on their way, in the widget and in the console.

const ANSWER_MS = 150_000; // The server gives an upload 120 s.
const SLOW_MS = 100_000;
/** So many attempts may break off while there is a connection. */
const MOST_BROKEN = 6;
// The server reads a longer file no further, and the browser would see a broken connection.
const LONGEST_BYTES = 64 * 2 ** 20;

/**
 * Makes the files of one conversation that are not sent yet. They are sent one after the other. Each keeps its id, its
 * clientMessageId, over every retry, so that none is stored twice.
 * @param {object} conversation
 * @param {() => readonly Upload[]} conversation.read
 * @param {(entries: readonly Upload[]) => void} conversation.write shows what is on its way from now on
 * @param {() => boolean} conversation.isReady
 * @param {(entry: Upload) => Promise<{ url: string, token: string | null }>} conversation.prepare returns where it goes, or
 *   rejects with a refusal
 * @param {(refusal: Partial<Refusal>) => string | undefined} conversation.explain says why a file is refused
 * @param {(refusal: Refusal) => void} [conversation.onRefusal] is told of each refusal, also of one that passes
 * @param {number} [conversation.most] how many bytes the server takes
 */
export function createUploads({ read, write, isReady, prepare, explain, onRefusal, most = LONGEST_BYTES }) {
  let isSending = false;
  /** @type {XMLHttpRequest | null} The request that sends the first waiting file. */
  let request = null;

  /** @param {string} id @param {Partial<Upload>} changes */
  const alter = (id, changes) => write(read().map((entry) => (entry.id === id ? { ...entry, ...changes } : entry)));
  /** @param {string} id */
  const find = (id) => read().find((entry) => entry.id === id);

  async function flush() {
    if (isSending) return;
    isSending = true;
    let broken = 0;
    for (let tried = 1, entry; isReady() && (entry = read().find(({ state }) => state === "waiting")); tried += 1) {
      const { id } = entry;
      const {
        success,
        code = "OFFLINE",
        message,
        details,
        isBroken,
        pause,
      } = await once(entry).catch((refusal) => refusal);
      if (!success && find(id)) {
        onRefusal?.({ code, message, details });
        if (isBroken && navigator.onLine) broken += 1;
        if (tried < triesFor(code) && broken < MOST_BROKEN) {
          alter(id, { progress: 0 });
          await new Promise((resolve) => setTimeout(resolve, Math.max(pauseAfter(tried), (pause || 0) * 1_000)));
          continue;
        }
      }
      tried = broken = 0;
      if (success) remove(id);
      else alter(id, { state: "failed", code, reason: explain({ code, message }) });
    }
    isSending = false;
  }

  /**
   * `isBroken` says that the upload had begun, and `pause` how many seconds to wait.
   * @param {Upload} entry
   * @returns {Promise<{ success: boolean, isBroken?: boolean, pause?: number } & Partial<Refusal>>}
   */
  async function once(entry) {
    const { id, file, alt } = entry;
    const refused = (/** @type {string} */ code) => ({ success: false, code });
    if (file.size > most) return refused("FILE_TOO_LARGE");
    try {
      await file.slice(0, 1).arrayBuffer();
    } catch {
      return refused("INVALID_FILE"); // It is a folder, or was deleted or changed after it was chosen.
    }
    const { url, token } = await prepare(entry);
    const form = new FormData();
    form.append("clientMessageId", id);
    if (alt) form.append("alt", alt);
    form.append("file", file, file.name);
    const sending = new XMLHttpRequest();
    request = sending;
    sending.open("POST", url);
    if (token) sending.setRequestHeader("Authorization", `Bearer ${token}`);
    sending.timeout = ANSWER_MS;
    sending.responseType = "json";
    let isBroken = false;
    sending.upload.onprogress = ({ loaded, total }) => {
      isBroken = loaded > 0;
      alter(id, { progress: loaded / total });
    };
    const startedAt = Date.now();
    return new Promise((resolve) => {
      sending.onloadend = () => {
        request = null;
        const { response, status } = sending;
        // The server takes no more of a file that comes too slowly. It would not come faster the next time.
        const isSlow = isBroken && Date.now() - startedAt > SLOW_MS;
        if (isSlow && (!status || /^(INVALID_FILE|undefined)$/.test(response?.code))) resolve(refused("TOO_SLOW"));
        else if (response?.success !== undefined) {
          resolve({ pause: Number(sending.getResponseHeader("Retry-After")), ...response });
        } else if (status === 413) resolve(refused("FILE_TOO_LARGE"));
        // A proxy that refuses a file answers with a page.
        else if (status >= 400 && status < 500) resolve(refused("REFUSED"));
        else resolve({ ...refused("OFFLINE"), isBroken: isBroken || status > 0 });
      };
      if (find(id)) sending.send(form);
      else sending.onloadend(/** @type {any} */ (null)); // It was removed meanwhile.
    });
  }

  /** @param {string} id */
  function remove(id) {
    write(read().filter((entry) => entry.id !== id));
  }

  return {
    /** Shows chosen files, which wait for `send`. @param {Iterable<File>} files */
    add(files) {
      const entries = [...files].map((file) => {
        const id = crypto.getRandomValues(new Uint32Array(4)).join("-");
        if (file.size <= most) return { id, file, alt: "", progress: 0, state: /** @type {const} */ ("chosen") };
        const reason = explain({ code: "FILE_TOO_LARGE" });
        return { id, file, alt: "", progress: 0, state: /** @type {const} */ ("failed"), reason };
      });
      write([...read(), ...entries]);
    },
    /** @param {string} id @param {string} alt */
    describe: (id, alt) => alter(id, { alt }),
    /** Sends all chosen files. */
    send() {
      write(read().map((entry) => (entry.state === "chosen" ? { ...entry, state: "waiting" } : entry)));
      return flush();
    },
    /** @param {string} id */
    retry(id) {
      alter(id, { state: "waiting", progress: 0, code: undefined, reason: undefined });
      return flush();
    },
    /** Takes a file back. One that the server has already stored stays a message. @param {string} id */
    cancel(id) {
      const isFirst = read().find(({ state }) => state === "waiting")?.id === id;
      remove(id);
      if (isFirst) request?.abort();
    },
    /** There is a connection again. */
    flush,
  };
}

/** Returns the files in a drop or a paste. @param {DataTransfer | null} transfer */
export const filesOf = (transfer) => [...(transfer?.files ?? [])];
