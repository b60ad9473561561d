import { isPassing } from "../shared/refusals.js";
import { options } from "./page.js";

/** @import { Refusal } from "../shared/types.js" */
/** @import { Options, Person } from "./types.js" */

/** @param {Partial<Refusal>} refusal */
export const warn = ({ code, message }) => console.warn("Chat Support:", code, message);

/**
 * Returns the visitor's identity for the server, and the visitor's REST calls.
 * @param {Options} options
 * @param {Person} own
 */
export const visitor = ({ server, userId, userHash }, own) => {
  /** @type {Promise<string> | null} */
  let pending = null;

  /**
   * Makes one call. Resolves with the answer's data. Throws the failure envelope, or one with the code OFFLINE.
   * @param {string} path
   * @param {object} [body]
   * @param {string | null} [token]
   * @param {boolean} [keepalive] whether it goes on when the page is left
   * @returns {Promise<any>}
   */
  const call = async (path, body, token, keepalive) => {
    const headers = {
      ...(body && { "Content-Type": "application/json" }),
      ...(token && { Authorization: `Bearer ${token}` }),
    };
    const answer = await fetch(`${server}/api/${path}`, {
      method: body && "POST",
      headers,
      body: JSON.stringify(body),
      keepalive,
      signal: AbortSignal.timeout(15_000),
    })
      .then((response) => response.json())
      .catch(() => ({ code: "OFFLINE" }));
    if (!answer.success) throw answer;
    return answer.data;
  };

  // A token is used only if the page vouches for its user in the same way as the page that got it.
  const getToken = () => {
    const { token, hash } = own.secret();
    if (token && (!userId || hash === userHash)) return token;
    return (pending ??= newToken().finally(() => (pending = null)));
  };

  const newToken = async () => {
    if (userId) return take(await call("auth/token", { userId, userHash }), userId);
    const { userId: before, worn } = own.kept();
    if (before) {
      try {
        return take(await call("auth/token", { userId: before }, worn), before);
      } catch (refusal) {
        if (isPassing(refusal.code) || refusal.code === "BLOCKED") throw refusal;
        own.keep({ userId: null, sessionId: null }); // That guest no longer exists.
      }
    }
    const answer = await call("auth/token", { guest: true });
    return own.kept().token ?? take(answer, answer.userId); // Another tab may have been faster.
  };

  /** @param {{ token: string }} answer @param {string} id */
  const take = ({ token }, id) => {
    own.keep({ userId: id });
    own.keepSecret({ token, hash: userHash, worn: null });
    return token;
  };

  /** @param {string} path @param {object} [body] */
  const rest = async (path, body) => call(path, body, await getToken());

  return { call, rest, getToken };
};

/**
 * Ends the person's token, and forgets the person. With `here`, other tabs keep their data.
 * @param {Person} own
 * @param {boolean} [here]
 */
export const signOut = (own, here) => {
  const { token } = own.secret();
  own.discard(here);
  if (token) visitor(options, own).call("auth/logout", {}, token, true).catch(warn);
};
