import { h } from "../../shared/elements.js";
import { openDialog } from "../parts/dialog.js";
import { setText, show } from "../parts/elements.js";
import { NEW_CHAT, play } from "../parts/sound.js";
import { readAlerts, writeAlerts } from "../parts/storage.js";
import { ApiError, because } from "../server/api.js";
import { canPush, subscribeToPushes, unsubscribeFromPushes } from "../server/push.js";
import { assign, state } from "../store.js";
import { texts } from "../texts.js";
import { isAllowed, notify } from "./alerts.js";

/** @import { Alerts } from "../parts/storage.js" */

// The dialog behind the bell: how this browser tells the agent about new chats and messages.

/** @type {{ value: Alerts["sound"], label: string }[]} */
const SOUNDS = [
  { value: "none", label: texts.alerts.none },
  { value: "chats", label: texts.alerts.chats },
  { value: "messages", label: texts.alerts.messages },
];

/** @param {HTMLElement} input @param {string} label */
const choice = (input, label) => h("label", { class: "choice" }, input, h("span", { class: "choice-body" }, label));

/** Why there can be no notifications, or nothing. */
function obstacle() {
  if (!isSecureContext) return texts.alerts.insecure;
  if (!("Notification" in window)) return texts.alerts.impossible;
  return Notification.permission === "denied" ? texts.alerts.blocked : "";
}

export function openAlerts() {
  const { alerts } = texts;
  const now = readAlerts();
  const hint = h("p", { class: "muted small-text", id: "alerts-hint", role: "status" });
  const notifies = h("input", {
    type: "checkbox",
    checked: now.notifies && isAllowed(),
    "aria-describedby": "alerts-hint",
    onchange: ask,
  });
  const pushes = h("input", {
    type: "checkbox",
    checked: now.pushes && isAllowed(),
    "aria-describedby": "alerts-hint",
    onchange: push,
  });
  const hidesText = h("input", {
    type: "checkbox",
    checked: now.hidesText,
    onchange: () => writeAlerts({ hidesText: hidesText.checked }),
  });
  const sounds = SOUNDS.map(({ value, label }) =>
    choice(
      h("input", {
        type: "radio",
        name: "sound",
        value,
        checked: now.sound === value,
        onchange: () => writeAlerts({ sound: value }),
      }),
      label,
    ),
  );
  const volume = h("input", {
    type: "range",
    id: "alerts-volume",
    max: "1",
    step: "0.05",
    onchange: () => writeAlerts({ volume: volume.valueAsNumber }),
  });
  volume.valueAsNumber = now.volume;

  /** @param {string} text */
  function explain(text) {
    setText(hint, text);
    show(hint, Boolean(text));
  }

  // The browser asks only now, when the agent wants it.
  async function ask() {
    if (notifies.checked && "Notification" in window) await Notification.requestPermission();
    notifies.checked &&= isAllowed();
    writeAlerts({ notifies: notifies.checked });
    explain(obstacle());
  }

  async function push() {
    const isWanted = pushes.checked;
    if (isWanted && "Notification" in window) await Notification.requestPermission();
    pushes.checked &&= isAllowed();
    writeAlerts({ pushes: pushes.checked });
    explain(obstacle());
    if (pushes.checked !== isWanted) return;
    try {
      await (isWanted ? subscribeToPushes() : unsubscribeFromPushes());
    } catch (error) {
      pushes.checked = false;
      writeAlerts({ pushes: false });
      if (error instanceof ApiError && error.code === "NOT_FOUND") assign({ hasPushes: false });
      explain(because(texts.push.failed, error));
    }
  }

  function test() {
    const chosen = readAlerts();
    play(NEW_CHAT, chosen.volume);
    if (notifies.checked && !notify(alerts.title, alerts.tested, "test", () => {})) explain(alerts.impossible);
  }

  explain(obstacle());
  openDialog(
    alerts.title,
    h(
      "div",
      { class: "alerts" },
      choice(notifies, alerts.notifications),
      canPush() && state.hasPushes && choice(pushes, alerts.pushes),
      hint,
      choice(hidesText, alerts.hideText),
      h("fieldset", { class: "plain" }, h("legend", {}, alerts.sound), ...sounds),
      h("label", { for: "alerts-volume" }, alerts.volume),
      volume,
      h("button", { class: "button", type: "button", onclick: test }, alerts.test),
    ),
  );
}
