import { locale, say, texts, write } from "../page.js";
import { words } from "../part.js";

/** @import { Shown } from "../types.js" */

// What a waiting visitor sees below the messages: the place in the queue, since when, and how long it may take.

const MINUTES = /** @type {const} */ ({ style: "unit", unit: "minute", unitDisplay: "long" });
const NEAR_PX = 60;

/** Says how long the visitor waits. @param {Shown} view @param {HTMLElement} card */
export function show({ panel, state: { place, since, desk } }, card) {
  const minutes = Math.ceil((desk?.estimatedWaitSeconds ?? 0) / 60);
  const first = place ? `${say(texts.place, place)}\n` : "";
  const began = new Date(+since || Date.now()).toLocaleTimeString(locale, { timeStyle: "short" });
  const wait = minutes ? ` · ${say(words.about, minutes.toLocaleString(locale, MINUTES))}` : "";
  const log = /** @type {HTMLElement} */ (panel.querySelector(".log"));
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_PX;
  write(card, `${first}${say(words.since, began)}${wait}\n${words.leavePage}`);
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}
