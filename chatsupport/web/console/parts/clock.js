import { language, texts } from "../texts.js";

// Times and durations by the server's clock, so that a wrong clock of the agent's computer changes no waiting time.

let offset = 0;

/** @param {string} iso */
export function setServerTime(iso) {
  offset = Date.parse(iso) - Date.now();
}

export function now() {
  return Date.now() + offset;
}

/** Returns the milliseconds since an ISO time, never below 0, or 0 without a time. @param {string | null} [iso] */
export function since(iso) {
  return iso ? Math.max(0, now() - Date.parse(iso)) : 0;
}

/** @param {string} from @param {string | null} [to] */
export function between(from, to) {
  return to ? Math.max(0, Date.parse(to) - Date.parse(from)) : 0;
}

/** Returns "0:07", "12:34", "2 h 05 min", "3 d 4 h": short enough for a list, and read aloud as it stands. @param {number} ms */
export function duration(ms) {
  const seconds = Math.floor(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  /** @param {number} number */
  const two = (number) => String(number).padStart(2, "0");
  if (hours >= 24) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  if (hours) return `${hours} h ${two(minutes % 60)} min`;
  return `${minutes}:${two(seconds % 60)}`;
}

/**
 * Returns "45 s", "1 min 30 s", "12 min", "2 h 05 min": how long something took that is over; nobody takes it for a time of
 * day.
 * @param {number} ms
 */
export function length(ms) {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 600) return `${Math.floor(seconds / 60)} min${seconds % 60 ? ` ${seconds % 60} s` : ""}`;
  return seconds < 3600 ? `${Math.floor(seconds / 60)} min` : duration(ms);
}

const TIME = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat(language, { weekday: "long", day: "numeric", month: "long" });
const SHORT_DAY = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
const FULL = new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "medium", hourCycle: "h23" });

/** @param {string} iso */
export const timeOfDay = (iso) => TIME.format(new Date(iso));
/** @param {string} iso */
export const fullTime = (iso) => FULL.format(new Date(iso));

/** @param {string | number} iso */
export function dayKey(iso) {
  return new Date(iso).toDateString();
}

/** @param {string} iso */
export function dayName(iso) {
  if (dayKey(iso) === dayKey(now())) return texts.messages.today;
  if (dayKey(iso) === dayKey(now() - 86_400_000)) return texts.messages.yesterday;
  return DAY.format(new Date(iso));
}

/** For a list: the time if it is today, or else the day. @param {string} iso */
export function shortTime(iso) {
  return dayKey(iso) === dayKey(now()) ? timeOfDay(iso) : SHORT_DAY.format(new Date(iso));
}
