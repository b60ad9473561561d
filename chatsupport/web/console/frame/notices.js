import { h } from "../../shared/elements.js";
import { icon, keyed, setText, show } from "../parts/elements.js";
import { loadPicture } from "../server/account.js";
import { reconnect } from "../server/live.js";
import { dismiss, state } from "../store.js";
import { say, texts } from "../texts.js";

/** @import { Toast, View } from "../types.js" */

// Problems of the connection, and the results of actions.

/** @returns {View} */
export function createNotices() {
  const toasts = h("div", { class: "toasts", role: "status", "aria-live": "polite" });
  return { element: toasts, update: () => keyed(toasts, state.toasts, (toast) => toast.id, createToast) };
}

/** @param {Toast} toast */
function createToast({ id, kind, text, label, act, close }) {
  function onclick() {
    dismiss(id);
    act?.();
  }
  const button = act && h("button", { class: "button small", onclick }, label);
  function onclose() {
    dismiss(id);
    close?.();
  }
  const cross = h(
    "button",
    { class: "icon-button", type: "button", "aria-label": texts.notices.dismiss, onclick: onclose },
    icon("end"),
  );
  return { element: h("div", { class: `toast ${kind}` }, h("span", {}, text), button, cross), update() {} };
}

/** The line above everything, while there is no connection or if the lists could not be loaded. @returns {View} */
export function createBanner() {
  const text = h("span", {});
  const button = h("button", { class: "button small" });
  const { server } = texts;
  /** @returns {[string, string, () => unknown] | null} */
  const trouble = () => {
    if (state.link === "closed")
      return [say(server.closed, { reason: state.linkMessage ?? "" }), server.connect, reconnect];
    if (state.link === "offline") return [server.disconnected, server.tryNow, reconnect];
    if (state.loadError) return [say(server.listsFailed, { reason: state.loadError }), texts.tryAgain, loadPicture];
    return null;
  };
  return {
    element: h("div", { class: "banner", role: "status", hidden: true }, icon("alert"), text, button),
    update() {
      const found = trouble();
      show(this.element, Boolean(found));
      if (!found) return;
      const [sentence, label, act] = found;
      setText(text, sentence);
      setText(button, label);
      button.onclick = act;
    },
  };
}
