import { english } from "./languages/en.js";

/** @typedef {typeof english} Texts */

/**
 * The tables of all languages. A new language is a table like languages/en.js, and a line here.
 * @type {Record<string, Texts>}
 */
const LANGUAGES = { en: english };

/** The first of the browser's languages that has a table. */
export const language = navigator.languages.map((tag) => tag.split("-")[0]).find((name) => LANGUAGES[name]) ?? "en";

/** @type {Texts} */
export const texts = LANGUAGES[language];

const plurals = new Intl.PluralRules(language);

/**
 * Fills values into a text: {name} stands for one. A text that counts has a form for each plural category of its language,
 * and `count` chooses between them.
 * @param {string | { other: string, [category: string]: string }} text
 * @param {Record<string, string | number>} [values]
 */
export function say(text, values = {}) {
  const form = typeof text === "string" ? text : (text[plurals.select(Number(values.count))] ?? text.other);
  return form.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}
