import { isOutworn, isPassing } from "../../shared/refusals.js";

/** @import { Person } from "../types.js" */

// A guest whom the page has named: their chat becomes that person's.

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
