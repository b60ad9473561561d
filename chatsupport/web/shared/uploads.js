import { pauseAfter, triesFor } from "./refusals.js";

/** @import { Refusal, Upload } from "./types.js" */

// Files on their way, in the console.

const ANSWER_MS = 150_000; // The server gives an upload 120 s.
// The server reads a longer file no further, and the browser would see a broken connection.
const MOST_BYTES = 64 * 2 ** 20;

/**
 * Makes the files of one conversation that are not sent yet. They are sent one after the other. Each keeps its id, its
 * clientMessageId, over every retry, so that none is stored twice.
 * @param {object} conversation
 * @param {() => readonly Upload[]} conversation.read
 * @param {(entries: readonly Upload[]) => void} conversation.write shows what is on its way from now on
 * @param {() => boolean} conversation.isReady
 * @param {() => Promise<{ url: string, token: string | null }>} conversation.prepare returns where they go, or rejects with a
 *   refusal
 * @param {(size: number) => string} conversation.tooLarge what to say of a file that is too large
 */
export function createUploads({ read, write, isReady, prepare, tooLarge }) {
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
    for (let tried = 1, entry; isReady() && (entry = read().find(({ state }) => state === "waiting")); tried += 1) {
      const { id } = entry;
      const answer = await once(entry).catch((refusal) => refusal);
      if (!answer.success && find(id) && tried < triesFor(answer.code ?? "OFFLINE")) {
        alter(id, { progress: 0 });
        await new Promise((resolve) => setTimeout(resolve, pauseAfter(tried)));
        continue;
      }
      tried = 0;
      if (answer.success) remove(id);
      else alter(id, { state: "failed", reason: answer.message });
    }
    isSending = false;
  }

  /** @param {Upload} entry @returns {Promise<{ success: boolean } & Partial<Refusal>>} */
  async function once({ id, file, alt }) {
    const refusal = { success: false, code: "FILE_TOO_LARGE", message: tooLarge(file.size) };
    if (file.size > MOST_BYTES) return refusal;
    const { url, token } = await prepare();
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
    sending.upload.onprogress = ({ loaded, total }) => alter(id, { progress: loaded / total });
    return new Promise((resolve) => {
      sending.onloadend = () => {
        request = null;
        // A proxy that refuses a file answers with a page.
        resolve(sending.response ?? (sending.status === 413 ? refusal : { success: false, code: "OFFLINE" }));
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
        const isTooLarge = file.size > MOST_BYTES;
        /** @type {Upload["state"]} */
        const state = isTooLarge ? "failed" : "chosen";
        return { id, file, alt: "", progress: 0, state, reason: isTooLarge ? tooLarge(file.size) : undefined };
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
      alter(id, { state: "waiting", progress: 0, reason: undefined });
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

const UNITS = /** @type {const} */ (["byte", "kilobyte", "megabyte"]);

/** Returns a size for people, such as 1.8 MB. @param {number} bytes @param {string} locale */
export function sizeOf(bytes, locale) {
  const power = Math.min(2, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const unitDisplay = power ? "short" : "long";
  const how = /** @type {const} */ ({
    style: "unit",
    unit: UNITS[power],
    unitDisplay,
    maximumFractionDigits: power && 1,
  });
  return (bytes / 1000 ** power).toLocaleString(locale, how);
}
