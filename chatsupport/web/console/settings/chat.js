import { h } from "../../shared/elements.js";
import { say } from "../texts.js";
import { draft } from "./draft.js";
import { adder, area, check, choose, entry, field, heading, input, problemAt, section } from "./fields.js";
import { words } from "./texts.js";

// What visitors read and are asked, and why chats end.

const MAX_REASONS = 20;
const MAX_QUESTIONS = 8;

export const createEndReasons = () =>
  section((element, render) => {
    const own = words.endReasons;
    const list = draft.now.endReasons;
    const rows = list.map((/** @type {any} */ reason, /** @type {number} */ at) =>
      entry(
        list,
        at,
        "setting-row",
        render,
        field(
          own.label,
          input(reason.label, (value) => (reason.label = value), { maxlength: "60" }),
          {
            place: `endReasons.${at}.label`,
          },
        ),
        check(reason.isPublic, own.isPublic, (value) => (reason.isPublic = value)),
      ),
    );
    element.append(
      heading(own.title, own.explain),
      h("ul", { class: "setting-rows" }, ...rows),
      problemAt("endReasons"),
      adder(own.add, list, MAX_REASONS, () => ({ label: "", isPublic: true }), render),
    );
  });

export const createTexts = () =>
  section((element) => {
    const own = words.words;
    const texts = draft.now.texts;
    /** @param {"greeting" | "away" | "ended"} name @param {string} [hint] */
    const line = (name, hint) =>
      field(
        own[name],
        area(texts[name] ?? "", (value) => (texts[name] = value.trim() ? value : null), { maxlength: "300" }),
        {
          hint,
          place: `texts.${name}`,
        },
      );
    element.append(heading(own.title, own.explain), line("greeting", own.greetingHint), line("away"), line("ended"));
  });

/** Questions that go into the visitor's own data have its key. */
const KEYS = ["name", "email", "phone"];

/** @param {any} question */
const kindOf = ({ key, type }) => (KEYS.includes(key) ? key : type === "select" ? "select" : "text");

/** @param {any} question @param {string} kind @param {any[]} others */
function become(question, kind, others) {
  const isOwn = KEYS.includes(kind);
  const wasOwn = KEYS.includes(question.key);
  question.type = kind === "name" || kind === "text" ? "text" : kind;
  if (isOwn) question.key = kind;
  else if (wasOwn) question.key = freeKey(others);
  if (kind === "select") question.options ??= [];
  else delete question.options;
}

/** @param {any[]} questions */
function freeKey(questions) {
  for (let number = questions.length + 1; ; number += 1)
    if (!questions.some(({ key }) => key === `question${number}`)) return `question${number}`;
}

export const createQuestions = () =>
  section((element, render) => {
    const own = words.questions;
    const list = draft.now.preChat;
    const kinds = { name: own.name, email: own.email, phone: own.phone, text: own.text, select: own.select };
    const rows = list.map((/** @type {any} */ question, /** @type {number} */ at) => {
      const place = `preChat.${at}`;
      const kind = kindOf(question);
      const others = list.filter((/** @type {any} */ other) => other !== question);
      const free = Object.fromEntries(
        Object.entries(kinds).filter(
          ([one]) => one === kind || !others.some((/** @type {any} */ { key }) => key === one),
        ),
      );
      function change(/** @type {string} */ value) {
        become(question, value, others);
        render();
      }
      const options = area(
        (question.options ?? []).join("\n"),
        (value) =>
          (question.options = value
            .split("\n")
            .map((line) => line.trim())
            .filter(Boolean)),
        { rows: "4" },
      );
      return entry(
        list,
        at,
        "setting-row question",
        render,
        field(
          own.label,
          input(question.label, (value) => (question.label = value), { maxlength: "80" }),
          {
            place: `${place}.label`,
          },
        ),
        field(own.asks, choose(kind, free, change), { place: `${place}.type` }),
        !KEYS.includes(kind) &&
          field(
            own.key,
            input(question.key, (value) => (question.key = value.trim()), { maxlength: "40" }),
            {
              hint: own.keyHint,
              place: `${place}.key`,
            },
          ),
        kind === "select" && field(own.options, options, { place: `${place}.options` }),
        check(question.required, own.required, (value) => (question.required = value)),
        problemAt(place),
      );
    });
    function next() {
      const key = KEYS.find((one) => !list.some((/** @type {any} */ other) => other.key === one));
      const question = { key: freeKey(list), label: "", type: "text", required: false };
      if (key) {
        become(question, key, list);
        question.label = say(own.newLabel, { what: kinds[/** @type {"name"} */ (key)].toLowerCase() });
      }
      return question;
    }
    element.append(
      heading(own.title, own.explain),
      h("ul", { class: "setting-rows" }, ...rows),
      problemAt("preChat"),
      adder(own.add, list, MAX_QUESTIONS, next, render),
    );
  });
