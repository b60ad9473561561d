// Elements with text in them. Nothing is ever taken for HTML.

/**
 * @param {string} name
 * @param {string} text
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function element(name, text = "", ...children) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

/**
 * @param {string} name
 * @param {string} className
 * @param {string} text
 * @returns {HTMLElement}
 */
export function classed(name, className, text = "") {
  const made = element(name, text);
  made.className = className;
  return made;
}
