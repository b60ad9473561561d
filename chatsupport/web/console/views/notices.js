// What is wrong with the connection, and what an action has come to.

import { loadPicture } from "../account.js";
import { h, icon, keyed, setText, show } from "../dom.js";
import { reconnect } from "../live.js";
import { dismiss } from "../store.js";

export function createNotices() {
  const toasts = h("div", { class: "toasts", role: "status", "aria-live": "polite" });
  return {
    element: toasts,
    update(state) {
      keyed(toasts, state.toasts, (toast) => toast.id, createToast);
    },
  };
}

function createToast(toast) {
  const act =
    toast.act && h("button", { class: "button small", onclick: () => (dismiss(toast.id), toast.act()) }, toast.label);
  const close = h(
    "button",
    { class: "icon-button", "aria-label": "Dismiss", onclick: () => dismiss(toast.id) },
    icon("end"),
  );
  return { element: h("div", { class: `toast ${toast.kind}` }, h("span", {}, toast.text), act, close), update() {} };
}

// The line above everything, while the connection is not there or the lists could not be loaded.
export function createBanner() {
  const text = h("span", {});
  const button = h("button", { class: "button small" });
  const element = h("div", { class: "banner", role: "status", hidden: true }, icon("alert"), text, button);
  let act = () => {};
  button.addEventListener("click", () => act());
  let goneSince = null;
  return {
    element,
    update(state) {
      const broken = state.link === "offline" || state.link === "closed";
      goneSince = broken ? (goneSince ?? Date.now()) : null;
      show(element, broken || Boolean(state.loadError));
      if (state.link === "closed") {
        setText(text, `The server has closed the connection. ${state.linkMessage ?? ""}`);
        setText(button, "Connect again");
        act = reconnect;
      } else if (broken) {
        setText(text, "No connection. What you write is kept and sent as soon as it is back.");
        setText(button, "Try now");
        act = reconnect;
      } else if (state.loadError) {
        setText(text, `The lists could not be loaded: ${state.loadError}`);
        setText(button, "Try again");
        act = loadPicture;
      }
    },
  };
}
