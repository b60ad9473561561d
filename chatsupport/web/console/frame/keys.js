import { canAct } from "../chat/conversation.js";
import { openEnd } from "../chat/end.js";
import { openTransfer } from "../chat/transfer.js";
import { listed } from "../lists/list.js";
import { LISTS } from "../lists/lists.js";
import { focusComposer, focusList, focusRow } from "../parts/focus.js";
import { plainKeys } from "../parts/storage.js";
import { back, go, select } from "../route.js";
import { signOut } from "../server/account.js";
import { takeOver, toggleOnline } from "../server/actions.js";
import { undoEnd } from "../server/ending.js";
import { watchSession } from "../server/following.js";
import { assign, isMine, isSupervisor, mine, selectedSession, state } from "../store.js";
import { texts } from "../texts.js";
import { openAlerts } from "./bell.js";
import { openHelp } from "./help.js";
import { openPalette } from "./palette.js";

/** @import { Session } from "../types.js" */
/** @import { Shortcut } from "./help.js" */

// The keyboard. Single keys work only outside text fields, and can be switched off in the help, which shows this table.

const COMMAND = /Mac|iP/.test(navigator.platform) ? "⌘" : "Ctrl";

/** @type {Shortcut[]} */
const SHORTCUTS = [
  { keys: ["j"], what: texts.keys.next, act: () => step(1) },
  { keys: ["k"], what: texts.keys.previous, act: () => step(-1) },
  { keys: ["u"], what: texts.keys.nextUnread, act: nextUnread },
  { keys: ["r"], what: texts.keys.write, act: writeReply },
  { keys: ["n"], what: texts.keys.note, needs: "chat", act: withSession(writeNote) },
  { keys: ["t"], what: texts.keys.transfer, needs: "chat", act: withSession(openTransfer) },
  { keys: ["e"], what: texts.keys.end, needs: "chat", act: withSession(openEnd) },
  { keys: ["z"], what: texts.keys.undoEnd, act: () => undoEnd() },
  { keys: ["o"], what: texts.keys.online, act: toggleOnline },
  { keys: ["i"], what: texts.keys.about, act: () => assign({ panel: !state.panel }) },
  { keys: ["?"], what: texts.keys.help, act: showHelp },
  ...LISTS.map(({ id, key, title, label, isForSupervisors }) => ({
    keys: [key],
    what: title ?? label,
    isForSupervisors,
    isList: true,
    act() {
      go(id);
      focusList();
    },
  })),
  { keys: ["w"], what: texts.keys.watch, needs: "others", isForSupervisors: true, act: withOthers(watchSession) },
  { keys: ["m"], what: texts.keys.takeOver, needs: "others", isForSupervisors: true, act: withOthers(takeOver) },
  { keys: [COMMAND, "K"], what: texts.keys.palette, isInFields: true, act: showPalette },
  { keys: ["Alt", "↓"], what: texts.keys.nextInList, isInFields: true, act: () => step(1) },
  { keys: ["Alt", "↑"], what: texts.keys.previous, isInFields: true, act: () => step(-1) },
  { keys: ["Esc"], what: texts.keys.leave, isInFields: true, act: leave },
  // The field itself handles the following.
  { keys: ["Enter"], what: texts.keys.send, isInFields: true },
  { keys: ["Shift", "Enter"], what: texts.keys.newLine, isInFields: true },
];
/** @type {Record<string, string>} The names in the table for keys that events call otherwise. */
const NAMES = { ArrowDown: "↓", ArrowUp: "↑", Escape: "Esc" };

export function showHelp() {
  openHelp(SHORTCUTS.filter(({ isForSupervisors }) => !isForSupervisors || isSupervisor()));
}

/** What the palette offers besides the keys. */
const OTHERS = [
  { what: texts.alerts.title, act: openAlerts },
  { what: texts.signIn.out, act: signOut },
];

/** @param {Shortcut} shortcut */
function isPossible({ needs, act, isInFields, isForSupervisors }) {
  const session = selectedSession();
  if (!act || isInFields || (isForSupervisors && !isSupervisor())) return false;
  return !needs || (canAct(session) && !state.busy.has(session.id) && (needs === "chat" || !isMine(session)));
}

export function showPalette() {
  const commands = SHORTCUTS.filter(isPossible).map(({ keys, what, act }) => ({ keys, what, act: () => act?.(null) }));
  openPalette([...commands, ...OTHERS]);
}

/** @param {EventTarget | null} target */
const isField = (target) =>
  target instanceof Element && target.matches('textarea, select, input:not([type="radio"], [type="checkbox"])');

/** @param {number} by */
function step(by) {
  const ids = listed();
  const at = ids.indexOf(state.selected ?? "");
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

/** @param {(session: Session) => unknown} act */
function withSession(act) {
  return () => {
    const session = selectedSession();
    if (canAct(session) && !state.busy.has(session.id)) act(session);
  };
}

function writeReply() {
  assign({ writes: "reply" });
  focusComposer(true);
}

function writeNote() {
  assign({ writes: "note" });
  focusComposer(true);
}

/** @param {(sessionId: string) => unknown} act */
function withOthers(act) {
  return withSession((session) => !isMine(session) && act(session.id));
}

/** @param {EventTarget | null} target */
function leave(target) {
  const { panel, selected } = state;
  if (panel) return assign({ panel: false });
  if (!selected) return;
  if (isField(target)) /** @type {HTMLElement} */ (target).blur();
  else back();
  focusRow(selected);
}

/** @param {KeyboardEvent} event */
function press(event) {
  const { key, target, altKey, ctrlKey, metaKey } = event;
  if (state.phase !== "signed-in" || event.defaultPrevented || event.isComposing) return;
  if (document.querySelector("dialog[open]:not(.palette)")) return;
  const isCommand = ctrlKey || metaKey;
  if (!isCommand && document.querySelector(".palette")) return;
  const name = isCommand ? key.toUpperCase() : (NAMES[key] ?? key);
  const pressed = [...(isCommand ? [COMMAND] : []), ...(altKey ? ["Alt"] : []), name].join(" ");
  const found = SHORTCUTS.find(({ keys }) => keys.join(" ") === pressed);
  if (!found?.act || (found.isForSupervisors && !isSupervisor())) return;
  if (!found.isInFields && (isField(target) || !plainKeys())) return;
  event.preventDefault();
  found.act(target);
}

export function startKeys() {
  addEventListener("keydown", press);
}
