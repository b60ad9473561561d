import { isOutworn, isPassing } from "../../shared/refusals.js";

/** @import { Person } from "../types.js" */

// A guest whom the page has named: their chat becomes that person's.

/**
 * Gives the stored data of a guest at once to the person that the page now names, so that the next visitor does not find it.
 * `from` is the token by which the server transfers the rest.
 * @param {Person} own
 * @param {Person} guest
 */
export function adopt(own, guest) {
  const { token: from, outbox, since, read, names, sound, past } = guest.kept();
  own.note({ ...guest.tab(), ...own.tab() });
  guest.discard();
  const mine = own.kept();
  const others = outbox.filter(({ id }) => !mine.outbox.some((one) => one.id === id));
  if (others[0]) own.keep({ outbox: [...mine.outbox, ...others] });
  if (from) own.keep({ sound: mine.sound ?? sound, past: mine.past ?? past, from, was: { since, read, names } });
}

/**
 * Gives the chat of the former guest to this person. If that is refused for good, it stays with the guest.
 * @param {Person} own
 * @param {(path: string, body: object) => Promise<any>} rest
 */
export async function identify(own, rest) {
  const { from: guestToken, was, sessionId: present } = own.kept();
  if (!guestToken) return; // The person has been forgotten meanwhile.
  let sessionId;
  try {
    ({ sessionId } = await rest("auth/identify", { guestToken }));
  } catch (refusal) {
    if (isPassing(refusal.code) || isOutworn(refusal.code)) throw refusal;
    console.warn("Chat Support:", refusal.code, refusal.message);
  }
  own.keep({ from: null, ...(sessionId && sessionId !== present && { sessionId, ...was, ended: false }) });
}
