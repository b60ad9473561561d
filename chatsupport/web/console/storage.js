// What survives a reload of this tab, and nothing else does: sessionStorage, see docs/console.md for why. A browser
// that forbids it only makes the agent sign in again after a reload. What is read may be anything: it is checked.

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

// {token, agentId} or null.
export function readToken() {
  const kept = read(TOKEN);
  return isText(kept?.token) && isText(kept.agentId) ? kept : null;
}
export const writeToken = (value) => write(TOKEN, value);

// What an agent has written and not sent: drafts, and messages on their way. By agent, for who shares a desk.
const writing = (agentId) => `chat-console-writing-${agentId}`;

const isText = (value) => typeof value === "string";
const list = (value) => (Array.isArray(value) ? value : []);
const pairs = (value) => list(value).filter((pair) => Array.isArray(pair) && isText(pair[0]));
const isUnsent = (item) => isText(item?.clientMessageId) && isText(item.text) && isText(item.at) && item.state !== "sent";

export function readWriting(agentId) {
  const found = read(writing(agentId));
  // What the server has acknowledged comes with the conversation.
  const outbox = pairs(found?.outbox).map(([sessionId, items]) => [sessionId, list(items).filter(isUnsent)]);
  return { drafts: new Map(pairs(found?.drafts).filter(([, text]) => isText(text))), outbox: new Map(outbox) };
}

export function writeWriting(agentId, drafts, outbox) {
  const open = [...outbox].filter(([, items]) => items.length);
  write(writing(agentId), drafts.size || open.length ? { drafts: [...drafts], outbox: open } : null);
}

export const forgetWriting = (agentId) => write(writing(agentId), null);

// Single-key shortcuts can be switched off: speech input and shaky hands press keys nobody meant.
export const plainKeys = () => read(PLAIN_KEYS) !== false;
export const setPlainKeys = (on) => write(PLAIN_KEYS, on);
