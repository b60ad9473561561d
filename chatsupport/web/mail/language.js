// The pages to which links in mails lead are in the first of the visitor's languages that the chat has.

/**
 * Returns the texts of a table in that language, and marks the page with it.
 * @template T
 * @param {{ en: T, de: T, ar: T }} tables
 * @returns {T}
 */
export function textsOf(tables) {
  for (const wanted of navigator.languages) {
    const language = wanted.toLowerCase().split("-")[0];
    if (language === "en" || language === "de" || language === "ar") {
      document.documentElement.lang = language;
      document.documentElement.dir = language === "ar" ? "rtl" : "ltr";
      return tables[language];
    }
  }
  return tables.en;
}

/** @param {string} id */
export const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
