import { h, icon, say, texts, write } from "./page.js";

// The field to write in. Enter sends, and Shift+Enter begins a new line.

const MOST = 1_000;

export const field = h("textarea", {
  rows: "1",
  placeholder: texts.write,
  "aria-label": texts.write,
  "aria-describedby": "left",
  onkeydown(/** @type {KeyboardEvent} */ event) {
    // An input method uses Enter to accept what it proposes.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send.click();
  },
});
const send = icon(texts.send, "M4 12l16-8-6 16-3-6z");
const left = h("small", { id: "left" });
export const form = h("form", null, field, send, left);

/** @param {string} draft */
export const setDraft = (draft) => {
  field.value = draft;
  fitField();
};

/** Makes the field as high as its text, and shows how much more may be written. */
export const fitField = () => {
  field.style.height = "0";
  field.style.height = `${field.scrollHeight + 2}px`;
  const rest = MOST - [...field.value.trim()].length;
  write(left, rest > 100 ? "" : say(texts.left, rest));
  form.className = rest < 0 ? "failed" : "";
  send.disabled = rest < 0 || rest >= MOST;
};
