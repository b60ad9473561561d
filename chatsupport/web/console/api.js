// REST. Every call of the console may be repeated, so a call that met a broken connection, 429 or 503 is.

const TRIES = 4;
const ANSWER_MS = 15_000;
const SIGNED_OUT = new Set(["AUTH_REQUIRED", "INVALID_TOKEN", "TOKEN_EXPIRED"]);
const PASSING = new Set(["RATE_LIMITED", "DATABASE_UNAVAILABLE", "NO_ANSWER"]);

export class ApiError extends Error {
  constructor(code, message, retryAfter = null) {
    super(message);
    this.code = code;
    this.retryAfter = retryAfter; // seconds
  }
}

// The address of one of the server's paths, wherever a proxy shows the server: the console's page is beside them.
export const at = (path) => new URL(`.${path}`, document.baseURI);

let token = null;
let onSignedOut = () => {};

export function authorize(newToken, signedOut = onSignedOut) {
  token = newToken;
  onSignedOut = signedOut;
}

export const isAuthorized = () => token !== null;
export const meansSignedOut = (code) => SIGNED_OUT.has(code);
export const isPassing = (code) => PASSING.has(code);

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Resolve with `data` and the number of the try that brought it, from 1. Rejects with an ApiError.
export async function callCounting(method, path, body = undefined, tries = TRIES) {
  for (let tried = 1; ; tried += 1) {
    try {
      return { data: await once(method, path, body), tried };
    } catch (error) {
      if (!PASSING.has(error.code) || tried >= tries) throw Object.assign(error, { tried });
      await pause(Math.min(8_000, error.retryAfter ? error.retryAfter * 1000 : 300 * 2 ** tried));
    }
  }
}

export async function call(method, path, body = undefined, tries = TRIES) {
  return (await callCounting(method, path, body, tries)).data;
}

export const get = (path) => call("GET", path);

async function once(method, path, body) {
  const sent = token;
  let response, envelope;
  try {
    response = await fetch(at(path), {
      method,
      headers: {
        ...(body !== undefined && { "Content-Type": "application/json" }),
        ...(sent && { Authorization: `Bearer ${sent}` }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    envelope = await response.json();
  } catch {
    throw new ApiError("NO_ANSWER", "The server does not answer. Check the connection.");
  }
  if (envelope.success) return envelope.data;
  // An answer to an old token says nothing of the new one.
  if (SIGNED_OUT.has(envelope.code) && sent && sent === token) onSignedOut(envelope);
  throw new ApiError(envelope.code, envelope.message, Number(response.headers.get("Retry-After")) || null);
}
