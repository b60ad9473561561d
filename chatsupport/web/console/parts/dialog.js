import { h } from "../../shared/elements.js";
import { texts } from "../texts.js";
import { focusFirst } from "./focus.js";

// The browser's own dialog: it holds the focus, Escape closes it, and the focus goes back to where it was.

let count = 0;

/**
 * Shows a form in a dialog.
 * @param {string} title
 * @param {HTMLElement} content
 * @param {object} [how]
 * @param {string | null} [how.submit] the button's label; without it there is nothing to send
 * @param {boolean} [how.danger]
 * @param {() => unknown} [how.onSubmit] is called before it closes; where it returns false, it does not close
 * @param {boolean} [how.wide]
 */
export function openDialog(title, content, { submit = null, danger = false, onSubmit = () => {}, wide = false } = {}) {
  count += 1;
  const id = `dialog-${count}`;
  const before = document.activeElement;
  const close = () => dialog.close();
  const confirm = h("button", { class: `button ${danger ? "danger" : "primary"}`, type: "submit" }, submit);
  const cancel = h(
    "button",
    { class: "button quiet", type: "button", onclick: close },
    submit ? texts.cancel : texts.close,
  );
  const form = h(
    "form",
    {
      onsubmit(/** @type {Event} */ event) {
        event.preventDefault();
        if (onSubmit() !== false) close();
      },
    },
    content,
    h("div", { class: "dialog-foot" }, cancel, submit && confirm),
  );
  const dialog = h(
    "dialog",
    {
      class: `dialog${wide ? " wide-dialog" : ""}`,
      "aria-labelledby": id,
      onclick: (/** @type {Event} */ event) => event.target === dialog && close(), // beside it
    },
    h("h2", { id }, title),
    form,
  );
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (document.activeElement !== document.body) return; // The browser has given it back, or it has a new place.
    if (before instanceof HTMLElement && before.isConnected && before.offsetParent) before.focus();
    else focusFirst(".conversation-title");
  });
  document.body.append(dialog);
  dialog.showModal();
  return { dialog, confirm };
}
