"use strict";
// Puts the chat bubble on a page; docs/widget.md says how. Calls made before it is loaded are done then.
(() => {
  if (window.ChatSupport) return;
  const { dataset, src } = document.currentScript;
  const server = (dataset.server || new URL(src).origin).replace(/\/+$/, "");
  const handlers = new Set();
  const emit = (event, detail) => handlers.forEach((entry) => entry[0] === event && entry[1](detail));
  const loaded = import(`${server}%ASSETS%/widget/main.js`).then(({ start }) =>
    start({ ...dataset, server, io: new URL("%SOCKETIO%", server).href, integrity: "%INTEGRITY%" }, emit),
  );
  loaded.catch((error) => console.error("Chat Support could not be loaded:", error));
  const later =
    (name) =>
    (...args) =>
      loaded.then((chat) => chat[name](...args));
  window.ChatSupport = Object.freeze({
    open: later("open"),
    close: later("close"),
    identify: later("identify"),
    on(event, handler) {
      const entry = [event, handler];
      handlers.add(entry);
      return () => handlers.delete(entry);
    },
  });
})();
