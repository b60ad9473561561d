import { PASSING } from "../shared/connection.js";

// What a new token mends.
export const OUTWORN = /^(AUTH_REQUIRED|INVALID_TOKEN|TOKEN_EXPIRED)$/;

// Who the visitor is, and their REST calls. `own` is what is kept of them.
export function visitor({ server, userId, userHash }, own) {
  let pending;

  // Why there was no answer: OFFLINE, or ORIGIN where the server is there and this page may not ask it.
  async function reason() {
    const request = () => ({ cache: "no-store", signal: AbortSignal.timeout(5_000) });
    const answers = (path) => fetch(server + path, request()).then(Boolean, () => false);
    return (await answers("/widget.js")) && !(await answers("/api/health")) ? "ORIGIN" : "OFFLINE";
  }

  // Makes one call. Resolves with the answer's data; throws the failure envelope, or the `reason` as its code.
  async function call(path, body, token) {
    const headers = {
      ...(body && { "Content-Type": "application/json" }),
      ...(token && { Authorization: `Bearer ${token}` }),
    };
    const request = { method: body && "POST", headers, body: JSON.stringify(body), signal: AbortSignal.timeout(15_000) };
    const answer = await fetch(`${server}/api/${path}`, request)
      .then((response) => response.json())
      .catch(async () => ({ code: await reason() }));
    if (!answer.success) throw answer;
    return answer.data;
  }

  // A token serves only the page that vouches for its user as the page did that got it.
  const getToken = () => {
    const { token, hash } = own.secret();
    if (token && (!userId || hash === userHash)) return token;
    return (pending ??= newToken().finally(() => (pending = null)));
  };

  async function newToken() {
    if (userId) return take(await call("auth/token", { userId, userHash }), userId);
    const { userId: before, worn } = own.kept();
    if (before) {
      try {
        return take(await call("auth/token", { userId: before }, worn), before);
      } catch (refusal) {
        if (PASSING.test(refusal.code) || /BLOCKED|ORIGIN/.test(refusal.code)) throw refusal;
        own.keep({ userId: null, sessionId: null }); // That guest is over.
      }
    }
    const answer = await call("auth/token", { guest: true });
    return own.kept().token ?? take(answer, answer.userId); // Another tab may have been faster.
  }

  function take({ token }, id) {
    own.keep({ userId: id });
    own.keepSecret({ token, hash: userHash, worn: null });
    return token;
  }

  const rest = async (path, body) => call(path, body, await getToken());

  // Makes the chat of the guest they were this person's. What is refused for good stays behind.
  async function carry() {
    const { from: guestToken, was, sessionId: present } = own.kept();
    if (!guestToken) return;
    let sessionId;
    try {
      ({ sessionId } = await rest("auth/identify", { guestToken }));
    } catch (refusal) {
      if (PASSING.test(refusal.code) || OUTWORN.test(refusal.code) || refusal.code === "ORIGIN") throw refusal;
      console.warn("Chat Support:", refusal.code, refusal.message);
    }
    own.keep({ from: null, ...(sessionId && sessionId !== present && { sessionId, ...was, ended: false }) });
  }

  return { call, rest, getToken, carry, reason };
}
