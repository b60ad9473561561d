import { isOutworn } from "../../shared/refusals.js";
import { LISTS } from "../lists/lists.js";
import { forgetWriting, readToken, readWriting, writeToken } from "../parts/storage.js";
import { go } from "../route.js";
import { assign, isSupervisor, reset, state } from "../store.js";
import { ApiError, authorize, call, isAuthorized, stopReading } from "./api.js";
import { finishEnds, flushEnds } from "./ending.js";
import { handlers } from "./events.js";
import { connect, disconnect } from "./live.js";
import { flushAll } from "./outbox.js";
import { renewPushes, unsubscribeFromPushes } from "./push.js";
import { refresh } from "./refresh.js";
import { flushUploads } from "./uploads.js";

/** @import { Agent } from "../types.js" */

// Sign in and out. The token is stored for this tab only.

export const signInOptions = () => call("GET", "/api/auth/sign-in-options");

/** @param {string} email @param {string} password */
export async function signIn(email, password) {
  const { token, agent } = await call("POST", "/api/auth/login", { email, password }, 1);
  begin(token, agent);
}

/** Tells whether the server sends mails. */
export const isMailOffered = async () => /** @type {boolean} */ ((await call("GET", "/api/mail")).isOffered);

/** @param {string} email */
export const askForLink = (email) => call("POST", "/api/auth/forgot-password", { email }, 1);

/** @param {string} token of the link @param {string} password */
export const choosePassword = (token, password) => call("POST", "/api/auth/reset-password", { token, password }, 1);

/** In development, without an API key, the server lets anybody be one of its agents. @param {string} agentId */
export async function signInAs(agentId) {
  const { token } = await call("POST", "/api/auth/token", { userId: agentId, userType: "agent" });
  await resume(token, agentId);
}

/** Continues as the agent who was signed in before a reload. Resolves with false if nobody was. */
export async function continueSession() {
  const kept = readToken();
  if (!kept) return false;
  try {
    await resume(kept.token, kept.agentId);
  } catch (error) {
    if (error instanceof ApiError && isOutworn(error.code)) writeToken(null);
    throw error;
  }
  return state.phase === "signed-in";
}

/** @param {string} token @param {string} agentId */
async function resume(token, agentId) {
  authorize(token, () => {});
  begin(token, await call("GET", `/api/agents/${agentId}`));
}

/** @param {string} token @param {Agent} agent */
function begin(token, agent) {
  writeToken({ token, agentId: agent.id });
  authorize(token, expired);
  // The same agent again after the token had expired: everything stays as it was.
  const isSame = state.agent?.id === agent.id;
  if (!isSame) {
    reset();
    assign(readWriting(agent.id));
  }
  assign({ phase: "signed-in", agent: { ...state.agent, ...agent }, link: "connecting" });
  if (LISTS.find(({ id }) => id === state.list)?.isForSupervisors && !isSupervisor()) go("mine");
  renewPushes();
  connect(token, { handlers, onConnect: loadPicture, onSignedOut: expired });
  loadPicture(); // At once, so that a slow network shows the chats soon. On connecting, it is loaded again: events were missed.
}

export async function loadPicture() {
  assign({ loadError: null });
  try {
    await refresh();
    flushAll();
    flushUploads();
    flushEnds();
  } catch (error) {
    if (state.phase === "signed-in") assign({ loadError: error instanceof Error ? error.message : String(error) });
  }
}

// The token is no longer valid. The view stays under the dialog, and so do the drafts.
function expired() {
  disconnect();
  authorize(null);
  writeToken(null);
  if (state.phase === "signed-in") assign({ phase: "expired" });
}

/** Signs out by choice: no written text stays in this tab, and the server ends the token. */
export async function signOut() {
  if (isAuthorized()) await finishEnds();
  const agentId = state.agent?.id;
  disconnect();
  stopReading();
  if (isAuthorized()) call("POST", "/api/auth/logout").catch(() => {}); // Without an answer, the token expires by itself.
  authorize(null);
  writeToken(null);
  if (agentId) forgetWriting(agentId);
  unsubscribeFromPushes().catch(() => {}); // The server pushes nothing after the logout.
  go("mine");
  reset();
  assign({ phase: "signed-out" });
}
