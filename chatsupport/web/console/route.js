import { LISTS } from "./lists/lists.js";
import { tidy } from "./server/actions.js";
import { assign, change, patchTalk, state, talkOf } from "./store.js";

// What is open is in the address, so that a reload and the browser's back button do what one expects: #/mine,
// #/mine/<session id>, #/queue, #/ended, #/all, #/overview.

const ID = /^[0-9a-f]{24}$/i; // An address may say anything.

/** @param {string} list @param {string | null} [sessionId] */
export function go(list, sessionId = null) {
  const hash = `#/${list}${sessionId ? `/${sessionId}` : ""}`;
  if (location.hash !== hash) location.hash = hash;
  apply(); // At once, not with the event: the next key press must find it done.
}

/** @param {string} sessionId */
export const select = (sessionId) => go(state.list, sessionId);
export const back = () => go(state.list);

function apply() {
  const [list, sessionId = ""] = location.hash.replace(/^#\//, "").split("/");
  const previous = state.selected;
  const selected = ID.test(sessionId) ? sessionId : null;
  assign({ list: LISTS.some(({ id }) => id === list) ? list : "mine", selected });
  if (selected === previous) return;
  change((draft) => {
    draft.panel = false;
    if (selected) draft.missing.delete(selected);
  });
  // Somebody else's chat is shown as it is when it is opened, and not as it was the last time.
  if (selected && !talkOf(selected).live)
    patchTalk(selected, { messages: [], lastSeq: null, asked: false, error: null });
  tidy(previous);
}

export function startRouting() {
  addEventListener("hashchange", apply);
  apply();
}
