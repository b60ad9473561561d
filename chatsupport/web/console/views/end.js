// Ending a chat, with a reason. The visitor sees some reasons; others are for the team only, and the visitor is only
// told that the agent has ended the chat.

import { end } from "../actions.js";
import { h, setAttribute, setText, show } from "../dom.js";
import { openDialog } from "./dialog.js";

const TOLD = "Ended by the agent";
const REASONS = [
  { label: "Solved", isPublic: true },
  { label: "The visitor does not answer", isPublic: true },
  { label: "Spam or abuse", isPublic: false },
];
const MOST = 200;

const choice = (radio, label, detail = null) =>
  h(
    "li",
    {},
    h(
      "label",
      { class: "choice" },
      radio,
      h("span", { class: "choice-body" }, label, detail && h("span", { class: "muted small-text" }, detail)),
    ),
  );

export function openEnd(session) {
  const radio = (reason, index) =>
    h("input", { type: "radio", name: "end-reason", value: reason.label, checked: index === 0 });
  const radios = REASONS.map(radio);
  const another = radio({ label: "Another reason" });
  const words = h("input", {
    type: "text",
    maxlength: String(MOST),
    placeholder: "In your own words",
    "aria-label": "Another reason",
    "aria-describedby": "end-missing",
  });
  const isInternal = h("input", { type: "checkbox" });
  const missing = h("p", { class: "failure small-text", id: "end-missing", role: "alert", hidden: true });
  for (const name of ["input", "focus"]) words.addEventListener(name, () => (another.checked = true));
  words.addEventListener("input", () => complain(false));

  function complain(isMissing) {
    setText(missing, "Write the reason, or choose one from the list.");
    setAttribute(words, "aria-invalid", isMissing || null);
    show(missing, isMissing);
    if (isMissing) words.focus();
  }
  const content = h(
    "fieldset",
    { class: "plain" },
    h("legend", { class: "muted" }, `${session.userId} can no longer write in this chat, but can start a new one.`),
    h(
      "ul",
      { class: "choices" },
      ...REASONS.map(({ label, isPublic }, index) =>
        choice(radios[index], label, isPublic ? null : "Only your team sees this."),
      ),
      choice(another, "Another reason"),
    ),
    words,
    missing,
    h("label", { class: "choice" }, isInternal, h("span", {}, "Do not show this reason to the visitor")),
  );
  openDialog("End the chat", content, {
    submit: "End the chat",
    danger: true,
    onSubmit() {
      const own = words.value.trim();
      if (another.checked && !own) return complain(true), false;
      const reason = another.checked
        ? { label: own, isPublic: !isInternal.checked }
        : REASONS[radios.findIndex((one) => one.checked)];
      end(session.id, reason.isPublic ? { reason: reason.label } : { reason: TOLD, internalReason: reason.label });
    },
  });
  radios[0].focus();
}
