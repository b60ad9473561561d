import { readOrder, writeOrder } from "../parts/storage.js";
import { notify, unansweredSince } from "../store.js";
import { texts } from "../texts.js";

/** @import { Session } from "../types.js" */
/** @typedef {"newest" | "unanswered" | "unread"} Order */

// The order of my chats, which the agent chooses. It does not change while the pointer is over the rows, because a row that
// moves away cannot be clicked; new chats are then at the end.

/** @type {{ value: Order, label: string }[]} */
export const ORDERS = [
  { value: "newest", label: texts.order.newest },
  { value: "unanswered", label: texts.order.unanswered },
  { value: "unread", label: texts.order.unread },
];

let order = readOrder();
let isHeld = false;
/** The ids as they were shown last. @type {readonly string[]} */
let shown = [];

export const currentOrder = () => order;

/** @param {Order} value */
export function setOrder(value) {
  order = value;
  writeOrder(value);
  notify();
}

/** Keeps the order until it is let go. @param {boolean} on */
export function holdOrder(on) {
  isHeld = on;
  notify();
}

/** A time that is later than all. */
const NEVER = "9";

/** @type {Record<Order, (one: Session, other: Session) => number>} Equal ones stay as they are: the newest first. */
const COMPARE = {
  newest: () => 0,
  unanswered: (one, other) => (unansweredSince(one) ?? NEVER).localeCompare(unansweredSince(other) ?? NEVER),
  unread: (one, other) => Number(other.unreadCount > 0) - Number(one.unreadCount > 0),
};

/** Returns my chats, which come newest first, in the chosen order. @param {Session[]} sessions */
export function ordered(sessions) {
  const sorted = [...sessions].sort(COMPARE[order]);
  if (isHeld) {
    const place = (/** @type {Session} */ { id }) => (shown.includes(id) ? shown.indexOf(id) : shown.length);
    sorted.sort((one, other) => place(one) - place(other));
  }
  shown = sorted.map(({ id }) => id);
  return sorted;
}
