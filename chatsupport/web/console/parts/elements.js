import { h } from "../../shared/elements.js";

// The functions that make the console's views, besides h().

/** @type {Record<string, string>} */
const PATHS = {
  send: "M4 12 20 4l-5 16-3-6.5z M12 13.5 20 4",
  back: "M15 5l-7 7 7 7",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8z M4 20c1-4 4-6 8-6s7 2 8 6",
  transfer: "M4 8h14l-4-4 M20 16H6l4 4",
  end: "M6 6l12 12 M18 6 6 18",
  help: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z M9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .8-1 1.7 M12 17v.01",
  leave: "M10 4H5v16h5 M9 12h11 M16 8l4 4-4 4",
  down: "M12 5v14 M6 13l6 6 6-6",
  eye: "M2 12s4-7 10-7 10 7 10 7-4 7-10 7-10-7-10-7z M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
  eyeOff: "M2 12s4-7 10-7 10 7 10 7-4 7-10 7-10-7-10-7z M4 4l16 16",
  take: "M12 4v11 M7 10.5l5 5 5-5 M4 20h16",
  chats: "M4 5h16v11H9l-5 4z",
  queue: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z M12 7v5l3 2",
  ended: "M5 12.5l4.5 4.5L19 7",
  all: "M4 6h16 M4 12h16 M4 18h16",
  overview: "M4 20V10 M10 20V4 M16 20v-7 M21 20H3",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14z M16 16l4.5 4.5",
  lock: "M6 11h12v9H6z M8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  bell: "M6 16V11a6 6 0 0 1 12 0v5l2 2H4z M10 21h4",
  settings: "M4 7h9 M17 7h3 M15 4.5v5 M4 17h3 M11 17h9 M9 14.5v5",
  add: "M12 5v14 M5 12h14",
  up: "M12 19V5 M6 11l6-6 6 6",
  attach: "M20 11.5 12 19.5a5 5 0 0 1-7-7l8-8a3.4 3.4 0 0 1 4.8 4.8l-8 8a1.8 1.8 0 0 1-2.6-2.6l7.3-7.2",
  file: "M6 3h8l4 4v14H6z M14 3v4h4",
  alert: "M12 4 2.5 20h19z M12 10v4 M12 17v.01",
};

/** Makes one of our icons. Screen readers skip it, because the button around it has a name. @param {string} name */
export const icon = (name) =>
  h("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }, h("path", { d: PATHS[name] }));

/**
 * Writes a text only if it differs, so that a selection in it survives and a screen reader does not repeat it.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Sets an attribute; null removes it. An ARIA state needs the word "false", because without the attribute there is no state.
 * @param {Element} element
 * @param {string} name
 * @param {string | number | boolean | null} value
 */
export function setAttribute(element, name, value) {
  if (value === null || (value === false && !name.startsWith("aria-"))) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}

/** @param {HTMLElement} element @param {boolean} visible */
export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

/** @type {WeakMap<Element, Map<unknown, { element: HTMLElement, update(item: any): void }>>} */
const kept = new WeakMap();

/**
 * Makes the children of `parent` match `items`, in their order. An item that was there before keeps its element with its
 * focus, selection and scroll position.
 * @template Item
 * @param {Element} parent
 * @param {readonly Item[]} items
 * @param {(item: Item) => unknown} keyOf
 * @param {(item: Item) => { element: HTMLElement, update(item: Item): void }} create
 */
export function keyed(parent, items, keyOf, create) {
  const before = kept.get(parent) ?? new Map();
  const after = new Map();
  const focused = parent.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement) : null;
  const keys = new Set(items.map(keyOf));
  for (const [key, part] of before) if (!keys.has(key)) part.element.remove();
  let place = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    const part = before.get(key) ?? create(item);
    after.set(key, part);
    part.update(item);
    if (part.element === place) place = part.element.nextSibling;
    else parent.insertBefore(part.element, place);
  }
  kept.set(parent, after);
  if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
}

/** Returns the letters in a person's circle. @param {string} name */
export function initials(name) {
  const words = name.split(/[\s._@-]+/u).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words[1]] : [words[0] ?? "?"];
  return letters.map((word) => [...word][0].toUpperCase()).join("");
}

export function avatar(name = "") {
  return h("span", { class: "avatar", "aria-hidden": "true" }, name && initials(name));
}
