import { isOutworn, pauseAfter, triesFor } from "../../shared/refusals.js";
import { h, say, write } from "../page.js";
import { words } from "../part.js";

/** @import { Shown } from "../types.js" */

// The line above the field while a bot has the chat. It says so, and has the button "Talk to a person".

const status = h("p", { role: "status" });
const button = h("button", { onclick: ask }, words.person);
// A second click, where the button has been, must not take the focus away.
const line = h(
  "div",
  { class: "bot", onmousedown: (/** @type {Event} */ event) => event.preventDefault() },
  status,
  button,
);
/** @type {Shown} */
let view;
/** The present attempt to get a person. @type {object | null} */
let attempt = null;

/**
 * Shows or hides the line.
 * @param {Shown} shown
 * @param {boolean} isShown
 */
export function show(shown, isShown) {
  view = shown;
  attempt = null;
  const { chat, own, panel, state, focus } = view;
  const { asked } = own.tab();
  if (isShown) {
    panel.querySelector(":scope > form")?.before(line);
    offer(say(words.bot, state.agent?.name));
    if (asked === state.id) connect(); // The page was loaded again before there was an answer.
    return;
  }
  const isFocused = line.matches(":focus-within");
  line.remove();
  if (isFocused) focus();
  if (asked) own.note({ asked: null });
  if (!panel.hidden) chat.ask(); // Whether people are there matters from now on.
}

/** @param {string} text */
function offer(text) {
  write(status, text);
  button.hidden = false;
}

function ask() {
  const { own, panel, state, focus } = view;
  own.note({ asked: state.id });
  // On a phone, the field would open the keyboard.
  if (matchMedia("(pointer: coarse)").matches) panel.querySelector(/** @type {"p"} */ (".log"))?.focus();
  else focus();
  connect();
}

// Asks the server until there is an answer. What follows comes as an event: a place in the queue, or a person.
async function connect() {
  const { chat, own, state } = view;
  const present = (attempt = {});
  write(status, words.asking);
  button.hidden = true;
  for (let tried = 1; ; tried += 1) {
    const done = () => "";
    const code = await chat
      .rest(`chat/handoff/${state.id}`, {})
      .then(done, (/** @type {any} */ refusal) => refusal.code);
    if (attempt !== present || /^(|WITH_A_PERSON|SESSION_ENDED)$/.test(code)) return;
    if (tried >= triesFor(code)) {
      own.note({ asked: null });
      return offer(words.trouble);
    }
    if (isOutworn(code)) own.keepSecret({ token: null, worn: own.secret().token });
    write(status, code === "OFFLINE" ? words.askLater : words.asking);
    await new Promise((resolve) => {
      addEventListener("online", resolve, { once: true });
      setTimeout(resolve, pauseAfter(tried));
    });
    if (attempt !== present) return;
  }
}
