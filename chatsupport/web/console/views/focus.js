// Where the focus goes. On a touch screen the field is not focused unasked: a keyboard would cover the chat.

const coarse = matchMedia("(pointer: coarse)");

export function focusComposer(force = false) {
  queueMicrotask(() => {
    const field = document.querySelector(".composer textarea");
    const usable = field && field.offsetParent && !field.readOnly;
    if (usable && (force || !coarse.matches)) field.focus();
    else document.querySelector(".conversation-title")?.focus();
  });
}

export function focusRow(sessionId) {
  queueMicrotask(() => document.querySelector(`.list [data-session="${CSS.escape(sessionId)}"]`)?.focus());
}
