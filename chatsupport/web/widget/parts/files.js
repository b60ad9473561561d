import { openPictures } from "../../shared/pictures.js";
import { sizeOf } from "../../shared/sizes.js";
import { addressOf, draw, readPicture } from "../canvas.js";
import { frame, h, locale, say, write } from "../page.js";
import { words } from "../part.js";

/** @import { Attachment, Message } from "../../shared/types.js" */
/** @import { Shown } from "../types.js" */

// The file of a message: a picture, which opens large, or a name that leads to the file.

const SIDE_PX = 240;
const THUMBNAIL_PX = 480; // So large are those of the server.
const LARGE_PX = 2_400;
const LABELS = {
  close: words.close,
  previous: words.previous,
  next: words.next,
  original: words.original,
  failed: words.unavailable,
};

/** The pictures on the page, by their buttons. @type {WeakMap<Element, import("../../shared/pictures.js").Picture>} */
const pictures = new WeakMap();

/** Shows the file in a message's row. @param {Message} message @param {Element} row @param {Shown} view */
export function show(message, row, view) {
  const { name, thumbnailUrl } = attachmentOf(message);
  const text = /** @type {HTMLElement} */ (row.querySelector("p"));
  text.hidden = message.message === name;
  row.querySelector(".file")?.remove();
  text.before(thumbnailUrl ? createPicture(message, view) : createFile(message, view));
}

const attachmentOf = (/** @type {Message} */ { attachment }) => /** @type {Attachment} */ (attachment);

/** @param {string} url */
const isOver = (url) => Date.now() > (Number(new URL(addressOf(url)).searchParams.get("expires")) - 10) * 1_000;

/**
 * Returns the file with addresses that have not run out.
 * @param {Message} message
 * @param {Shown} view
 * @param {boolean} [isRefused] The server's clock says that they have.
 */
async function current(message, { chat }, isRefused) {
  const { sessionId, seq } = message;
  const attachment = attachmentOf(message);
  if (!isRefused && attachment.url && !isOver(attachment.url)) return attachment;
  const { messages } = await chat.rest(`chat/messages/${sessionId}?after=${seq - 1}&limit=1`);
  return attachmentOf(messages[0]);
}

/** @param {Message} message @param {Shown} view */
function createFile(message, view) {
  const { name, size, state, url } = attachmentOf(message);
  const why = { ready: words.unavailable, pending: words.checked, blocked: words.harmful };
  const about = h("small", null, url ? sizeOf(size, locale) : why[state]);
  const parts = [h("bdi", null, name), about];
  if (!url) return h("span", { class: "file" }, ...parts);
  return h("a", { class: "file", href: addressOf(url), target: "_blank", rel: "noopener", onclick }, ...parts);

  /** @param {Event} event */
  async function onclick(event) {
    if (!url || !isOver(url)) return;
    event.preventDefault();
    try {
      const { url: now = "" } = await current(message, view);
      h("a", { href: addressOf(now), target: "_blank", rel: "noopener" }).click();
    } catch {
      write(about, words.unavailable);
    }
  }
}

/** @param {Message} message @param {Shown} view */
function createPicture(message, view) {
  const { name, alt, width = 1, height = 1 } = attachmentOf(message);
  const text = alt || name;
  const longest = Math.max(width, height);
  const scale = Math.min(1, THUMBNAIL_PX / longest);
  const canvas = h("canvas", {
    role: "img",
    "aria-label": text,
    width: Math.ceil(width * scale),
    height: Math.ceil(height * scale),
  });
  canvas.style.width = `${width * Math.min(1, SIDE_PX / longest)}px`;
  const button = h(
    "button",
    { class: "file", title: say(words.enlarge, text), onclick: () => enlarge(button) },
    canvas,
  );
  /** @param {"url" | "thumbnailUrl"} which @param {boolean} [isRefused] @returns {Promise<Blob>} */
  const read = async (which, isRefused) => {
    const address = addressOf((await current(message, view, isRefused))[which] ?? "");
    return readPicture(address).catch((answer) => {
      if (isRefused || answer.status !== 404) throw answer;
      return read(which, true);
    });
  };
  pictures.set(button, {
    text,
    async load() {
      const image = h("canvas", { role: "img", "aria-label": text });
      await draw(image, await read("url"), LARGE_PX);
      return { image, url: addressOf((await current(message, view)).url ?? "") };
    },
  });
  const drawThumbnail = async () => draw(canvas, await read("thumbnailUrl"), THUMBNAIL_PX);
  // It is loaded when it comes into view. A picture that cannot be shown is a link.
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    drawThumbnail().catch(() => {
      const link = createFile(message, view);
      button.replaceWith(link);
      const again = () => drawThumbnail().then(() => link.replaceWith(button), console.warn);
      addEventListener("online", again, { once: true });
    });
  });
  observer.observe(button);
  return button;
}

/** @param {Element} button */
function enlarge(button) {
  const buttons = [...(button.closest(".log")?.querySelectorAll(".file") ?? [])].filter((one) => pictures.has(one));
  const all = buttons.map((one) => /** @type {import("../../shared/pictures.js").Picture} */ (pictures.get(one)));
  openPictures(all, buttons.indexOf(button), { labels: LABELS, parent: frame, make: h });
}
