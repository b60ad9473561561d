// Who the visitor is, and their REST calls; `options` may change.
export function visitor(options, kept, keep) {
  // Returns the user's id: as the page says, else as before, else somebody new.
  function identity() {
    const userId = options.userId ?? kept().userId ?? `visitor-${newId()}`;
    if (kept().userId !== userId) keep({ userId, token: null, sessionId: null, outbox: [] });
    return userId;
  }

  const newId = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

  // Makes one call. Resolves with the answer's data; throws the failure envelope, {code: "OFFLINE"} without answer.
  async function call(path, body, token) {
    const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
    const request = { method: body && "POST", headers, body: JSON.stringify(body) };
    const answer = await fetch(`${options.server}/api/${path}`, request)
      .then((response) => response.json())
      .catch(() => ({ code: "OFFLINE" }));
    if (!answer.success) throw answer;
    return answer.data;
  }

  async function getToken() {
    const userId = identity();
    if (kept().token) return kept().token;
    const { token } = await call("auth/token", { userId, userHash: options.userHash });
    if (kept().userId === userId) keep({ token });
    return token;
  }

  const rest = async (path, body) => call(path, body, await getToken());
  return [identity, newId, getToken, rest];
}
