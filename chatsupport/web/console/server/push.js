import { readAlerts } from "../parts/storage.js";
import { go } from "../route.js";
import { assign, state, toast } from "../store.js";
import { texts } from "../texts.js";
import { ApiError, at, because, call, get, isAuthorized, withQuery } from "./api.js";

// Pushes, which reach an agent whose console is closed. The browser's push service delivers them to worker.js.

const WORKER = "/console-worker.js"; // beside the page, because a worker serves only what is below its own path
const SCOPE = "/console";

/** What the page's policy asks of whoever starts a worker: only this script can be started. */
const policy = /** @type {any} */ (window).trustedTypes?.createPolicy("console-worker", {
  createScriptURL: () => at(WORKER).href,
});

/** Whether this browser takes pushes for the page. */
export const canPush = () => isSecureContext && "serviceWorker" in navigator && "PushManager" in window;

/** Lets the server push to this browser. Rejects if the browser or the server does not want to. */
export async function subscribeToPushes() {
  const { publicKey } = await get("/api/push/key");
  const script = policy ? policy.createScriptURL("") : at(WORKER).href;
  await navigator.serviceWorker.register(script, { scope: at(SCOPE).pathname });
  const { pushManager } = await navigator.serviceWorker.ready;
  const subscribe = () => pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: publicKey });
  const subscription = await subscribe().catch(async (error) => {
    if (error.name !== "InvalidStateError") throw error;
    // It has subscribed to another server's key.
    await (await pushManager.getSubscription())?.unsubscribe();
    return subscribe();
  });
  await call("PUT", "/api/push/subscription", subscription.toJSON());
}

/** Ends the pushes to this browser. */
export async function unsubscribeFromPushes() {
  if (!canPush()) return;
  const registration = await navigator.serviceWorker.getRegistration(at(SCOPE));
  const subscription = await registration?.pushManager.getSubscription();
  if (!subscription) return;
  const { endpoint } = subscription;
  await subscription.unsubscribe();
  // The server also forgets it when the push service says that it is gone.
  if (isAuthorized()) call("DELETE", withQuery("/api/push/subscription", { endpoint })).catch(() => {});
}

/** Subscribes again after each sign-in, if the agent has chosen that and the browser still allows it. */
export async function renewPushes() {
  if (!readAlerts().pushes || !canPush() || Notification.permission !== "granted") return;
  try {
    await subscribeToPushes();
  } catch (error) {
    if (error instanceof ApiError && error.code === "NOT_FOUND") assign({ hasPushes: false });
    else if (state.phase === "signed-in") toast(because(texts.push.failed, error), { kind: "error" });
  }
}

/** Opens what a notification of the worker was about. */
export function startPushes() {
  if (!canPush()) return;
  navigator.serviceWorker.addEventListener("message", ({ data }) => go(String(data?.list), data?.sessionId ?? null));
}
