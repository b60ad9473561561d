// Puts the chat bubble on a page; docs/widget.md says how. A page view costs the bubble only: the chat itself is loaded
// when it is wanted, or where one goes on.
(() => {
  if (self.ChatSupport) return;
  const { currentScript, documentElement: html } = document;
  const { dataset, src } = currentScript;
  // Where the chat server is, its path included.
  const { origin, pathname } = new URL(dataset.server || src);
  const server = origin + pathname.replace(/(\/widget\.js)?\/*$/, "");
  const options = { ...dataset, server, io: "%SOCKETIO%" };
  const folder = `${server}/%ASSETS%/widget/`;
  const key = `chat-support ${server}`;
  const handlers = new Set();
  const emit = (event, detail) => handlers.forEach(([name, handler]) => name === event && handler(detail));
  let view;

  const storage = (name) => {
    try {
      return self[name] ?? {};
    } catch {
      return {};
    }
  };
  // What outlives the page, in one entry of localStorage that the tabs share; in memory where there is none.
  const shared = storage("localStorage");
  const kept = () => JSON.parse(shared[key] ?? "{}");
  const keep = (changes) => {
    try {
      shared[key] = JSON.stringify({ ...kept(), ...changes });
    } catch {} // It is full.
  };
  // tab[key] tells whether the chat is open: each tab's own affair.
  const tab = storage("sessionStorage");

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

  async function start() {
    // The language asked for, or the page's, or the browser's; each is a plain table.
    const wanted = ["", dataset.language, html.lang, ...navigator.languages, "en"].join(" ");
    const [, lang] = wanted.toLowerCase().match(/ (en|de|ar)\b/);
    const [{ default: strings }, sheet] = await Promise.all([
      import(`${folder}languages/${lang}.js`),
      fetch(`${folder}widget.css`)
        .then((answer) => answer.text())
        .then((css) => new CSSStyleSheet().replace(css)),
    ]);
    const [dir, open] = strings;

    // The bubble is in a shadow root with a style of its own, which the chat is put into later.
    const bubble = icon(open, "M4 5h16v11H10l-4 4v-4H4z", { class: "bubble" });
    const frame = h("div", { class: dataset.position, dir, lang }, bubble);
    const host = h("chat-support");
    const root = host.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    if (/^#[0-9a-f]{6}$/i.test(dataset.color)) frame.style.setProperty("--accent", dataset.color);
    root.append(frame);
    html.append(host);

    const code = () => import(`${folder}view.js`);
    const load = () => {
      view ??= code().then(({ createView }) =>
        createView(h, icon, frame, bubble, strings, options, kept, keep, tab, key, emit),
      );
      view.catch(() => (view = null));
      return view;
    };
    bubble.onclick = api.open;
    bubble.onpointerenter = code;
    // Whoever has a chat, or something to send, goes on where they were.
    const { sessionId, ended, outbox } = kept();
    if (tab[key] || outbox?.some((entry) => !entry.failed) || (sessionId && !ended)) load();
    return load;
  }

  // Calls made before it is loaded are done then.
  const started = start();
  const api = {
    open: async () => (await (await started)()).open(),
    close: async () => (await started, await view)?.close(),
    async identify(who) {
      Object.assign(options, who);
      await started;
      (await view)?.identify();
    },
    on(...entry) {
      handlers.add(entry);
      return () => handlers.delete(entry);
    },
  };
  started.catch(console.error);
  self.ChatSupport = api;
})();
