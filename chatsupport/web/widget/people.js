/** @import { Unsent } from "../shared/types.js" */
/** @import { KeptInTab, Person } from "./types.js" */

// The data that outlives the page: for each person, an entry of localStorage, which tabs share, and one of sessionStorage.

// The last read or written data is also in memory. It is used if the browser stores nothing, is full, or has rubbish.
/** @param {"localStorage" | "sessionStorage"} area */
const storage = (area) => {
  /** @type {Record<string, any>} */
  const memory = {};
  /** @type {Record<string, any>} */
  const unkept = {};

  /** @param {(kept: Storage) => any} task */
  const attempt = (task) => {
    try {
      return task(self[area]);
    } catch {}
  };
  return {
    read(/** @type {string} */ key) {
      const found = attempt((kept) => unkept[key] ?? JSON.parse(kept[key]));
      if (Object(found) === found) memory[key] = found;
      return memory[key] ?? {};
    },
    write(/** @type {string} */ key, /** @type {object} */ entry) {
      unkept[key] = memory[key] = entry;
      attempt((kept) => {
        const text = JSON.stringify(entry);
        // If nothing changes, nothing is written: this tab may not have heard yet of another tab's last change.
        if (kept[key] !== text) kept[key] = text;
        delete unkept[key];
      });
    },
    // Forgets the data in memory and, unless `here`, the data that other tabs share.
    discard(/** @type {string} */ key, here = false) {
      delete memory[key];
      delete unkept[key];
      if (!here) attempt((kept) => delete kept[key]);
    },
  };
};
const shared = storage("localStorage");
const ofTab = storage("sessionStorage");

/**
 * Returns the stored data of one person: a person named by the page, or a guest. Nobody gets the data of another.
 * @param {string} key
 * @param {unknown} [isNamed]
 * @returns {Person}
 */
export const person = (key, isNamed) => {
  const kept = () => {
    const entry = shared.read(key);
    // Earlier releases kept the chat of somebody the page had named in the same place.
    const isOwn = (isNamed || /^guest-/.test(entry.userId ?? "guest-")) && (entry.sessionId ?? "").trim;
    const outbox = Array.isArray(entry.outbox) ? entry.outbox : [];
    // Acknowledged messages come with the history.
    const isUnsent = (/** @type {any} */ one) => isOwn && one?.id && one.text?.trim && !one.seq;
    return { ...(isOwn && entry), outbox: outbox.filter(isUnsent) };
  };
  const tab = () => ofTab.read(key);
  const note = (/** @type {KeptInTab} */ changes) => ofTab.write(key, { ...tab(), ...changes });
  return {
    key,
    kept,
    tab,
    note,
    // The token of a person named by the page is stored only for the tab, because the page vouches for the person.
    secret: isNamed ? tab : kept,
    keepSecret(changes) {
      (isNamed ? note : this.keep)(changes);
    },
    keep(changes) {
      const now = { ...kept(), ...changes };
      const isWaiting = now.outbox.some((/** @type {Unsent} */ one) => !one.failed);
      // This tells loader.js that the visitor has a chat, an unsent message or an unread answer, so that it continues.
      now.live = !!(now.from || isWaiting || (now.sessionId && (!now.ended || now.unread)));
      shared.write(key, now);
    },
    discard(here) {
      shared.discard(key, here);
      ofTab.discard(key);
    },
  };
};
