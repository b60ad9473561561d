import { h } from "../../shared/elements.js";

// Copies text. The browser's clipboard is available to pages that came over https or from this machine. On other pages the
// old command copies from a temporary field.

/** Copies a text. Resolves with whether the browser let us. @param {string} text */
export async function copyText(text) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // It is not allowed here, but the old command may be.
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
