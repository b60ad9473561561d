// Opens the chat of a link in a mail. If the server sends mails, this runs before the bubble, in the same file (assets.py).
// Behind #chat= is a token for one session, which leaves the address at once. The tab then shows this chat, as the chat of a
// person whose id is "." (link.js and loader.js know it by data-user-id; no user can have this id), until it is closed.
(() => {
  const [page, token] = location.href.split("#chat=");
  if (token) history.replaceState(history.state, "", page);
  // As in loader.js.
  // @ts-expect-error One of the two is there, and is an element of HTML.
  const { dataset, src } = document.currentScript ?? document.querySelector("[src*='widget.js']");
  const { origin, pathname } = new URL(dataset.server || src);
  const key = `chat-support ${origin + pathname.replace(/(\/widget\.js)?\/*$/, "")}`;
  const linked = `${key} .`;

  /** @param {Storage} area @param {string} name */
  const read = (area, name) => JSON.parse(area.getItem(name) ?? "{}");
  /** @param {Storage} area @param {string} name @param {object} changes */
  const write = (area, name, changes) => area.setItem(name, JSON.stringify({ ...read(area, name), ...changes }));

  try {
    if (token) {
      const claims = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
      const { sub, session } = JSON.parse(atob(claims));
      const guest = read(localStorage, key);
      const own = dataset.userId
        ? dataset.userId === sub && `${key} ${sub}`
        : guest.userId === sub && guest.token && key;
      // Visitors who are known to this browser continue as themselves. Their token can do more.
      if (own) {
        sessionStorage.removeItem(linked);
        const { sessionId, live } = read(localStorage, own);
        if (!sessionId || !live)
          write(localStorage, own, { sessionId: session, since: Date.now(), read: 0, ended: false });
        write(sessionStorage, own, { open: true });
        return;
      }
      localStorage.setItem(
        linked,
        JSON.stringify({ userId: sub, sessionId: session, since: Date.now(), ended: false }),
      );
      sessionStorage.setItem(linked, JSON.stringify({ token, open: true }));
    }
    if (sessionStorage.getItem(linked)) {
      dataset.userId = ".";
      delete dataset.userHash;
    }
  } catch (error) {
    console.warn(error); // Not a token, or the browser stores nothing. The bubble works as without a link.
  }
})();
