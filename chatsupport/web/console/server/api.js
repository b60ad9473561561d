import { isOutworn, isPassing, pauseAfter } from "../../shared/refusals.js";
import { say, texts } from "../texts.js";

// REST. Every call of the console may be repeated, so temporarily refused ones are.

const TRIES = 4;
const ANSWER_MS = 15_000;
const LONGEST_WISH_MS = 8_000;

export class ApiError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {number | null} [retryAfter] in seconds
   * @param {readonly { field: string, message: string }[]} [details] the wrong fields
   */
  constructor(code, message, retryAfter = null, details = []) {
    super(message);
    this.code = code;
    this.retryAfter = retryAfter;
    this.details = details;
    /** The number of the failed attempt. */
    this.tried = 1;
  }
}

/** Returns the address of one of the server's paths: the console's page is beside them. @param {string} path */
export const at = (path) => new URL(`.${path}`, document.baseURI);

/** Returns a path with a query. @param {string} name @param {Record<string, string | number | null | undefined>} query */
export function withQuery(name, query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  return `${name}?${new URLSearchParams(given.map(([key, value]) => [key, String(value)]))}`;
}

/** @type {string | null} */
let token = null;
/** @type {(refusal?: object) => void} */
let onSignedOut = () => {};

/** @param {string | null} newToken @param {(refusal?: object) => void} [signedOut] */
export function authorize(newToken, signedOut = onSignedOut) {
  token = newToken;
  onSignedOut = signedOut;
}

/** Returns the token, for what does not go by `call`. */
export const tokenNow = () => token;

export const isAuthorized = () => token !== null;

/** The calls in progress that only read. @type {Set<AbortController>} */
const reads = new Set();

/** Stops what is being loaded. The server would refuse what reaches it after a sign-out. */
export function stopReading() {
  for (const read of reads) read.abort();
}

/** @param {string} text @param {unknown} error */
export const because = (text, error) => say(text, { reason: error instanceof Error ? error.message : "" });

/**
 * Resolves with `data` and the number of the successful attempt, from 1. Rejects with an ApiError.
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 * @param {number} [tries]
 * @returns {Promise<{ data: any, tried: number }>}
 */
export async function callCounting(method, path, body, tries = TRIES) {
  const wasAuthorized = isAuthorized();
  for (let tried = 1; ; tried += 1) {
    try {
      return { data: await once(method, path, body), tried };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      error.tried = tried;
      if (!isPassing(error.code) || tried >= tries) throw error;
      const wish = error.retryAfter && Math.min(LONGEST_WISH_MS, error.retryAfter * 1_000);
      await new Promise((resolve) => setTimeout(resolve, wish ?? pauseAfter(tried)));
      if (wasAuthorized && !isAuthorized()) throw error; // The agent has signed out meanwhile.
    }
  }
}

/** @param {string} method @param {string} path @param {object} [body] @param {number} [tries] */
export async function call(method, path, body, tries) {
  return (await callCounting(method, path, body, tries)).data;
}

/** @param {string} path */
export const get = (path) => call("GET", path);

/**
 * Calls once, and the browser delivers the call even if the page is closed meanwhile.
 * @param {string} method
 * @param {string} path
 * @param {object} body
 */
export const callLast = (method, path, body) => once(method, path, body, true);

/** @param {string} method @param {string} path @param {object | undefined} body @param {boolean} [keepalive] */
async function once(method, path, body, keepalive = false) {
  const sent = token;
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), ANSWER_MS);
  if (method === "GET") reads.add(stop);
  let response, envelope;
  try {
    response = await fetch(at(path), {
      method,
      headers: {
        ...(body !== undefined && { "Content-Type": "application/json" }),
        ...(sent && { Authorization: `Bearer ${sent}` }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      keepalive,
      signal: stop.signal,
    });
    envelope = await response.json();
  } catch {
    throw new ApiError("OFFLINE", texts.server.offline);
  } finally {
    clearTimeout(timer);
    reads.delete(stop);
  }
  if (envelope.success) return envelope.data;
  // An answer to an old token says nothing about the new one.
  if (isOutworn(envelope.code) && sent && sent === token) onSignedOut(envelope);
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
  throw new ApiError(envelope.code, envelope.message, retryAfter, envelope.details);
}
