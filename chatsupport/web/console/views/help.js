// The keys, in one place: this table is what keys.js does, and what docs/console.md says.

import { h } from "../dom.js";
import { isSupervisor } from "../store.js";
import { plainKeys, setPlainKeys } from "../storage.js";
import { openDialog } from "./dialog.js";

const EVERYWHERE = [
  [["Alt", "↓"], "Next chat in the list"],
  [["Alt", "↑"], "Previous chat"],
  [["Esc"], "Leave the field; close a dialog; go back to the list"],
  [["Enter"], "Send"],
  [["Shift", "Enter"], "New line"],
];
const OUTSIDE = [
  [["j"], "Next chat"],
  [["k"], "Previous chat"],
  [["u"], "Next unread chat"],
  [["r"], "Write an answer"],
  [["t"], "Transfer"],
  [["e"], "End"],
  [["o"], "Online or away"],
  [["i"], "About the visitor"],
  [["?"], "This help"],
];
const LISTS = [
  [["1"], "My chats"],
  [["2"], "Queue"],
  [["3"], "Ended"],
];
const SUPERVISORS = [
  [["4"], "All open chats"],
  [["5"], "Overview"],
  [["w"], "Watch live"],
  [["m"], "Take over"],
];

const table = (title, keys) =>
  h(
    "section",
    {},
    h("h3", {}, title),
    h(
      "dl",
      { class: "keys" },
      ...keys.map(([names, what]) =>
        h("div", {}, h("dt", {}, ...names.map((name) => h("kbd", {}, name))), h("dd", {}, what)),
      ),
    ),
  );

export function openHelp() {
  const plain = h("input", { type: "checkbox", checked: plainKeys(), onchange: () => setPlainKeys(plain.checked) });
  openDialog(
    "Keyboard",
    h(
      "div",
      { class: "help" },
      h(
        "div",
        { class: "help-columns" },
        h("div", {}, table("Outside a text field", OUTSIDE)),
        h(
          "div",
          {},
          table("Also in a text field", EVERYWHERE),
          table("Lists, outside a text field", LISTS),
          isSupervisor() && table("Supervisors", SUPERVISORS),
        ),
      ),
      h(
        "label",
        { class: "choice" },
        plain,
        h("span", { class: "choice-body" }, "Use single keys as shortcuts (outside a text field)"),
      ),
    ),
    { wide: true },
  );
}
