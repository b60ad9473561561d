// Moves the focus, and knows whether the agent is there. On a touch screen the field is not focused automatically, because a keyboard would cover the chat.

const coarse = matchMedia("(pointer: coarse)");

/** Whether the agent looks at this tab. */
export const isLooking = () => !document.hidden && document.hasFocus();

/** @param {boolean} [force] */
export function focusComposer(force = false) {
  queueMicrotask(() => {
    /** @type {HTMLTextAreaElement | null} */
    const field = document.querySelector(".composer textarea");
    const usable = field?.offsetParent && !field.readOnly;
    if (usable && (force || !(coarse.matches || field.closest(".is-note")))) field.focus();
    else focusFirst(".conversation-title");
  });
}

/** @param {string} sessionId */
export function focusRow(sessionId) {
  queueMicrotask(() => focusFirst(`.list [data-session="${CSS.escape(sessionId)}"]`));
}

/** After a key has opened a list: the next Tab leads into it. */
export function focusList() {
  queueMicrotask(() => focusFirst(".navigation-item[aria-current]"));
}

/** @param {string} selector */
export function focusFirst(selector) {
  const found = document.querySelector(selector);
  if (found instanceof HTMLElement) found.focus();
}
