import { h } from "../../shared/elements.js";
import { setText } from "../parts/elements.js";
import { get } from "../server/api.js";
import { language, say } from "../texts.js";
import { draft, edited, isDirty } from "./draft.js";
import { adder, button, field, heading, iconButton, input, problemAt, section } from "./fields.js";
import { words } from "./texts.js";

// The opening hours: always, or spans on each day of the week, and dates with spans of their own.

/** @typedef {[string, string][]} Spans */

const own = words.hours;
const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MAX_SPANS = 10;
const MAX_EXCEPTIONS = 400;
const MIDNIGHT = "24:00";

const weekday = new Intl.DateTimeFormat(language, { weekday: "long", timeZone: "UTC" });
/** @param {number} day from Monday, 0 */
const nameOf = (day) => weekday.format(Date.UTC(2024, 0, 1 + day));

/** The browser's own zone comes first, because most teams sit in it. */
const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** @returns {any} */
function usual() {
  const weekly = Object.fromEntries(DAYS.map((day, at) => [day, at < 5 ? [["09:00", "17:00"]] : []]));
  return { timeZone: zone(), weekly, exceptions: [] };
}

export const createHours = () => {
  // Kept while the chat is set to be always open, in case that was a mistake.
  let kept = draft.now.hours;
  return section((element, render) => {
    const { hours } = draft.now;
    const group = "hours-when";
    /** @param {string} label @param {boolean} checked @param {() => any} become */
    const radio = (label, checked, become) =>
      h(
        "label",
        { class: "choice" },
        h("input", {
          type: "radio",
          name: group,
          checked,
          onchange() {
            kept = draft.now.hours ?? kept;
            draft.now.hours = become();
            edited();
            render();
          },
        }),
        h("span", { class: "choice-body" }, label),
      );
    const now = h("p", { class: "muted", role: "status" });
    if (!isDirty()) tellNow(now);
    element.append(
      heading(own.title, own.explain),
      h(
        "fieldset",
        { class: "plain" },
        h("legend", { class: "visually-hidden" }, own.when),
        radio(own.always, hours === null, () => null),
        radio(own.atTimes, hours !== null, () => kept ?? usual()),
      ),
      now,
      problemAt("hours"),
    );
    if (hours) element.append(...times(hours, render));
  });
};

/** Says whether the chat is open by the stored hours. @param {HTMLElement} element */
async function tellNow(element) {
  const { isOpen, opensAt } = await get("/api/chat/availability").catch(() => ({}));
  if (isOpen === undefined) return; // It is not needed for anything else.
  const time =
    opensAt && new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "short" }).format(new Date(opensAt));
  setText(element, isOpen ? own.isOpen : time ? say(own.isClosed, { time }) : own.staysClosed);
}

/** @param {any} hours @param {() => void} render */
function times(hours, render) {
  const zones = h(
    "datalist",
    { id: "time-zones" },
    ...Intl.supportedValuesOf("timeZone").map((value) => h("option", { value })),
  );
  const days = DAYS.map((day, at) => {
    const name = nameOf(at);
    hours.weekly[day] ??= [];
    return h(
      "div",
      { class: "day-hours" },
      h("span", { class: "day-name" }, name),
      spansOf(hours.weekly[day], name, `hours.weekly.${day}`, render),
    );
  });
  function copyMonday() {
    for (const day of DAYS.slice(1, 5)) hours.weekly[day] = structuredClone(hours.weekly.mon);
    edited();
    render();
  }
  const exceptions = hours.exceptions.map((/** @type {any} */ exception, /** @type {number} */ at) => {
    const place = `hours.exceptions.${at}`;
    function remove() {
      hours.exceptions.splice(at, 1);
      edited();
      render();
    }
    return h(
      "li",
      { class: "setting-row exception" },
      field(
        own.date,
        input(exception.date, (value) => (exception.date = value), { type: "date" }),
        { place: `${place}.date` },
      ),
      field(
        own.name,
        input(exception.name ?? "", (value) => (exception.name = value || null), { maxlength: "60" }),
        {
          place: `${place}.name`,
        },
      ),
      spansOf(exception.spans, exception.name || exception.date || own.date, `${place}.spans`, render),
      problemAt(place),
      iconButton("end", `${own.removeException}: ${exception.name || exception.date}`, remove),
    );
  });
  return [
    field(
      own.zone,
      input(hours.timeZone, (value) => (hours.timeZone = value.trim()), { list: "time-zones" }),
      {
        place: "hours.timeZone",
      },
    ),
    zones,
    h("h3", {}, own.weekly),
    h("div", { class: "week" }, ...days),
    problemAt("hours.weekly"),
    h("p", { class: "muted small-text" }, own.midnight),
    button(own.weekdays, copyMonday),
    h("h3", {}, own.exceptions),
    h("ul", { class: "setting-rows" }, ...exceptions),
    problemAt("hours.exceptions"),
    adder(own.addException, hours.exceptions, MAX_EXCEPTIONS, () => ({ date: "", spans: [], name: null }), render),
  ];
}

/** @param {Spans} spans @param {string} day @param {string} place @param {() => void} render */
function spansOf(spans, day, place, render) {
  const rows = spans.map((span, at) => {
    /** @param {0 | 1} end @param {string} label */
    const time = (end, label) =>
      input(
        span[end] === MIDNIGHT ? "00:00" : span[end],
        (value) => (span[end] = end && value === "00:00" ? MIDNIGHT : value),
        { type: "time", "aria-label": say(label, { day }), "aria-describedby": `${place}.${at}` },
      );
    function remove() {
      spans.splice(at, 1);
      edited();
      render();
    }
    return h(
      "div",
      { class: "span" },
      time(0, own.from),
      "–",
      time(1, own.to),
      iconButton("end", say(own.removeSpan, { day }), remove),
      problemAt(`${place}.${at}`, `${place}.${at}`),
    );
  });
  function add() {
    // After the last hours there are, or the usual ones.
    const last = spans.at(-1)?.[1];
    spans.push(last && last < MIDNIGHT ? [last, MIDNIGHT] : ["09:00", "17:00"]);
    edited();
    render();
  }
  return h(
    "div",
    { class: "spans" },
    ...(rows.length ? rows : [h("span", { class: "muted" }, own.closed)]),
    problemAt(place),
    iconButton("add", say(own.addSpan, { day }), add, spans.length >= MAX_SPANS),
  );
}
