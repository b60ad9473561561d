import { h } from "../../shared/elements.js";
import { setAttribute, setText, show } from "../parts/elements.js";
import { createEmpty } from "../parts/empty.js";
import { isSupervisor, notify, state } from "../store.js";
import { say, texts } from "../texts.js";
import { discard, draft, isDirty, keepMine, loadDraft, save, takeTheirs } from "./draft.js";
import { button, showProblems } from "./fields.js";
import { GROUPS, SECTIONS } from "./sections.js";
import { words } from "./texts.js";

/** @import { View } from "../types.js" */

// The page with the settings, for supervisors. It is loaded when it is opened, and stays as it is while it is not shown.

/** Where this file came from. A newer console has another address. */
export const address = import.meta.url;

/** Loads the page's styles, once. */
export function loadStyles() {
  const link = h("link", { rel: "stylesheet", href: new URL("./settings.css", import.meta.url).href });
  return new Promise((resolve) => {
    for (const name of ["load", "error"]) link.addEventListener(name, resolve);
    document.head.append(link);
  });
}

const opened = () => {
  const id = location.hash.split("/")[2];
  return SECTIONS.find((section) => section.id === id) ?? SECTIONS[0];
};

/** @returns {View} */
export function createPage() {
  const links = SECTIONS.map(({ id, label }) => {
    const mark = h("span", { class: "unsaved-mark", "aria-hidden": "true" });
    return h("a", { class: "settings-link", href: `#/settings/${id}` }, label, mark);
  });
  const groups = GROUPS.map(({ label, sections }) =>
    h(
      "div",
      { class: "settings-group" },
      h("h2", {}, label),
      ...sections.map((section) => links[SECTIONS.indexOf(section)]),
    ),
  );
  const body = h("div", { class: "settings-body" });
  const failed = createEmpty();
  const bar = createBar();
  let shown = "";

  addEventListener("beforeunload", (event) => isDirty() && event.preventDefault());

  return {
    element: h(
      "div",
      { class: "settings-columns" },
      h("nav", { class: "settings-nav", "aria-label": words.page.sections }, ...groups),
      h("div", { class: "settings-main" }, body, failed.element, bar.element),
    ),
    update() {
      if (!isSupervisor()) return;
      if (!draft.now && !draft.error) loadDraft();
      const section = opened();
      const isReady = !section.part || draft.now;
      // Other sections stay as they are when the settings are loaded anew.
      const key = isReady ? `${state.agent?.id} ${section.id} ${section.part ? draft.revision : ""}` : "";
      if (key !== shown) {
        shown = key;
        body.replaceChildren(isReady ? section.create() : h("p", { class: "muted", role: "status" }, texts.loading));
      }
      for (const [index, { id, part }] of SECTIONS.entries()) {
        setAttribute(links[index], "aria-current", id === section.id ? "page" : null);
        const isChanged = part && draft.now && JSON.stringify(draft.now[part]) !== JSON.stringify(draft.base[part]);
        links[index].classList.toggle("is-unsaved", Boolean(isChanged));
      }
      show(body, Boolean(isReady || !draft.error));
      show(failed.element, Boolean(!isReady && draft.error));
      failed.update({
        image: "alert",
        title: words.page.sections,
        text: draft.error ?? "",
        label: texts.tryAgain,
        act: loadDraft,
      });
      bar.update();
    },
  };
}

/** The bar with the buttons that save or discard everything. */
function createBar() {
  const text = h("p", { role: "status" });
  const theirs = button(words.page.reload, takeTheirs);
  const mine = button(words.page.keep, keepMine, { class: "button small primary" });
  const undo = button(words.page.discard, discard, { class: "button quiet" });
  const submit = button(words.page.save, store, { class: "button primary" });
  const element = h("div", { class: "save-bar" }, text, theirs, mine, undo, submit);

  async function store() {
    await save();
    const body = /** @type {HTMLElement | null} */ (document.querySelector(".settings-body"));
    if (!body || !draft.problems.length) return;
    const place = draft.problems[0].field.split(".")[0];
    const section = SECTIONS.find(({ part }) => part === place);
    if (section && section !== opened()) {
      location.hash = `#/settings/${section.id}`;
      notify();
      await new Promise((resolve) => setTimeout(resolve)); // until it is shown
    }
    showProblems(body);
    /** @type {HTMLElement | null} */
    const wrong = body.querySelector("[aria-invalid=true]");
    wrong?.focus();
  }

  return {
    element,
    update() {
      const { conflict, error, isSaving } = draft;
      show(element, isDirty() || Boolean(conflict));
      const changed =
        conflict && say(words.page.changed, { agent: conflict.agent, sections: conflict.theirs.join(", ") });
      setText(text, changed ?? error ?? (isSaving ? words.page.saving : words.page.unsaved));
      text.classList.toggle("failure", Boolean(changed ?? error));
      show(theirs, Boolean(conflict));
      show(mine, Boolean(conflict));
      show(undo, !conflict);
      show(submit, !conflict);
      submit.disabled = isSaving;
    },
  };
}
