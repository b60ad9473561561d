import { h } from "../shared/elements.js";

/** @import { Texts } from "./types.js" */

// Puts the chat bubble on a page, as docs/widget.md describes. A page view loads only the bubble. The chat itself is loaded
// when it is opened, or if there is an open one.
const install = () => {
  // A module script is not told which element it comes from.
  // @ts-expect-error One of the two is there, and is an element of HTML.
  const { dataset, src } = document.currentScript ?? document.querySelector("[src*='widget.js']");
  // The address of the chat server, including its path.
  const { origin, pathname } = new URL(dataset.server || src);
  const server = origin + pathname.replace(/(\/widget\.js)?\/*$/, "");
  // The page's attributes win over the server's settings, which bundle.py passes on.
  const options = { ...settings, ...dataset, server, io: "%SOCKETIO%" };
  const folder = `${server}/%ASSETS%/widget/`;
  const guestKey = `chat-support ${server}`;
  const handlers = new Set();
  /** @type {any} */
  let chat;
  /** @type {any} */
  let view;

  // If a handler of the page throws, that stops nothing here.
  /** @param {string} event @param {unknown} [detail] */
  const emit = (event, detail) => {
    for (const [wanted, handler] of handlers) if (wanted === event) queueMicrotask(() => handler(detail));
  };

  // Returns the key under which people.js stores the data of a person named by the page, or of a guest.
  const keyOf = (/** @type {string | undefined} */ userId) => (userId ? `${guestKey} ${userId}` : guestKey);

  /** @param {string} what @param {string} [key] @param {"localStorage" | "sessionStorage"} [area] */
  const has = (what, key = guestKey, area = "localStorage") => {
    try {
      return self[area][key].includes(what);
    } catch {}
  };

  // Takes over the visitor that the page names. A number counts as its text, and an empty id as none.
  /** @param {any} [who] */
  const introduce = (who) => {
    const { userId, userHash } = who ?? {};
    options.userId = /str|num/.test(typeof userId) ? `${userId}`.trim() : "";
    options.userHash = userHash;
  };

  // Resolves with modules and style sheets, once all are loaded.
  /** @param {string[]} paths */
  const load = (...paths) => Promise.all(paths.map(loadOne));

  // Tries again after longer and longer pauses, and when the browser is online again. A browser may remember that an
  // import has failed, so each attempt has its own address.
  /** @param {string} path */
  const loadOne = async (path) => {
    for (let again = ""; ; again += "?") {
      try {
        if (!/css$/.test(path)) return await import(folder + path + again);
        const answer = await fetch(folder + path);
        if (!answer.ok) throw path;
        return await new CSSStyleSheet().replace(await answer.text());
      } catch (error) {
        console.warn(error);
        await new Promise((resolve) => {
          addEventListener("online", resolve);
          setTimeout(resolve, Math.min(1e4, 1e3 * 2 ** again.length) * Math.random());
        });
      }
    }
  };

  // Makes a button with a line drawing.
  /** @param {string} label @param {string} d @param {object} properties */
  const icon = (label, d, properties) =>
    h(
      "button",
      { "aria-label": label, title: label, ...properties },
      h("svg", { viewBox: "0 0 24 24" }, h("path", { d })),
    );

  // Sets the colours. Text on the accent is black or white, whichever is easier to read.
  /** @param {HTMLElement} frame */
  const paint = (frame) => {
    const { color, theme, offset } = options;
    const [x, y = x] = offset?.match(/\d+/g) ?? [20];
    frame.style.cssText = `--x:${x}px;--y:${y}px`;
    const dark = matchMedia("(prefers-color-scheme:dark)");
    (dark.onchange = () => {
      frame.classList.toggle("dark", theme === "dark" || (theme !== "light" && dark.matches));
    })();
    if (!/^#[\da-f]{6}$/i.test(color)) return;
    const [r, g, b] = color.match(/\w\w/g).map((/** @type {string} */ part) => parseInt(part, 16) ** 2.2);
    // White is 2 757 500.
    frame.style.cssText += `--accent:${color};--on:${3 * r + 10 * g + b < 493_600 ? "#fff" : "#000"}`;
  };

  const start = async () => {
    // The language asked for, or the page's, or the browser's; each is a plain table.
    // @ts-expect-error The last of them matches.
    const [, lang] = ` ${options.language} ${document.documentElement.lang} ${navigator.languages} en`
      .toLowerCase()
      .match(/[ ,](en|de|ar)(?![a-z])/);
    const [table, sheet] = await load(`languages/${lang}.js`, "bubble.css");
    const texts = /** @type {Texts} */ ({ ...table.default, ...options.texts });

    const prepare = () =>
      (chat ??= load("all.js", "widget.css").then(([{ start }, sheet]) => {
        root.adoptedStyleSheets.push(sheet);
        return start({ h, icon, bubble, texts, options, keyOf, emit, load });
      }));

    // The bubble is in a shadow root with its own style. The chat is added to it later.
    const bubble = icon(options.launcher || texts.open, "M4 5h16v11H10l-4 4v-4H4z", {
      class: "bubble",
      "data-label": options.launcher,
      onclick: api.open,
      onpointerenter: prepare,
    });
    const frame = h("div", { class: options.position, dir: texts.dir, lang }, bubble);
    const host = h("chat-support");
    const root = host.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    root.append(frame);
    paint(frame);

    // It is added once the page is idle, and again if the page replaces everything: frameworks that take over a whole
    // document must not find unknown elements in it.
    const observer = new MutationObserver(() => host.isConnected || later());
    const put = () => {
      const { documentElement: html } = document;
      if (!host.isConnected) html?.append(host);
      for (const node of [document, html]) node && observer.observe(node, { childList: true });
    };
    // Some pages are never idle.
    const later = () => /** @type {any} */ (self.requestIdleCallback ?? setTimeout)(put, { timeout: 2e3 });
    if (document.readyState < "d") later(); // It is "complete", and neither "interactive" nor "loading".
    for (const event of ["DOMContentLoaded", "load"]) addEventListener(event, later);

    return prepare;
  };

  // A visitor with a chat continues it.
  const goOn = () => {
    const key = keyOf(options.userId);
    if (
      (options.userId && has('token":"')) || // of the guest that they were
      has('live":t', key) ||
      has('open":t', key, "sessionStorage")
    )
      show();
  };

  const show = () => (view ??= prepared().then((made) => made.makeView()));

  // Calls made before it is loaded are done then.
  const api = {
    open: async () => (await show()).open(),
    close: async () => (await view)?.close(),
    async identify(/** @type {object} */ who) {
      introduce(who);
      goOn();
      (await view)?.begin();
    },
    async reset() {
      (await prepared()).forgetVisitor();
      introduce();
      (await view)?.begin(true);
    },
    on(/** @type {[string, (detail: unknown) => void]} */ ...entry) {
      handlers.add(entry);
      return () => handlers.delete(entry);
    },
  };
  introduce(dataset);
  const started = start();
  const prepared = async () => (await started)();
  goOn();
  return api;
};

self.ChatSupport ??= install();
