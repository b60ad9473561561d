// The browser's own dialog: it holds the focus, Escape closes it, and the focus goes back to where it was.

import { h } from "../dom.js";

let count = 0;

// Show a form in a dialog. `onSubmit` is called after it has closed; where it returns false, it was not closed.
export function openDialog(title, content, { submit = null, danger = false, onSubmit = () => {}, wide = false } = {}) {
  const id = `dialog-${(count += 1)}`;
  const before = document.activeElement;
  const close = () => dialog.close();
  const confirm = submit && h("button", { class: `button ${danger ? "danger" : "primary"}`, type: "submit" }, submit);
  const form = h(
    "form",
    {
      onsubmit: (event) => {
        event.preventDefault();
        if (onSubmit() !== false) close();
      },
    },
    content,
    h(
      "div",
      { class: "dialog-foot" },
      h("button", { class: "button quiet", type: "button", onclick: close }, submit ? "Cancel" : "Close"),
      confirm,
    ),
  );
  const dialog = h(
    "dialog",
    { class: `dialog${wide ? " wide-dialog" : ""}`, "aria-labelledby": id },
    h("h2", { id }, title),
    form,
  );
  dialog.addEventListener("click", (event) => event.target === dialog && close()); // beside it
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before?.isConnected && before.offsetParent) before.focus();
    else document.querySelector(".conversation-title")?.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  return { dialog, confirm };
}
