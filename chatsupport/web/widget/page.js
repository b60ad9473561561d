// Values that loader.js already has. The server puts these modules into one function (bundle.py), which gets them.
export const { h, icon, texts, bubble, options, keyOf, emit, load } = given;

/** Is around the bubble. */
export const frame = /** @type {HTMLElement} */ (bubble.parentElement);

/** Times are written in the chat's language and, if it is known, in the way of the visitor's country. */
export const locale = navigator.languages.find((one) => one.startsWith(frame.lang)) ?? frame.lang;

export const title = options.title?.trim() || texts.title;

/** @param {string} template @param {any} value */
export const say = (template, value) => template.replace("{}", () => value);

/** Changes an element's text only if it differs, so that screen readers do not repeat it. @param {Node} element @param {string} text */
export const write = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};
