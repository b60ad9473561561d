// What loader.js has already. The server puts these modules into one function (bundle.py), and loader.js calls it with that.
export const { h, icon, texts, bubble, options, keyOf, emit } = given;

/** Is around the bubble. */
export const frame = /** @type {HTMLElement} */ (bubble.parentElement);

/** Times are written in the chat's language as the visitor's country does, where that is known. */
export const locale = navigator.languages.find((one) => one.startsWith(frame.lang)) ?? frame.lang;

export const title = options.title?.trim() || texts.title;

/** @param {string} template @param {any} value */
export const say = (template, value) => template.replace("{}", () => value);
