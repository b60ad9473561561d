import { h, locale, options, say } from "../page.js";
import { words } from "../part.js";

/** @import { Answers, Question, Shown, State } from "../types.js" */

// What stands between a visitor and the chat: refusals, hours, and questions before a chat begins. The questions are those of
// the server's settings and, while the chat is closed, the visitor's email.

const DAY_MS = 86_400_000;
/** @type {Record<string, string>} */
const REFUSED = {
  QUEUE_FULL: words.busy,
  BLOCKED: words.blocked,
  ORIGIN: words.origin,
  INVALID_CONTEXT: words.answer,
};
const OF_VISITOR = ["name", "email", "phone"];
/** The properties of a field, which follow from the question's key or else its type. */
const FIELDS = /** @type {Record<string, object>} */ ({
  name: { autocomplete: "name", maxlength: 100 },
  email: { autocomplete: "email", maxlength: 254, type: "email", pattern: ".+@.+\\..+" },
  phone: { autocomplete: "tel", maxlength: 40, type: "tel" },
  text: { maxlength: 500 },
});
const form = h("div", { class: "questions" });
/** @type {Record<string, any>} The fields in the form, by the questions' keys. */
let fields = {};
let shown = "";

/** Shows or hides the questions. Returns what the header says, if there is anything. @param {Shown} view */
export function update({ state, own, hello, isAsked }) {
  const isShown = isAsked() && state.problem !== "BLOCKED";
  form.hidden = !isShown;
  if (!form.parentNode) hello.after(form);
  if (isShown) show(state, own.kept().answers, `${own.key} `);
  return notice(state);
}

/** Keeps the visitor's answers, and returns them. If one is missing or wrong, this is shown, and there are none. @param {Shown} view */
export function answers(view) {
  update(view);
  const all = Object.entries(fields);
  if (!all.every(([, field]) => field.reportValidity())) return null;
  /** @type {Answers} */
  const given = { visitor: {}, fields: {} };
  for (const [key, { value }] of all) {
    if (value.trim()) given[OF_VISITOR.includes(key) ? "visitor" : "fields"][key] = value.trim();
  }
  view.own.keep({ answers: given });
  return given;
}

/** @param {State} state */
function notice({ problem, isIdle, desk }) {
  if (problem) return REFUSED[problem] ?? words.trouble;
  if (isIdle) return words.idle;
  if (desk?.isOpen !== false || !desk.opensAt) return "";
  const at = new Date(desk.opensAt);
  const time = at.toLocaleTimeString(locale, { timeStyle: "short" });
  if (at.toDateString() === new Date().toDateString()) return say(words.backToday, time);
  /** @type {Intl.DateTimeFormatOptions} */
  const date = +at - Date.now() < 6 * DAY_MS ? {} : { day: "numeric", month: "long" };
  return say(say(words.back, at.toLocaleDateString(locale, { weekday: "long", ...date })), time);
}

/**
 * Returns the questions. The server may have asked for more than this page knows of.
 * @param {State} state
 * @returns {Question[]}
 */
function asked({ desk, wrong }) {
  const isClosed = desk?.isOpen === false;
  // Nobody could answer a guest who leaves the page.
  const mustLeaveEmail = isClosed && !options.userId;
  /** @type {Question[]} */
  const all = (options.preChat?.map ? options.preChat : []).map((/** @type {Question} */ question) =>
    question.key === "email" && mustLeaveEmail ? { ...question, required: true } : question,
  );
  const add = (/** @type {Question} */ question) => all.some(({ key }) => key === question.key) || all.push(question);
  for (const { field } of wrong ?? []) {
    const key = field.replace(/.*\./, "");
    add({ key, label: key === "email" ? words.email : key, type: key === "email" ? key : "text", required: true });
  }
  if (isClosed) add({ key: "email", label: words.email, type: "email", required: mustLeaveEmail });
  return all;
}

/**
 * Draws the questions, if they are not there yet. Fields keep what is in them.
 * @param {State} state
 * @param {Answers | undefined} before the visitor's earlier answers
 * @param {string} person
 */
function show(state, before, person) {
  const questions = asked(state);
  const now = person + JSON.stringify([questions, state.desk?.isOpen === false]);
  if (now === shown) return;
  const old = shown.startsWith(person) ? fields : {};
  const at = Object.keys(old).find((key) => old[key].matches(":focus"));
  shown = now;
  fields = {};
  form.replaceChildren();
  if (state.desk?.isOpen === false) form.append(h("p", null, words.leave));
  for (const { key, label, type, options: choices, required } of questions) {
    const field = choices
      ? h("select", { required }, ...["", ...choices].map((value) => h("option", { value }, value || words.choose)))
      : h("input", { ...(FIELDS[key] ?? FIELDS[type]), required });
    const known = old[key]?.value ?? before?.visitor?.[key] ?? before?.fields?.[key];
    if (known?.trim) field.value = known;
    fields[key] = field;
    form.append(h("label", null, required ? label : say(words.optional, label), field));
  }
  // The visitor begins with the first question, unless they are writing already.
  /** @type {HTMLTextAreaElement | null | undefined} */
  const focused = form.parentElement?.querySelector("textarea:focus");
  if (focused?.value === "") Object.values(fields)[0]?.focus();
  else if (at) fields[at]?.focus();
}

/** Tells whether the server is there, but this page may not call it. @param {string} server */
export async function isRefused(server) {
  const answers = (/** @type {string} */ path) =>
    fetch(server + path, { cache: "no-store", signal: AbortSignal.timeout(5_000) }).then(Boolean, () => false);
  return (await answers("/widget.js")) && !(await answers("/api/health"));
}
