import { language } from "../texts.js";
import { english } from "./languages/en.js";

/**
 * The tables of all languages, as in ../texts.js.
 * @type {Record<string, typeof english>}
 */
const LANGUAGES = { en: english };

export const words = LANGUAGES[language] ?? english;
