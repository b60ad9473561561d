import { h } from "../../shared/elements.js";
import { icon, show } from "../parts/elements.js";
import { because } from "../server/api.js";
import { say, texts } from "../texts.js";
import { button, heading, openForm } from "./fields.js";
import { words } from "./texts.js";

// A section whose entries are stored one by one: a list with a button to add one, and two on each to change and delete it.

/**
 * @template {{ id: string }} Item
 * @param {object} how
 * @param {{ title: string, explain: string, add: string, deleteTitle: string, deleteExplain: string }} how.words
 * @param {() => Promise<Item[]>} how.load
 * @param {(item: Item) => string} how.nameOf
 * @param {(item: Item) => (HTMLElement | string)[]} how.show
 * @param {(item: Item | null, done: () => void) => void} how.edit opens a dialog
 * @param {(item: Item) => Promise<unknown>} how.remove
 * @param {(item: Item) => boolean} [how.canRemove]
 */
export function createEntries({ words: own, load, nameOf, show: shown, edit, remove, canRemove = () => true }) {
  const list = h("ul", { class: "entries" });
  const hint = h("p", { class: "muted", role: "status" }, texts.loading);
  const again = button(texts.tryAgain, refresh, { hidden: true });
  // The dialog offers what is loaded with the list.
  const adder = h(
    "button",
    { class: "button", type: "button", onclick: () => edit(null, refresh), disabled: true },
    icon("add"),
    own.add,
  );

  async function refresh() {
    show(again, false);
    try {
      const items = await load();
      list.replaceChildren(...items.map(row));
      adder.disabled = false;
      hint.textContent = items.length ? "" : words.page.none;
    } catch (error) {
      hint.textContent = because(words.page.failed, error);
      show(again, true);
    }
  }

  /** @param {Item} item */
  function row(item) {
    const name = nameOf(item);
    const [first, ...rest] = shown(item);
    return h(
      "li",
      { class: "entry" },
      h("div", { class: "entry-body" }, h("span", { class: "entry-name" }, first), ...rest),
      button(words.page.edit, () => edit(item, refresh), { "aria-label": say(words.page.editNamed, { name }) }),
      canRemove(item) &&
        button(words.page.delete, () => confirmRemoval(item), {
          class: "button small quiet",
          "aria-label": say(words.page.deleteNamed, { name }),
        }),
    );
  }

  /** @param {Item} item */
  function confirmRemoval(item) {
    const name = nameOf(item);
    openForm(
      say(own.deleteTitle, { name }),
      [h("p", {}, say(own.deleteExplain, { name }))],
      words.page.delete,
      async () => {
        await remove(item);
        refresh();
      },
      true,
    );
  }

  refresh();
  return h("div", { class: "settings-section" }, heading(own.title, own.explain), list, hint, again, adder);
}
