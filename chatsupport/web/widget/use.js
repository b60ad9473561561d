import { bubble, frame, load } from "./page.js";

// Loads the parts of the chat that not every chat needs. Each is a module in parts/, which is loaded when it is used for the
// first time. It may import page.js and shared modules. All parts share one style and one table of texts (`words`).

/** @type {Record<string, Promise<any>>} */
const parts = {};
/** @type {Promise<string[]> | undefined} */
let words;

const prepare = async () => {
  const [table, sheet] = await load(`parts/languages/${frame.lang}.js`, "parts.css");
  /** @type {ShadowRoot} */ (bubble.getRootNode()).adoptedStyleSheets.push(sheet);
  return table.default;
};

/** Resolves with what a part exports. @param {string} name */
export const use = (name) => {
  words ??= prepare();
  parts[name] ??= load(`parts/${name}.js`).then(async ([{ start }]) => start({ ...given, words: await words }));
  return parts[name];
};
