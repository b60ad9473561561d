/** @import { h } from "./elements.js" */

// Pictures that open large: the arrow keys show the others, Escape closes, and the focus goes back to where it was.

/**
 * @typedef {object} Picture
 * @property {string} text says what is in the picture
 * @property {() => Promise<{ image: HTMLElement, url: string }>} load returns an element that shows it, and its address
 */

/**
 * @param {readonly Picture[]} pictures
 * @param {number} first which of them to show
 * @param {object} how
 * @param {{ close: string, previous: string, next: string, original: string, failed: string }} how.labels
 * @param {Node} how.parent
 * @param {typeof h} how.make makes an element
 */
export function openPictures(pictures, first, { labels, parent, make }) {
  let at = first;
  const place = make("div", {});
  const caption = make("p", { dir: "auto", "aria-live": "polite" });
  const original = make("a", { target: "_blank", rel: "noopener" }, labels.original);
  const button = (/** @type {string} */ label, /** @type {string} */ sign, /** @type {() => void} */ onclick) =>
    make("button", { type: "button", "aria-label": label, title: label, onclick }, sign);
  const previous = button(labels.previous, "‹", () => show(at - 1));
  const next = button(labels.next, "›", () => show(at + 1));
  const dialog = make(
    "dialog",
    { class: "pictures", "aria-label": labels.close, onkeydown, onkeypress: stop, onkeyup: stop, onclick: leave },
    button(labels.close, "×", () => dialog.close()),
    previous,
    make("figure", {}, place, caption, original),
    next,
  );

  /** @param {number} wanted */
  async function show(wanted) {
    if (!pictures[wanted]) return;
    at = wanted;
    const { text, load } = pictures[at];
    const focused = [previous, next].find((one) => one.matches(":focus"));
    [previous.disabled, next.disabled] = [at === 0, at === pictures.length - 1];
    if (focused?.disabled) (focused === next ? previous : next).focus();
    caption.textContent = dialog.ariaLabel = text;
    place.replaceChildren();
    original.hidden = true;
    try {
      const { image, url } = await load();
      if (at !== wanted) return;
      place.replaceChildren(image);
      original.href = url;
      original.hidden = false;
    } catch {
      if (at === wanted) caption.textContent = labels.failed;
    }
  }

  /** The page has keys of its own. @param {Event} event */
  function stop(event) {
    event.stopPropagation();
  }

  /** @param {KeyboardEvent} event */
  function onkeydown(event) {
    stop(event);
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
