import { h } from "../../shared/elements.js";
import { openDialog } from "../parts/dialog.js";
import { plainKeys, setPlainKeys } from "../parts/storage.js";
import { texts } from "../texts.js";

/**
 * @typedef {object} Shortcut
 * @property {string[]} keys are pressed together
 * @property {string} what
 * @property {(target: EventTarget | null) => unknown} [act]
 * @property {"chat" | "others"} [needs] it does something to the open chat, or only to one of somebody else
 * @property {boolean} [isForSupervisors]
 * @property {boolean} [isList] it opens a list
 * @property {boolean} [isInFields] it works in text fields too
 */

// The list of keys, as in docs/console.md.

/** @param {string} title @param {Shortcut[]} shortcuts */
function table(title, shortcuts) {
  if (!shortcuts.length) return null;
  const lines = shortcuts.map(({ keys, what }) =>
    h("div", {}, h("dt", {}, ...keys.map((key) => h("kbd", {}, key))), h("dd", {}, what)),
  );
  return h("section", {}, h("h3", {}, title), h("dl", { class: "keys" }, ...lines));
}

/** @param {Shortcut[]} shortcuts */
export function openHelp(shortcuts) {
  const plain = h("input", { type: "checkbox", checked: plainKeys(), onchange: () => setPlainKeys(plain.checked) });
  const everywhere = shortcuts.filter((one) => one.isInFields);
  const forSupervisors = shortcuts.filter((one) => one.isForSupervisors);
  const lists = shortcuts.filter((one) => one.isList && !one.isForSupervisors);
  const rest = shortcuts.filter((one) => !one.isInFields && !one.isForSupervisors && !one.isList);
  const columns = h(
    "div",
    { class: "help-columns" },
    h("div", {}, table(texts.keys.outside, rest)),
    h(
      "div",
      {},
      table(texts.keys.everywhere, everywhere),
      table(
        texts.keys.lists,
        lists.sort((one, other) => one.keys[0].localeCompare(other.keys[0])),
      ),
      table(texts.keys.supervisors, forSupervisors),
    ),
  );
  const label = h("label", { class: "choice" }, plain, h("span", { class: "choice-body" }, texts.keys.singleKeys));
  const { dialog } = openDialog(texts.keys.title, h("div", { class: "help" }, columns, label), { wide: true });
  dialog.scrollTop = 0; // The checkbox at the end has the focus.
}
