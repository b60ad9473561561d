/** @import { h } from "./elements.js" */

// Pictures that open large: the arrow keys show the others, Escape closes, and the focus goes back to where it was.

/**
 * @param {readonly { url: () => Promise<string>, text: string }[]} pictures
 * @param {number} first which of them to show
 * @param {object} how
 * @param {{ close: string, previous: string, next: string, failed: string }} how.labels
 * @param {Node} how.parent
 * @param {typeof h} how.make makes an element
 */
export function openPictures(pictures, first, { labels, parent, make }) {
  let at = first;
  const image = make("img", {});
  const caption = make("p", { dir: "auto" });
  const button = (/** @type {string} */ label, /** @type {string} */ sign, /** @type {() => void} */ onclick) =>
    make("button", { type: "button", "aria-label": label, title: label, onclick }, sign);
  const previous = button(labels.previous, "‹", () => show(at - 1));
  const next = button(labels.next, "›", () => show(at + 1));
  const dialog = make(
    "dialog",
    { class: "pictures", "aria-label": labels.close, onkeydown, onclick: leave },
    button(labels.close, "×", () => dialog.close()),
    previous,
    make("figure", {}, image, caption),
    next,
  );

  /** @param {number} wanted */
  async function show(wanted) {
    if (!pictures[wanted]) return;
    at = wanted;
    const { url, text } = pictures[at];
    [previous.disabled, next.disabled] = [at === 0, at === pictures.length - 1];
    caption.textContent = image.alt = dialog.ariaLabel = text;
    image.removeAttribute("src");
    try {
      const address = await url();
      if (at === wanted) image.src = address;
    } catch {
      caption.textContent = labels.failed;
    }
  }

  /** @param {KeyboardEvent} event */
  function onkeydown(event) {
    event.stopPropagation(); // The page has keys of its own.
    const isBackwards = getComputedStyle(dialog).direction === "rtl";
    if (event.key === "ArrowLeft") show(at + (isBackwards ? 1 : -1));
    if (event.key === "ArrowRight") show(at + (isBackwards ? -1 : 1));
  }

  /** @param {Event} event */
  function leave(event) {
    if (event.target === dialog) dialog.close(); // Beside the picture.
  }

  dialog.addEventListener("close", () => dialog.remove());
  parent.appendChild(dialog);
  dialog.showModal();
  show(first);
}
