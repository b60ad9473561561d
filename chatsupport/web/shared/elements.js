/** @typedef {string | Node | null | undefined | false} Child */

/**
 * Makes an element. Properties that begin with "on" are listeners; one that is false, null or undefined is left out, and so
 * is such a child. Children that are strings become text and never HTML: what people write is shown, not run.
 * @template {string} Tag
 * @param {Tag} tag
 * @param {Record<string, any> | null} [properties]
 * @param {...Child} children
 * @returns {Tag extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[Tag] : HTMLElement}
 */
export const h = (tag, properties, ...children) => {
  const space = `http://www.w3.org/${/svg|path/.test(tag) ? "2000/svg" : "1999/xhtml"}`;
  const element = /** @type {any} */ (document.createElementNS(space, tag));
  for (const name in properties) {
    const value = properties[name];
    if (/^on/.test(name)) element.addEventListener(name.slice(2), value);
    else if (value) element.setAttribute(name, value);
  }
  for (const child of children) if (child) element.append(child);
  return element;
};
