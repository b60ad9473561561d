import { h, options } from "../page.js";
import { words } from "../part.js";

/** @import { Shown } from "../types.js" */

// The menu of the chat: sound, the transcript, and the end.

/**
 * Opens the menu below a button, or closes it.
 * @param {Shown} view
 * @param {HTMLElement} button
 */
export function show({ panel, own, chat, state, focus, chime }, button) {
  const open = panel.querySelector(".menu");
  if (open) {
    button.ariaExpanded = "false";
    return open.remove();
  }

  const sound = h("button", { "aria-pressed": `${!!own.kept().sound}`, onclick: turn }, words.sound);
  const canEnd = state.id && state.status !== "ended" && !state.isEnding && state.problem !== "BLOCKED";
  const items = h(
    "div",
    null,
    sound,
    state.id && h("button", { onclick: download }, words.transcript),
    canEnd && h("button", { onclick: ask }, words.endChat),
  );
  const menu = h("div", { class: "menu", onkeydown, onfocusout }, items);
  /** @type {HTMLElement} */ (button.parentElement).after(menu);
  button.ariaExpanded = "true";
  sound.focus();
  panel.addEventListener("pointerdown", leaveByPointer);

  function close() {
    panel.removeEventListener("pointerdown", leaveByPointer);
    menu.remove();
    button.ariaExpanded = "false";
  }

  /** @param {KeyboardEvent} event */
  function onkeydown(event) {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
    button.focus();
  }

  // A click on the button closes the menu by itself.
  const isOutside = (/** @type {EventTarget | null} */ target) =>
    target instanceof Node && !button.contains(target) && !menu.contains(target);

  /** @param {FocusEvent} event */
  function onfocusout({ relatedTarget }) {
    if (isOutside(relatedTarget)) close();
  }

  /** @param {Event} event */
  function leaveByPointer({ target }) {
    if (isOutside(target)) close();
  }

  function turn() {
    const isOn = !own.kept().sound;
    own.keep({ sound: isOn });
    if (isOn) chime();
    sound.ariaPressed = `${isOn}`;
  }

  async function download() {
    close();
    button.focus();
    const token = await chat.getToken();
    const answer = await fetch(`${options.server}/api/chat/transcript/${state.id}?format=html`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    if (!answer.ok) return;
    const href = URL.createObjectURL(await answer.blob());
    h("a", { href, download: `${state.id}.html` }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
  }

  function ask() {
    const keep = h("button", { onclick: leave }, words.keep);
    const group = { role: "group", "aria-label": words.sure };
    items.replaceWith(h("div", group, h("p", null, words.sure), h("button", { onclick: end }, words.end), keep));
    keep.focus();
  }

  function leave() {
    close();
    focus();
  }

  function end() {
    close();
    chat.end();
    // Afterwards, the visitor can start a new chat.
    button.focus();
    const again = /** @type {HTMLElement} */ (panel.querySelector(".again"));
    const observer = new MutationObserver(() => {
      if (again.hidden) return;
      observer.disconnect();
      if (button.matches(":focus")) again.focus();
    });
    observer.observe(again, { attributes: true });
  }
}
