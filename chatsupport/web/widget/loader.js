// Puts the chat bubble on a page; docs/widget.md says how. A page view costs the bubble only: the chat itself is loaded
// when it is wanted, or where one goes on.
(() => {
  if (self.ChatSupport) return;
  // A module script is not told which element it comes from.
  const { dataset, src } = document.currentScript ?? document.querySelector("[src*='widget.js']");
  // Where the chat server is, its path included.
  const { origin, pathname } = new URL(dataset.server || src);
  const server = origin + pathname.replace(/(\/widget\.js)?\/*$/, "");
  const options = { ...dataset, server, io: "%SOCKETIO%" };
  const folder = `${server}/%ASSETS%/widget/`;
  const name = `chat-support ${server}`;
  const handlers = new Set();
  // A handler that throws is the page's affair, and stops nothing here.
  const emit = (event, detail) =>
    handlers.forEach(([wanted, handler]) => wanted === event && Promise.resolve(detail).then(handler));
  let view, code;

  // Where it is kept what people.js keeps of somebody the page has named, or of a guest.
  const keyOf = (userId) => (userId ? `${name} ${userId}` : name);
  const has = (area, key, what) => {
    try {
      return self[area][key].includes(what);
    } catch {}
  };

  // Takes over who the page says the visitor is: a number is as good as its text, and an empty id is none.
  function introduce(who) {
    const { userId, userHash } = who ?? {};
    options.userId = /string|number/.test(typeof userId) ? `${userId}`.trim() : "";
    options.userHash = userHash;
  }

  // Resolves with a module and a style sheet, once both are there: it is tried again after longer and longer pauses, and
  // when the browser is online again. A browser may remember that an import has failed, so each has an address of its own.
  async function load(module, style) {
    for (let pause = 500, again = ""; ; pause *= 2, again += "?") {
      try {
        const css = await fetch(folder + style).then((answer) => (answer.ok ? answer.text() : Promise.reject(answer.status)));
        return [await import(folder + module + again), await new CSSStyleSheet().replace(css)];
      } catch (error) {
        console.warn(error);
        await new Promise((resolve) => {
          addEventListener("online", resolve);
          setTimeout(resolve, pause * (1 + Math.random()));
        });
      }
    }
  }

  // Makes an element. Children that are strings become text, never HTML.
  function h(tag, attributes, ...children) {
    const names = /svg|path/.test(tag) ? "2000/svg" : "1999/xhtml";
    const made = document.createElementNS(`http://www.w3.org/${names}`, tag);
    for (const name in attributes) made.setAttribute(name, attributes[name]);
    made.append(...children);
    return made;
  }

  // Makes a button with a line drawing.
  const icon = (label, d, attributes) =>
    h(
      "button",
      { "aria-label": label, title: label, ...attributes },
      h("svg", { viewBox: "0 0 24 24" }, h("path", { d })),
    );

  // Puts it on the page once that is idle, and again where the page replaces everything: frameworks that take over a
  // whole document must not find something in it that they have not made.
  function attach(host) {
    const observer = new MutationObserver(() => host.isConnected || later());
    const put = () => {
      const { documentElement: html } = document;
      if (!host.isConnected) html?.append(host);
      for (const node of [document, html ?? document]) observer.observe(node, { childList: true });
    };
    const later = () => (self.requestIdleCallback ?? setTimeout)(put);
    if (document.readyState === "complete") later();
    for (const event of ["DOMContentLoaded", "load"]) addEventListener(event, later);
  }

  // Sets the colours: what is written on the accent is black or white, whichever is easier to read.
  function paint(frame) {
    const { color, theme } = dataset;
    const dark = matchMedia("(prefers-color-scheme:dark)");
    const follow = () => frame.classList.toggle("dark", theme === "dark" || (theme !== "light" && dark.matches));
    dark.onchange = follow;
    follow();
    if (!/^#[0-9a-f]{6}$/i.test(color)) return;
    const [r, g, b] = color.match(/\w\w/g).map((part) => (parseInt(part, 16) / 255) ** 2.2);
    frame.style.setProperty("--accent", color);
    frame.style.setProperty("--on", 0.213 * r + 0.715 * g + 0.072 * b < 0.179 ? "#fff" : "#000");
  }

  const prepare = () => (code ??= load("all.js", "widget.css"));

  async function start() {
    // The language asked for, or the page's, or the browser's; each is a plain table.
    const wanted = ["", dataset.language, document.documentElement.lang, ...navigator.languages, "en"].join(" ");
    const [, lang] = wanted.toLowerCase().match(/ (en|de|ar)(?![a-z])/);
    const [{ default: strings }, sheet] = await load(`languages/${lang}.js`, "bubble.css");
    const [dir, open] = strings;

    // The bubble is in a shadow root with a style of its own, which the chat is put into later.
    const bubble = icon(open, "M4 5h16v11H10l-4 4v-4H4z", { class: "bubble" });
    const frame = h("div", { class: dataset.position, dir, lang }, bubble);
    const host = h("chat-support");
    const root = host.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    root.append(frame);
    paint(frame);
    attach(host);

    const show = () =>
      (view ??= prepare().then(([{ createView }, sheet]) => {
        root.adoptedStyleSheets.push(sheet);
        return createView(h, icon, frame, bubble, strings, options, keyOf, emit);
      }));
    bubble.onclick = api.open;
    bubble.onpointerenter = prepare;
    return show;
  }

  // Whoever has a chat goes on where they were.
  async function goOn() {
    const show = await started;
    const key = keyOf(options.userId);
    const isGuestsBefore = options.userId && has("localStorage", name, '"token":"');
    if (isGuestsBefore || has("localStorage", key, '"live":true') || has("sessionStorage", key, '"open":true')) show();
  }

  // Calls made before it is loaded are done then.
  const api = {
    open: async () => (await (await started)()).open(),
    close: async () => (await started, await view)?.close(),
    async identify(who) {
      introduce(who);
      await goOn();
      (await view)?.begin();
    },
    async reset() {
      const [{ person, signOut }] = await prepare();
      signOut(server, person(keyOf(options.userId), options.userId));
      signOut(server, person(name));
      introduce();
      (await view)?.begin(true);
    },
    on(...entry) {
      handlers.add(entry);
      return () => handlers.delete(entry);
    },
  };
  introduce(dataset);
  const started = start();
  goOn();
  self.ChatSupport = api;
})();
