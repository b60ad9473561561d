// Ending a chat, with a reason: the visitor is shown it, and it stays in the history.

import { end } from "../actions.js";
import { h } from "../dom.js";
import { openDialog } from "./dialog.js";

const REASONS = ["Solved", "The visitor does not answer", "Spam or abuse"];
const MOST = 200;

export function openEnd(session) {
  const other = h("input", {
    type: "text",
    maxlength: String(MOST),
    id: "end-other",
    placeholder: "In your own words",
    "aria-label": "Another reason",
  });
  const radios = [...REASONS, "Another reason"].map((reason, index) =>
    h("input", { type: "radio", name: "end-reason", value: reason, checked: index === 0 }),
  );
  const last = radios.at(-1);
  other.addEventListener("input", () => (last.checked = true));
  other.addEventListener("focus", () => (last.checked = true));
  const content = h(
    "fieldset",
    { class: "plain" },
    h("legend", { class: "muted" }, `${session.userId} can write no more after this, but can start again.`),
    h(
      "ul",
      { class: "choices" },
      ...radios.map((radio) =>
        h("li", {}, h("label", { class: "choice" }, radio, h("span", { class: "choice-body" }, radio.value))),
      ),
    ),
    other,
  );
  openDialog("End the chat", content, {
    submit: "End the chat",
    danger: true,
    onSubmit() {
      const chosen = radios.find((radio) => radio.checked);
      const words = other.value.trim();
      end(session.id, chosen === last ? words || REASONS[0] : chosen.value);
    },
  });
  radios[0].focus();
}
