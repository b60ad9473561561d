// Signing in and out. The token is kept for this tab only.

import { authorize, call, isAuthorized, meansSignedOut } from "./api.js";
import { handlers } from "./events.js";
import { connect, disconnect } from "./live.js";
import { flushAll } from "./outbox.js";
import { refresh } from "./refresh.js";
import { go } from "./route.js";
import { forgetWriting, readToken, readWriting, writeToken } from "./storage.js";
import { change, reset, state } from "./store.js";

const SUPERVISORS = new Set(["all", "overview"]); // lists

export const signInOptions = () => call("GET", "/api/auth/sign-in-options");

export async function signIn(email, password) {
  const { token, agent } = await call("POST", "/api/auth/login", { email, password }, 1);
  begin(token, agent);
}

// In development, without an API key, the server lets anybody be one of its agents.
export async function signInAs(agentId) {
  const { token } = await call("POST", "/api/auth/token", { userId: agentId, userType: "agent" });
  await resume(token, agentId);
}

// Go on as who was signed in before a reload. Resolves with false where nobody was.
export async function continueSession() {
  const kept = readToken();
  if (!kept) return false;
  try {
    await resume(kept.token, kept.agentId);
  } catch (error) {
    if (meansSignedOut(error.code)) writeToken(null);
    throw error;
  }
  return state.phase === "signed-in";
}

async function resume(token, agentId) {
  authorize(token, () => {});
  begin(token, await call("GET", `/api/agents/${agentId}`));
}

function begin(token, agent) {
  writeToken({ token, agentId: agent.id });
  authorize(token, expired);
  // The same agent again, after the token had expired: everything is where it was.
  const same = state.agent?.id === agent.id;
  if (!same) {
    reset();
    change(() => Object.assign(state, readWriting(agent.id)));
  }
  if (agent.role !== "supervisor" && SUPERVISORS.has(state.list)) go("mine");
  change(() => Object.assign(state, { phase: "signed-in", agent: { ...state.agent, ...agent }, link: "connecting" }));
  connect(token, { handlers, onConnect: loadPicture, onSignedOut: expired });
}

export async function loadPicture() {
  change(() => (state.loadError = null));
  try {
    await refresh();
    flushAll();
  } catch (error) {
    if (state.phase === "signed-in") change(() => (state.loadError = error.message));
  }
}

// The token is no good any more. What is on the screen stays under the dialog, and so do the drafts.
function expired() {
  disconnect();
  authorize(null);
  writeToken(null);
  if (state.phase === "signed-in") change(() => (state.phase = "expired"));
}

// By choice: nothing of what was written stays in this tab, and the server takes the token no more.
export function signOut() {
  const agentId = state.agent?.id;
  disconnect();
  if (isAuthorized()) call("POST", "/api/auth/logout").catch(() => {}); // Without an answer the token ends by itself.
  authorize(null);
  writeToken(null);
  if (agentId) forgetWriting(agentId);
  go("mine");
  reset();
  change(() => (state.phase = "signed-out"));
}
