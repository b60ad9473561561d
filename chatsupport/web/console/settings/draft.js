import { ApiError, because, call, get } from "../server/api.js";
import { assign, notify, state, subscribe, toast } from "../store.js";
import { say, texts } from "../texts.js";
import { words } from "./texts.js";

// The settings as they are being edited. They are stored together, under the version that was read: if somebody else was
// faster, nothing is lost on either side.

/** @typedef {{ field: string, message: string }} Problem */
/** @typedef {{ agent: string, theirs: string[], latest: any }} Conflict */

/** The names of the parts that are stored together. */
const PARTS = /** @type {const} */ ({
  hours: words.hours.title,
  texts: words.words.title,
  widget: words.look.title,
  endReasons: words.endReasons.title,
  preChat: words.questions.title,
  botId: words.bots.title,
});
const NAMES = /** @type {(keyof typeof PARTS)[]} */ (Object.keys(PARTS));

export const draft = {
  /** As the server has them. @type {any} */
  base: null,
  /** As they are edited. @type {any} */
  now: null,
  /** It grows when everything must be shown anew. */
  revision: 0,
  isLoading: false,
  isSaving: false,
  /** @type {string | null} */
  error: null,
  /** @type {readonly Problem[]} */
  problems: [],
  /** @type {Conflict | null} */
  conflict: null,
};

const same = (/** @type {unknown} */ one, /** @type {unknown} */ other) =>
  JSON.stringify(one) === JSON.stringify(other);

/** The parts that differ. @param {any} one @param {any} other */
const differing = (one, other) => NAMES.filter((name) => !same(one[name], other[name]));

export const isDirty = () => draft.now !== null && differing(draft.now, draft.base).length > 0;

/** @param {any} settings @param {any} [edited] */
function begin(settings, edited = settings) {
  draft.base = settings;
  draft.now = structuredClone(edited);
  draft.revision += 1;
  Object.assign(draft, { error: null, problems: [], conflict: null });
  notify();
}

/** Loads the settings. Before that, and if it fails, there is nothing to edit. */
export async function loadDraft() {
  if (draft.isLoading) return;
  const agentId = state.agent?.id;
  Object.assign(draft, { isLoading: true, error: null });
  try {
    const settings = await get("/api/settings");
    if (agentId === state.agent?.id) begin(settings);
  } catch (error) {
    draft.error = because(words.page.failed, error);
  }
  draft.isLoading = false;
  notify();
}

// Signing out removes everything that was written.
subscribe(({ phase }) => {
  if (phase === "signed-out" && (draft.now || draft.error))
    Object.assign(draft, { base: null, now: null, error: null, problems: [], conflict: null });
});

/** Notes that a field has another value. */
export function edited() {
  notify();
}

export const discard = () => begin(draft.base);

export async function save() {
  if (draft.isSaving) return;
  Object.assign(draft, { isSaving: true, error: null, problems: [] });
  notify();
  try {
    finish(await call("PUT", "/api/settings", draft.now));
  } catch (error) {
    if (error instanceof ApiError && error.code === "SETTINGS_CHANGED") await meet();
    else {
      draft.problems = (error instanceof ApiError && error.details) || [];
      draft.error = draft.problems.length
        ? say(words.page.wrong, { count: draft.problems.length })
        : because(words.page.notSaved, error);
    }
  }
  draft.isSaving = false;
  notify();
}

/** @param {any} saved */
function finish(saved) {
  begin(saved);
  assign({ endReasons: saved.endReasons });
  toast(words.page.saved);
}

/** Finds out what somebody else has changed. Our own changes may have been stored, if their answer was lost. */
async function meet() {
  try {
    const latest = await get("/api/settings");
    if (!differing(latest, draft.now).length) return finish(latest);
    const theirs = differing(latest, draft.base).map((name) => PARTS[name]);
    draft.conflict = { agent: authorOf(latest), theirs, latest };
  } catch (error) {
    draft.error = because(words.page.notSaved, error);
  }
}

/** @param {{ updatedBy: string | null }} settings */
function authorOf({ updatedBy }) {
  if (updatedBy === state.agent?.id) return texts.you;
  return state.agents.find((agent) => agent.id === updatedBy)?.name ?? words.page.somebody;
}

/** Takes the others' settings, and gives up our changes. */
export const takeTheirs = () => begin(draft.conflict?.latest);

/** Takes the others' settings, with the parts that we have changed. */
export function keepMine() {
  const latest = draft.conflict?.latest;
  const mine = Object.fromEntries(differing(draft.now, draft.base).map((name) => [name, draft.now[name]]));
  begin(latest, { ...latest, ...mine });
  toast(words.page.kept);
}
