// The keyboard. Single keys work outside text fields only, and can be switched off in the help (views/help.js).

import { takeOver, toggleOnline } from "./actions.js";
import { watchSession } from "./following.js";
import { back, go, select } from "./route.js";
import { change, isMine, isSupervisor, mine, selectedSession, state } from "./store.js";
import { plainKeys } from "./storage.js";
import { canAct } from "./views/conversation.js";
import { openEnd } from "./views/end.js";
import { focusComposer, focusRow } from "./views/focus.js";
import { openHelp } from "./views/help.js";
import { listed } from "./views/list.js";
import { openTransfer } from "./views/transfer.js";

const LISTS = { 1: "mine", 2: "queue", 3: "ended", 4: "all", 5: "overview" };
const inField = (target) => target.matches?.('textarea, select, input:not([type="radio"], [type="checkbox"])');

function step(by) {
  const ids = listed().map((session) => session.id);
  const at = ids.indexOf(state.selected);
  const next = ids[at < 0 ? (by > 0 ? 0 : ids.length - 1) : at + by];
  if (!next) return;
  select(next);
  focusRow(next);
}

function nextUnread() {
  const sessions = mine();
  const at = sessions.findIndex((session) => session.id === state.selected);
  const next = [...sessions.slice(at + 1), ...sessions.slice(0, at + 1)].find((session) => session.unreadCount);
  if (!next) return;
  go("mine", next.id);
  focusRow(next.id);
}

const withSession = (act) => () => {
  const session = selectedSession();
  if (canAct(session) && !state.busy.has(session.id)) act(session);
};
const asSupervisor = (act) => withSession((session) => isSupervisor() && !isMine(session) && act(session.id));

const PLAIN = {
  j: () => step(1),
  k: () => step(-1),
  u: nextUnread,
  r: () => focusComposer(true),
  t: withSession(openTransfer),
  e: withSession(openEnd),
  o: toggleOnline,
  i: () => change(() => (state.panel = !state.panel)),
  w: asSupervisor(watchSession),
  m: asSupervisor(takeOver),
  "?": openHelp,
};

function escape(target) {
  if (state.panel) return change(() => (state.panel = false));
  if (inField(target) && state.selected) return (focusRow(state.selected), target.blur());
  if (state.selected) {
    const left = state.selected;
    back();
    focusRow(left);
  }
}

function press(event) {
  if (
    state.phase !== "signed-in" ||
    event.defaultPrevented ||
    event.isComposing ||
    document.querySelector("dialog[open]")
  )
    return;
  const { key, target } = event;
  let act = null;
  if (event.altKey && !event.ctrlKey && !event.metaKey && (key === "ArrowDown" || key === "ArrowUp"))
    act = () => step(key === "ArrowDown" ? 1 : -1);
  else if (event.ctrlKey || event.metaKey || event.altKey) return;
  else if (key === "Escape") act = () => escape(target);
  else if (inField(target) || !plainKeys()) return;
  else if (LISTS[key]) act = () => (isSupervisor() || key < 4) && go(LISTS[key]);
  else act = PLAIN[key];
  if (!act) return;
  event.preventDefault();
  act();
}

export function startKeys() {
  addEventListener("keydown", press);
}
