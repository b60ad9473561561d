// What the tabs of one agent tell each other: reading and coming online are told by the server to everybody but the
// one who does it, whatever tab it was.

const channel = typeof BroadcastChannel === "function" ? new BroadcastChannel("chat-console") : null;

export function tell(agentId, news) {
  channel?.postMessage({ agentId, ...news });
}

export function listen(listener) {
  channel?.addEventListener("message", ({ data }) => listener(data));
}
