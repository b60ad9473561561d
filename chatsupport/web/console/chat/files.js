import { h } from "../../shared/elements.js";
import { openPictures } from "../../shared/pictures.js";
import { sizeOf } from "../../shared/sizes.js";
import { filesOf } from "../../shared/uploads.js";
import { icon, keyed, setText, show } from "../parts/elements.js";
import { addressOf, freshAddress, uploadsOf } from "../server/uploads.js";
import { state, talkOf, toast } from "../store.js";
import { language, say, texts } from "../texts.js";

/** @import { Attachment, Message, Upload } from "../../shared/types.js" */

// Files: those to be sent, as chips above the field, and those in messages.

/** @param {string} type */
const isPicture = (type) => type.startsWith("image/");

/**
 * Makes the button and the chips.
 * @param {HTMLElement} field where files may be pasted
 * @param {() => void} onChange is called when files were chosen
 */
export function createTray(field, onChange) {
  const chips = h("ul", { class: "uploads", "aria-label": texts.files.chosen });
  const input = h("input", { type: "file", multiple: true, hidden: true, onchange });
  const button = h(
    "button",
    {
      class: "icon-button attach",
      type: "button",
      "aria-label": texts.files.attach,
      title: texts.files.attachHint,
      onclick: () => input.click(),
    },
    icon("attach"),
  );
  const place = h("span", {}, input, button);
  let sessionId = "";
  let isActive = false;

  /** @param {Iterable<File>} files */
  function add(files) {
    uploadsOf(sessionId).add(files);
    onChange();
    field.focus();
  }
  function onchange() {
    add(input.files ?? []);
    input.value = "";
  }
  field.addEventListener("paste", (event) => {
    const files = filesOf(event.clipboardData);
    if (!isActive || !files.length) return;
    event.preventDefault();
    add(files);
  });

  return {
    button: place,
    chips,
    /** Lets files be dropped on an element. @param {HTMLElement} target */
    takeDrops(target) {
      const hover = (/** @type {DragEvent} */ event, /** @type {boolean} */ isOver) => {
        if (!event.dataTransfer?.types.includes("Files")) return false;
        event.preventDefault(); // Otherwise the browser leaves the console, and shows the file.
        target.classList.toggle("is-target", isOver && isActive);
        return isActive;
      };
      target.addEventListener("dragover", (event) => hover(event, true));
      target.addEventListener("dragleave", (event) => hover(event, false));
      target.addEventListener("drop", (event) => hover(event, false) && add(filesOf(event.dataTransfer)));
    },
    /** Whether the next sending has files. */
    hasChosen: () => (state.uploads.get(sessionId) ?? []).some((entry) => entry.state === "chosen"),
    send: () => uploadsOf(sessionId).send(),
    /** @param {string} id @param {boolean} active */
    update(id, active) {
      [sessionId, isActive] = [id, active];
      const entries = active ? (state.uploads.get(sessionId) ?? []) : [];
      show(place, active);
      show(chips, entries.length > 0);
      keyed(
        chips,
        entries,
        (entry) => entry.id,
        (entry) => createChip(entry, id),
      );
    },
  };
}

