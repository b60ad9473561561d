// What survives a reload of this tab, and nothing else does: sessionStorage, see docs/console.md for why. A browser
// that forbids it only makes the agent sign in again after a reload.

const TOKEN = "chat-console-token";
const PLAIN_KEYS = "chat-console-plain-keys";

function read(key) {
  try {
    return JSON.parse(sessionStorage.getItem(key));
  } catch {
    return null;
  }
}

function write(key, value) {
  try {
    if (value === null) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Full or forbidden: it is kept in memory as long as the page is.
  }
}

export const readToken = () => read(TOKEN); // {token, agentId} or null
export const writeToken = (value) => write(TOKEN, value);

// What an agent has written and not sent: drafts, and messages on their way. By agent, for who shares a desk.
const writing = (agentId) => `chat-console-writing-${agentId}`;

export function readWriting(agentId) {
  const found = read(writing(agentId)) ?? {};
  // What the server has acknowledged comes with the conversation.
  const outbox = (found.outbox ?? []).map(([sessionId, items]) => [
    sessionId,
    items.filter((one) => one.state !== "sent"),
  ]);
  return { drafts: new Map(found.drafts ?? []), outbox: new Map(outbox) };
}

export function writeWriting(agentId, drafts, outbox) {
  const open = [...outbox].filter(([, items]) => items.length);
  write(writing(agentId), drafts.size || open.length ? { drafts: [...drafts], outbox: open } : null);
}

export const forgetWriting = (agentId) => write(writing(agentId), null);

// Single-key shortcuts can be switched off: speech input and shaky hands press keys nobody meant.
export const plainKeys = () => read(PLAIN_KEYS) ?? true;
export const setPlainKeys = (on) => write(PLAIN_KEYS, on);
