import { LISTS } from "./lists/lists.js";
import { tidy } from "./server/actions.js";
import { assign, change, patchTalk, state, talkOf } from "./store.js";

// The address names the open view, so that a reload and the browser's back button work as expected: #/mine,
// #/mine/<session id>, #/queue, #/ended, #/all, #/overview, #/settings, #/settings/<section>.

const ID = /^[0-9a-f]{24}$/i; // An address may contain anything.

/** @param {string} list @param {string | null} [sessionId] */
export function go(list, sessionId = null) {
  const hash = `#/${list}${sessionId ? `/${sessionId}` : ""}`;
  if (location.hash !== hash) location.hash = hash;
  apply(); // At once and not with the event, because the next key press needs the result.
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
    draft.writes = "reply"; // A note is chosen anew for each chat.
    if (selected) draft.missing.delete(selected);
  });
  // Another agent's chat is loaded again when it is opened.
  if (selected && !talkOf(selected).live)
    patchTalk(selected, { messages: [], lastSeq: null, asked: false, noted: false, error: null });
  tidy(previous);
}

export function startRouting() {
  addEventListener("hashchange", apply);
  apply();
}
