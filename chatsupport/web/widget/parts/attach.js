import { sizeOf } from "../../shared/sizes.js";
import { createUploads } from "../../shared/uploads.js";
import { draw } from "../canvas.js";
import { h, icon, locale, options, say, texts, write } from "../page.js";
import { words } from "../part.js";

/** @import { Upload } from "../../shared/types.js" */
/** @import { Shown } from "../types.js" */

// The files that the visitor has chosen: a chip for each, above the field. They are sent with the next message, or alone.

const PREVIEW_PX = 96;
const PATIENCE_MS = 15_000;
/** They are drawn one after the other: ten photos at once are too many for a phone. */
let previews = Promise.resolve();
/** @type {Record<string, string>} */
const REFUSED = {
  FILE_TOO_LARGE: say(words.tooLarge, sizeOf(+options.files, locale)),
  FILE_TYPE_NOT_ALLOWED: words.wrongType,
  INVALID_FILE: words.damaged,
  TOO_SLOW: words.tooSlow,
  TOO_MANY_FILES: words.tooMany,
  RATE_LIMITED: words.tooFast,
  SESSION_ENDED: texts.ended,
};

/** The chips of each chat. @type {WeakMap<object, ReturnType<typeof createTray>>} */
const trays = new WeakMap();

/** Adds files for the chat in which they were chosen. @param {Shown} view @param {File[]} files @param {any} [chat] */
export function show(view, files, chat = view.chat) {
  if (chat !== view.chat || formOf(view).hidden) return;
  const tray = trays.get(view.chat) ?? createTray(view);
  trays.set(view.chat, tray);
  tray.add(files);
  view.focus();
}

/** @param {Shown} view */
const formOf = ({ panel }) => /** @type {HTMLFormElement} */ (panel.querySelector("section > form"));

/** @param {Shown} view */
function createTray(view) {
  const { chat, own, focus, isAnswered } = view;
  /** @type {readonly Upload[]} */
  let entries = [];
  let hasChosen = false;
  let isOver = false;
  /** @type {Map<string, ReturnType<typeof createChip>>} */
  const chips = new Map();
  /** The session to which each file goes. @type {Map<string, string>} */
  const places = new Map();
  const list = h("ul", { class: "tray", "aria-label": words.files });
  const form = formOf(view);
  const field = /** @type {HTMLTextAreaElement} */ (form.querySelector("textarea"));
  const uploads = createUploads({
    read: () => entries,
    write: render,
    isReady: () => !isOver, // If there is no connection, that shows when a file is sent.
    async prepare({ id }) {
      await written();
      // If an earlier attempt was stored after all, it was stored there.
      const sessionId = places.get(id) ?? (await chat.begun());
      places.set(id, sessionId);
      return { url: `${options.server}/api/chat/files/${sessionId}`, token: await chat.getToken() };
    },
    onRefusal: chat.onRefusal,
    explain: ({ code = "", message }) => REFUSED[code] ?? message ?? words.trouble,
    most: +options.files,
  });

  // A file follows the texts that were sent before it.
  const written = async () => {
    const pending = () => own.kept().outbox.filter(({ failed, seq }) => !failed && !seq);
    const before = pending().map(({ id }) => id);
    const until = Date.now() + PATIENCE_MS;
    while (!isOver && Date.now() < until && pending().some(({ id }) => before.includes(id))) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const send = async () => {
    if (hasChosen && (await isAnswered())) uploads.send();
  };
  /** @param {string} id */
  const retry = async (id) => {
    if (!(await isAnswered())) return;
    const { code = "" } = entries.find((entry) => entry.id === id) ?? {};
    if (/SESSION|FORBIDDEN/.test(code)) places.delete(id);
    uploads.retry(id);
  };

  /** @param {readonly Upload[]} now */
  function render(now) {
    entries = now;
    if (isOver) return;
    for (const [id, { element }] of chips) {
      if (entries.some((entry) => entry.id === id)) continue;
      const hadFocus = element.matches(":focus-within");
      element.remove();
      chips.delete(id);
      if (hadFocus) focus();
    }
    for (const entry of entries) {
      const chip = chips.get(entry.id) ?? createChip(entry, uploads, retry);
      if (!chips.has(entry.id)) list.append(chip.element);
      chips.set(entry.id, chip);
      chip.update(entry);
    }
    list.hidden = !entries.length;
    const before = hasChosen;
    hasChosen = entries.some(({ state }) => state === "chosen");
    if (hasChosen !== before) field.dispatchEvent(new Event("input")); // The button beside it sends the files too.
  }

  form.prepend(list);
  form.addEventListener("submit", send);
  // The next person has nothing to do with these files.
  chat.onStop = () => {
    isOver = true;
    form.removeEventListener("submit", send);
    list.remove();
    for (const { id } of entries) uploads.cancel(id);
  };
  return uploads;
}

/**
 * @param {Upload} entry
 * @param {ReturnType<typeof createUploads>} uploads
 * @param {(id: string) => void} retry
 */
function createChip({ id, file }, uploads, retry) {
  const isPicture = file.type.startsWith("image/");
  const preview = h("canvas", { "aria-hidden": true, hidden: true });
  if (isPicture) {
    previews = previews
      .then(() => draw(preview, file, PREVIEW_PX))
      .then(
        () => void (preview.hidden = false),
        () => preview.remove(), // The browser cannot draw it. The server says why.
      );
  }
  const alt = h("input", {
    maxlength: "300",
    placeholder: words.alt,
    "aria-label": `${words.alt}: ${file.name}`,
    oninput: () => uploads.describe(id, alt.value.trim()),
  });
  const progress = h("progress", { "aria-label": file.name });
  const reason = h("span", { role: "alert" });
  const again = h("button", { type: "button", class: "link", onclick: () => retry(id) }, texts.retry);
  const remove = icon(say(words.remove, file.name), "M6 6l12 12M18 6L6 18", {
    type: "button",
    onclick: () => uploads.cancel(id),
  });
  const about = h("small", null, sizeOf(file.size, locale));
  const element = h("li", null, preview, h("bdi", null, file.name), about, remove, alt, progress, reason, again);
  return {
    element,
    /** @param {Upload} now */
    update({ state, progress: done, reason: why = "" }) {
      element.className = state;
      alt.hidden = state !== "chosen" || !isPicture;
      progress.hidden = state !== "waiting";
      progress.value = done;
      write(reason, why);
      again.hidden = state !== "failed" || file.size > +options.files;
    },
  };
}