/** @param {Upload} entry @param {string} sessionId */
function createChip({ id, file }, sessionId) {
  const uploads = uploadsOf(sessionId);
  const name = h("bdi", { class: "upload-name" }, file.name);
  const about = h("span", { class: "muted" }, sizeOf(file.size, language));
  const progress = h("progress", { max: "1", "aria-label": say(texts.files.progress, { name: file.name }) });
  const reason = h("span", { class: "failure", role: "alert" });
  const alt = h("input", {
    type: "text",
    maxlength: "300",
    placeholder: texts.files.alt,
    "aria-label": say(texts.files.altOf, { name: file.name }),
    oninput: () => uploads.describe(id, alt.value.trim()),
  });
  const again = h("button", { class: "link", type: "button", onclick: () => uploads.retry(id) }, texts.messages.retry);
  const label = say(texts.files.remove, { name: file.name });
  const remove = h(
    "button",
    { class: "tag-remove", type: "button", "aria-label": label, title: label, onclick: () => uploads.cancel(id) },
    icon("end"),
  );
  const element = h("li", { class: "upload" }, icon("file"), name, about, alt, progress, reason, again, remove);
  return {
    element,
    /** @param {Upload} now */
    update(now) {
      show(alt, now.state === "chosen" && isPicture(file.type));
      show(progress, now.state === "waiting");
      progress.value = now.progress;
      setText(reason, now.state === "failed" ? (now.reason ?? texts.files.failed) : "");
      show(again, now.state === "failed" && file.size > 0);
      element.classList.toggle("is-failed", now.state === "failed");
    },
  };
}

/** Makes the place of a message's file, which may change. */
export function createAttachment() {
  const element = h("div", { class: "attachment" });
  /** @type {Message | undefined} */
  let shown;
  return {
    element,
    /** @param {Message | undefined} message */
    update(message) {
      const attachment = message?.attachment;
      show(element, Boolean(attachment));
      if (!message || !attachment || (shown?.id === message.id && shown.attachment?.state === attachment.state)) return;
      shown = message;
      const isOpen = attachment.state === "ready" && attachment.url;
      element.replaceChildren(
        isOpen && attachment.thumbnailUrl ? createPicture(message) : createFile(message, isOpen || null),
      );
    },
  };
}

/** @param {Message} message */
function createPicture(message) {
  const attachment = /** @type {Attachment} */ (message.attachment);
  const label = say(texts.files.enlarge, { name: attachment.alt || attachment.name });
  const image = createThumbnail(attachment);
  return h("button", { class: "thumbnail", type: "button", title: label, onclick: () => enlarge(message) }, image);
}

/** Makes a small picture. @param {Attachment} picture */
export function createThumbnail({ alt, name, thumbnailUrl = "", width = 1, height = 1 }) {
  const scale = Math.min(1, 240 / Math.max(width, height));
  return h("img", {
    src: addressOf(thumbnailUrl),
    alt: alt || name,
    width: Math.max(1, Math.round(width * scale)),
    height: Math.max(1, Math.round(height * scale)),
    loading: "lazy",
  });
}

/** @param {Message} message */
function enlarge(message) {
  const messages = talkOf(message.sessionId).messages.filter((one) => one.attachment?.thumbnailUrl);
  const pictures = messages.map((one) => {
    const text = one.attachment?.alt || one.attachment?.name || "";
    const load = async () => {
      const url = await freshAddress(one);
      return { image: h("img", { src: url, alt: text }), url };
    };
    return { text, load };
  });
  const first = Math.max(
    0,
    messages.findIndex(({ id }) => id === message.id),
  );
  openPictures(pictures, first, { labels: { close: texts.close, ...texts.files }, parent: document.body, make: h });
}

/** @param {Message} message @param {string | null} url */
function createFile(message, url) {
  const { name = "", size = 0, state: now = "ready" } = message.attachment ?? {};
  const about = url ? sizeOf(size, language) : texts.files[now];
  const parts = [icon(url ? "file" : "lock"), h("bdi", {}, name), h("span", { class: "muted" }, about)];
  if (!url) return h("span", { class: "file" }, ...parts);
  return h(
    "button",
    {
      class: "file",
      type: "button",
      title: say(texts.files.save, { name }),
      async onclick() {
        try {
          // A new tab stays empty where the browser saves the file, and then closes.
          h("a", { href: await freshAddress(message), download: name, target: "_blank", rel: "noopener" }).click();
        } catch {
          toast(say(texts.files.failed), { kind: "error" });
        }
      },
    },
    ...parts,
  );
}

/** Whether a message's text is nothing but the name of its file. @param {Message} message */
export const isOnlyName = ({ message, attachment }) => attachment?.name === message;
