import { say, texts } from "../texts.js";
import { initials, setText } from "./elements.js";

/** @typedef {{ userId: string, context?: { visitor: { name: string | null } } }} Visitor a session, or a place in the queue */

// What visitors are called. A guest without a name gets one from the id, so that two guests can be told apart: the same
// name everywhere, whenever it is made.

const GUEST = "guest-";
const TURN = 360;

/** Returns a whole number that depends on all of a text (FNV-1a). @param {string} text */
function hashed(text) {
  let hash = 0x811c9dc5;
  for (const letter of text) hash = Math.imul(hash ^ Number(letter.codePointAt(0)), 0x01000193);
  return hash >>> 0;
}

/** Returns the two words that a guest is called by. @param {string} id */
function wordsOf(id) {
  const { colours, animals } = texts.guest;
  const hash = hashed(id);
  return `${colours[hash % colours.length]} ${animals[Math.floor(hash / colours.length) % animals.length]}`;
}

/** @param {Visitor} visitor */
const ownName = ({ userId, context }) => context?.visitor.name ?? (userId.startsWith(GUEST) ? null : userId);

/** Returns a visitor's name: the one that the visitor gave, or the id, or a guest's. @param {Visitor} visitor */
export const visitorName = (visitor) => ownName(visitor) ?? say(texts.guest.name, { name: wordsOf(visitor.userId) });

/** Shows a visitor in an avatar, with the visitor's own colour. @param {HTMLElement} picture @param {Visitor} visitor */
export function portray(picture, visitor) {
  setText(picture, initials(ownName(visitor) ?? wordsOf(visitor.userId)));
  picture.classList.add("coloured");
  picture.style.setProperty("--hue", String(hashed(visitor.userId) % TURN));
}

/** What an agent is called, so that bots are known as such. @param {{ name: string, isBot?: true, kind?: string }} agent */
export const agentName = ({ name, isBot, kind }) => (isBot || kind === "bot" ? say(texts.bot, { name }) : name);
