import { h, icon, texts } from "./page.js";
import { use } from "./use.js";

// The field to write in. Enter sends, and Shift+Enter begins a new line.

const MOST = 1_000;
const NEAR = 100;

export const field = h("textarea", {
  rows: "1",
  placeholder: texts.write,
  "aria-label": texts.write,
  onkeydown(/** @type {KeyboardEvent} */ event) {
    // An input method uses Enter to accept what it proposes.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send.click();
  },
});
const send = icon(texts.send, "M4 12l16-8-6 16-3-6z");
export const form = h("form", null, field, send);
let isLong = false;

/** @param {string} draft */
export const setDraft = (draft) => {
  field.value = draft;
  fitField();
};

/** Makes the field as high as its text, and shows how much more may be written once that matters. */
export const fitField = () => {
  field.style.height = "0";
  field.style.height = `${field.scrollHeight + 2}px`;
  const rest = MOST - [...field.value.trim()].length;
  isLong ||= rest <= NEAR;
  if (isLong) use("left").then((part) => part.show(form, field, rest));
  send.disabled = rest < 0 || (rest >= MOST && !form.querySelector(".chosen"));
};
