// The keys, in one place: this table is what keys.js does, and what docs/console.md says.

import { h } from "../dom.js";
import { plainKeys, setPlainKeys } from "../storage.js";
import { openDialog } from "./dialog.js";

const EVERYWHERE = [
  [["Alt", "↓"], "Next chat of the list"],
  [["Alt", "↑"], "The one before"],
  [["Esc"], "Out of the field; close a dialog; back to the list"],
  [["Enter"], "Send"],
  [["Shift", "Enter"], "A new line"],
];
const OUTSIDE = [
  [["j"], "Next chat"],
  [["k"], "The one before"],
  [["u"], "Next chat with something unread"],
  [["r"], "Write an answer"],
  [["t"], "Transfer"],
  [["e"], "End"],
  [["o"], "Online or away"],
  [["i"], "About the visitor"],
  [["1"], "My chats"],
  [["2"], "Queue"],
  [["3"], "Ended"],
  [["4"], "All open (supervisors)"],
  [["5"], "Overview (supervisors)"],
  [["w"], "Watch live (supervisors)"],
  [["m"], "Take over (supervisors)"],
  [["?"], "This help"],
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
      h("div", { class: "help-columns" }, table("Outside a text field", OUTSIDE), table("Everywhere", EVERYWHERE)),
      h(
        "label",
        { class: "choice" },
        plain,
        h("span", { class: "choice-body" }, "Single keys do something (outside a text field)"),
      ),
    ),
    { wide: true },
  );
}
