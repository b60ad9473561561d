// The handling of refusals, of REST and of the socket, in the widget and in the console.

/**
 * How many attempts follow a refusal with this code, which comes from an envelope or is one of ours. Any other code is a
 * refusal for good.
 * @type {Record<string, number>}
 */
const TRIES = {
  OFFLINE: Infinity, // There was no answer.
  DATABASE_UNAVAILABLE: Infinity,
  RATE_LIMITED: 6,
  INTERNAL_ERROR: 3,
};
const LONGEST_PAUSE_MS = 10_000;

/** @param {string} [code] */
export const isPassing = (code = "") => code in TRIES;

/**
 * Tells whether a new token helps.
 * @param {string} code
 */
export const isOutworn = (code) => /^(AUTH_REQUIRED|INVALID_TOKEN|TOKEN_EXPIRED)$/.test(code);

/** @param {string} code */
export const triesFor = (code) => TRIES[code] ?? (isOutworn(code) ? 3 : 1);

/**
 * Returns how long to wait after a number of failed attempts, in ms: longer each time, and not the same for everybody,
 * so that clients that have lost the same server do not come back together.
 * @param {number} tried
 */
export const pauseAfter = (tried) => Math.min(LONGEST_PAUSE_MS, 250 * 2 ** tried) * (0.5 + Math.random());
