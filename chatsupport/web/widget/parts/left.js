import { h, say, write } from "../page.js";
import { words } from "../part.js";

// How many characters may still be written, below the field. It is loaded with the first long text.

const NEAR = 100;
const left = h("small", { id: "left" });

/** @param {HTMLElement} form @param {HTMLElement} field @param {number} rest */
export function show(form, field, rest) {
  if (!left.parentNode) form.append(left);
  field.setAttribute("aria-describedby", "left");
  write(left, rest > NEAR ? "" : say(words.left, rest));
  form.className = rest < 0 ? "failed" : "";
}
