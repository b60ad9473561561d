// Makes one REST call. Resolves with the answer's data; throws the failure envelope, {code: "OFFLINE"} without answer.
export async function call(server, path, { token, body, method = body ? "POST" : "GET" } = {}) {
  let envelope;
  try {
    const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
    const answer = await fetch(server + path, { method, headers, body: body && JSON.stringify(body) });
    envelope = await answer.json();
  } catch {
    throw { code: "OFFLINE" };
  }
  if (!envelope.success) throw envelope;
  return envelope.data;
}
