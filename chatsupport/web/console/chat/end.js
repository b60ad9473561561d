import { h } from "../../shared/elements.js";
import { openDialog } from "../parts/dialog.js";
import { setAttribute, setText, show } from "../parts/elements.js";
import { focusRow } from "../parts/focus.js";
import { visitorName } from "../parts/names.js";
import { go } from "../route.js";
import { end } from "../server/ending.js";
import { mine, state, unansweredSince } from "../store.js";
import { say, texts } from "../texts.js";

/** @import { Session } from "../types.js" */

// Ends a chat with a reason. The visitor sees some reasons. Others are for the team only, and the visitor is just told
// that the agent has ended the chat.

// Until the settings are loaded.
const REASONS = [
  { label: texts.end.solved, isPublic: true },
  { label: texts.end.noAnswer, isPublic: true },
  { label: texts.end.spam, isPublic: false },
];
const MOST = 200;

/** @param {HTMLElement} radio @param {string} label @param {string | false} [detail] */
const choice = (radio, label, detail = false) =>
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

/** Opens the chat that has waited longest for an answer, if the agent looks at the ended one. @param {Session} ended */
function openNext(ended) {
  const unanswered = mine().filter((session) => unansweredSince(session) && !state.busy.has(session.id));
  if (state.selected !== ended.id || state.list !== "mine" || !unanswered.length) return;
  const since = (/** @type {Session} */ session) => unansweredSince(session) ?? "";
  const [next] = unanswered.sort((one, other) => since(one).localeCompare(since(other)));
  go("mine", next.id);
  focusRow(next.id); // Keys work there, so that z undoes the end.
}

/** @param {Session} session */
export function openEnd(session) {
  const reasons = state.endReasons ?? REASONS;
  /** @param {string} value @param {boolean} [checked] */
  const radio = (value, checked) => h("input", { type: "radio", name: "end-reason", value, checked });
  const radios = reasons.map(({ label }, index) => radio(label, index === 0));
  const other = radio(texts.end.other, reasons.length === 0);
  const words = h("input", {
    type: "text",
    maxlength: String(MOST),
    placeholder: texts.end.placeholder,
    "aria-label": texts.end.other,
    "aria-describedby": "end-missing",
    oninput: () => complain(false),
  });
  const isInternal = h("input", { type: "checkbox" });
  const missing = h("p", { class: "failure small-text", id: "end-missing", role: "alert", hidden: true });
  const own = h(
    "div",
    { hidden: reasons.length > 0 },
    words,
    missing,
    h("label", { class: "choice" }, isInternal, h("span", {}, texts.end.isInternal)),
  );

  /** @param {boolean} isMissing */
  function complain(isMissing) {
    setText(missing, texts.end.missing);
    setAttribute(words, "aria-invalid", isMissing || null);
    show(missing, isMissing);
    if (isMissing) words.focus();
  }

  const content = h(
    "fieldset",
    {
      class: "plain",
      onchange() {
        const isShown = own.hidden && other.checked;
        show(own, other.checked);
        if (isShown) words.focus();
      },
    },
    h("legend", { class: "muted" }, say(texts.end.explain, { visitor: visitorName(session) })),
    h(
      "ul",
      { class: "choices" },
      ...reasons.map(({ label, isPublic }, index) => choice(radios[index], label, !isPublic && texts.end.onlyTeam)),
      choice(other, texts.end.other),
    ),
    own,
  );
  openDialog(texts.end.title, content, {
    submit: texts.end.title,
    danger: true,
    onSubmit() {
      const label = words.value.trim();
      if (other.checked && !label) {
        complain(true);
        return false;
      }
      const chosen = reasons[radios.findIndex((one) => one.checked)] ?? { label, isPublic: !isInternal.checked };
      const told = { reason: texts.end.told, internalReason: chosen.label };
      end(session.id, chosen.isPublic ? { reason: chosen.label } : told);
      openNext(session);
    },
  });
  (radios[0] ?? words).focus();
}
