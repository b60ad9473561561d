import { h } from "../../shared/elements.js";

// Copying. The browser's clipboard is there for pages that came over https or from this machine; elsewhere the old
// command does it, from a field that is there for that moment only.

/** Copies a text. Resolves with whether the browser let us. @param {string} text */
export async function copyText(text) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Not allowed here; the old command may be.
    }
  }
  const field = h("textarea", { class: "visually-hidden", readonly: true });
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  field.value = text;
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  focused?.focus({ preventScroll: true });
  return copied;
}
