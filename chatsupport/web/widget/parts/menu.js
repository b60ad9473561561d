import { h, options, write } from "../page.js";
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
  if (open) return open.remove();

  const sound = h("button", { "aria-pressed": `${!!own.kept().sound}`, onclick: turn }, words.sound);
  const canEnd = state.id && state.status !== "ended" && !state.isEnding && state.problem !== "BLOCKED";
  const items = h(
    "div",
    null,
    sound,
    state.id && h("button", { onclick: download }, words.transcript),
    canEnd && h("button", { onclick: ask }, words.endChat),
  );
  const trouble = h("small", { role: "alert" });
  const menu = h("div", { class: "menu", onkeydown, onfocusout }, items, trouble);
  /** @type {HTMLElement} */ (button.parentElement).after(menu);
  button.ariaExpanded = "true";
  sound.focus();
  panel.addEventListener("pointerdown", leaveByPointer);
  // It is removed by the button, too, and by the view when another visitor begins.
  const observer = new MutationObserver(() => menu.isConnected || close());
  observer.observe(panel, { childList: true });

  function close() {
    observer.disconnect();
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
    write(trouble, "");
    const file = await transcript().catch(console.warn);
    if (!file) return write(trouble, words.trouble);
    const href = URL.createObjectURL(file);
    h("a", { href, download: `${state.id}.html` }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
    if (!menu.isConnected) return;
    close();
    button.focus();
  }

  async function transcript() {
    const headers = { Authorization: `Bearer ${await chat.getToken()}` };
    const answer = await fetch(`${options.server}/api/chat/transcript/${state.id}?format=html`, { headers });
    if (!answer.ok) throw new Error(`The server answered with ${answer.status}.`);
    return answer.blob();
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
