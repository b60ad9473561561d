// What is open is in the address, so that a reload and the browser's back button do what one expects: #/mine,
// #/mine/<session id>, #/queue, #/ended, #/all, #/overview.

import { change, conversation, state } from "./store.js";
import { tidy } from "./actions.js";

const ID = /^[0-9a-f]{24}$/i; // An address may say anything.
const LISTS = new Set(["mine", "queue", "ended", "all", "overview"]);

export function go(list, sessionId = null) {
  const hash = `#/${list}${sessionId ? `/${sessionId}` : ""}`;
  if (location.hash === hash) return apply();
  location.hash = hash;
  apply(); // At once, not with the event: the next key press must find it done.
}

export const select = (sessionId) => go(state.list, sessionId);
export const back = () => go(state.list);

function apply() {
  const [list, sessionId] = location.hash.replace(/^#\//, "").split("/");
  const previous = state.selected;
  change(() => {
    state.list = LISTS.has(list) ? list : "mine";
    state.selected = ID.test(sessionId) ? sessionId : null;
    if (state.selected !== previous) {
      state.panel = false;
      state.missing.delete(state.selected);
    }
    const talk = state.selected && conversation(state.selected);
    // Somebody else's chat is shown as it is when it is opened, and not as it was the last time.
    if (talk && state.selected !== previous && !talk.live)
      Object.assign(talk, { messages: [], lastSeq: null, asked: false, error: null });
  });
  tidy(previous);
}

export function startRouting() {
  addEventListener("hashchange", apply);
  apply();
}
