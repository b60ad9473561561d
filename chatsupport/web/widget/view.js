import { createChat } from "./chat.js";
import { field, fitField, form, setDraft } from "./composer.js";
import { bubble, emit, frame, h, icon, keyOf, options, say, texts, title, write } from "./page.js";
import { person } from "./people.js";
import { clearThread, fitThread, isAtEnd, isOwn, lastSeen, log, placeThread, showThread, toEnd } from "./thread.js";
import { use } from "./use.js";
import { signOut } from "./visitor.js";

/** @import { Unsent } from "../shared/types.js" */
/** @import { Person, Shown, State } from "./types.js" */

/** Draws the chat beside the bubble. */
export const makeView = async () => {
  /** @type {Person} */
  let own;
  /** @type {ReturnType<typeof createChat>} */
  let chat;
  /** @type {State} Nothing is read of it before begin() has called render(). */
  let state;
  /** @type {string | null} */
  let who;
  /** @type {number | undefined} */
  let unread;
  /** How many new messages are below what the visitor reads. */
  let below = 0;
  let hasMore = false;
  let isWithBot = false;
  // parts/notices.js, once it is needed, and what it says.
  /** @type {any} */
  let notices;
  let notice = "";

  const agentName = () => state.agent?.name ?? texts.team;
  const isClosed = () => state.desk?.isOpen === false;

  // What parts get of the view.
  /** @returns {Shown} */
  const shown = () => ({
    panel,
    hello,
    own,
    chat,
    state,
    focus,
    chime,
    isAsked,
    isAnswered,
    retry,
    use,
    render: () => render(state),
  });

  /** Lets a part show itself. @param {string} name @param {any[]} details */
  const show = async (name, ...details) => (await use(name)).show(shown(), ...details);

  const chime = () => {
    use("sound").then((part) => part.chime());
  };

  // Focuses what the visitor most likely needs next.
  const focus = () => {
    [field, again, shut].find((one) => one.offsetParent)?.focus();
  };

  const shutPicture = () => frame.querySelector("dialog")?.close();

  /** @param {boolean} isShown */
  const toggle = (isShown) => {
    shutPicture();
    panel.hidden = !isShown;
    bubble.hidden = isShown;
    own.note({ open: isShown });
    emit(isShown ? "open" : "close");
  };

  /** @param {boolean} [isQuiet] */
  const open = (isQuiet) => {
    if (panel.hidden) toggle(true);
    chat.open();
    chat.ask();
    fitField();
    placeThread(state.read);
    count();
    render(state);
    if (!isQuiet) focus();
  };

  const close = () => {
    toggle(false);
    bubble.focus();
  };

  const startAgain = () => {
    if (options.userId === ".") {
      own.discard();
      options.userId = "";
      begin();
    }
    chat.again();
    field.focus();
  };

  /** @param {Unsent} entry */
  const retry = async (entry) => {
    if (!(await isAnswered())) return;
    chat.retry(entry);
    focus();
  };

  // Returns whether there are questions that the visitor must answer before the chat begins.
  const isAsked = () => !state.id && !!(state.wrong ?? (!state.unsent[0] && (isClosed() || options.preChat?.length)));

  const isAnswered = async () => !isAsked() || (await use("notices")).answers(shown());

  const showNotice = async () => {
    const before = notice;
    notices = await use("notices");
    notice = notices.update(shown());
    if (notice !== before) render(state);
  };

  const summary = () => {
    const { status } = state;
    if (state.problem) return notice;
    if (state.isEnding) return texts.ending;
    if (!state.isLinked && !panel.hidden) return texts.offline;
    if (status === "ended") return texts.ended;
    if (state.isIdle) return notice;
    if (status === "active") return say(texts.talking, agentName());
    if (isClosed()) return notice;
    if (!status) return "";
    if (state.desk?.isStaffed === false) return texts.away;
    return state.place ? say(texts.place, state.place) : ""; // After an agent has left, the place comes a moment later.
  };

  /** @param {State} now */
  const render = (now) => {
    if (state?.id !== now.id) clearThread();
    state = now;
    const hasEnded = state.status === "ended";
    const isBlocked = state.problem === "BLOCKED";
    const kept = own.kept();
    /** @type {HTMLElement | null} */
    const focused = panel.querySelector(":focus");
    write(about, summary());
    write(typing, state.isTyping ? say(texts.typing, agentName()) : "");
    write(hint, (state.desk?.isStaffed === false ? `${texts.away} ` : "") + (options.hint ?? texts.hint));
    hello.hidden = !!(state.messages[0] ?? state.unsent[0]);
    // Actions that would be refused are not offered.
    form.hidden = hasEnded || state.isEnding || isBlocked;
    again.hidden = !hasEnded || isBlocked;
    past.hidden = !kept.past?.[0] || (!hasEnded && !!state.id);
    rating.hidden = !hasEnded || !state.messages.some(({ senderType }) => senderType === "agent");
    if (notices || state.problem || state.isIdle || isClosed() || isAsked()) showNotice();
    if (hasMore !== !!state.hasMore) show("earlier", (hasMore = !hasMore));
    if (isWithBot !== !!(state.agent?.isBot && !form.hidden)) show("bot", (isWithBot = !isWithBot));
    const isWaiting = state.status === "waiting";
    showThread(shown(), isWaiting && card);
    if (isWaiting) show("card", card);
    if (focused?.offsetParent === null) focus();
    count();
  };

  // Marks the seen messages as read, and counts the rest.
  const count = () => {
    state.read = chat.see(lastSeen());
    const news = state.messages.filter((message) => !isOwn(message) && message.seq > state.read).length;
    const unseen = isAtEnd ? 0 : news;
    if (unseen !== below) show("jump", (below = unseen));
    if (news === unread) return;
    const { unread: kept = 0, sound: isOn } = own.kept();
    if (news > (unread ?? kept) && isOn) chime();
    unread = news;
    // The next page needs this, even if the chat has ended.
    if (state.id) own.keep({ unread });
    write(badge, unread ? `${unread}` : "");
    bubble.ariaLabel = (options.launcher || texts.open) + (unread ? `, ${say(texts.news, unread)}` : "");
    emit("unread", unread);
  };

  // Shows the current visitor's chat, which may be the shown one. `isOver` says that the visitor has signed out.
  /** @param {boolean} [isOver] */
  const begin = async (isOver) => {
    const guest = person(keyOf());
    // Whether the page has named the guest that it had. "." is whoever has a link (link.js).
    const isNamed = () => /[^.]/.test(options.userId) && Object.keys({ ...guest.kept(), ...guest.tab() })[1];
    const part = isNamed() && (await use("identify"));
    const key = keyOf(options.userId);
    const before = who;
    who = `${key} ${options.userHash}`;
    if (!isOver && who === before && !state?.problem) return;
    chat?.stop();
    // What parts show above the greeting is the former visitor's.
    while (panel.children[1] !== hello) panel.children[1].remove();
    shutPicture();
    if (state?.status) emit("status", { status: null, queuePosition: null });
    own = person(key, options.userId);
    if (isNamed()) part.adopt(own, guest);
    if (own.kept().sound) use("sound"); // It has to hear of the visitor's first click on this page.
    state = /** @type {any} */ ((unread = undefined));
    clearThread();
    setDraft(own.tab().draft ?? "");
    chat = createChat(own, render);
    chat.share();
    if (!panel.hidden) isOver ? toggle(false) : own.note({ open: true });
    if (own.tab().open) open(true);
    else chat.open();
  };

  // Takes files that are dropped or pasted. A table that is copied is text, and comes as a picture too.
  /** @param {any} event */
  const take = (event) => {
    const { types, files } = event.dataTransfer ?? event.clipboardData;
    if (!/Files/.test(types) || (event.clipboardData && /plain/.test(types) && /html|rtf/.test(types))) return;
    event.preventDefault(); // Otherwise the browser leaves the page, and shows the file.
    attach(files);
  };

  // Files wait above the field until they are sent: parts/attach.js.
  /** @param {any} files */
  const attach = (files) => {
    if (files[0]) show("attach", [...files], chat);
  };

  /** @param {Event} event */
  const stop = (event) => {
    event.stopPropagation();
  };

  /** @param {KeyboardEvent} event */
  const onkeydown = (event) => {
    stop(event);
    if (event.key === "Escape") return close();
    if (event.key !== "Tab") return;
    // The focus stays inside.
    /** @type {NodeListOf<HTMLElement>} */
    const all = panel.querySelectorAll("button:enabled,a,input,select,textarea,.log");
    const stops = [...all].filter((one) => one.offsetParent);
    if (event.shiftKey) stops.reverse();
    if (event.target !== stops.at(-1)) return;
    event.preventDefault();
    stops[0].focus();
  };

  const more = icon(texts.more, "M5 11h1v1H5zm7 0h1v1h-1zm7 0h1v1h-1z", {
    onpointerenter: () => use("menu"), // It must be there for a visitor who loses the connection.
    onclick: () => show("menu", more),
  });
  const shut = icon(texts.close, "M6 6l12 12M18 6L6 18", { onclick: close });
  const about = h("p", { role: "status" });
  const hint = h("p");
  const hello = h("div", { class: "hello" }, h("h3", null, options.greeting ?? texts.hello), hint);
  const card = h("span", { class: "card" });
  const typing = h("p", { class: "typing", role: "status" });
  const rating = h(
    "div",
    { class: "rating", role: "group", "aria-label": texts.rate },
    h("p", null, texts.rate),
    // Five faces, from sad to happy.
    ...[1, 2, 3, 4, 5].map((score) =>
      icon(`${score}/5`, `M21 12a9 9 0 1 0-18 0a9 9 0 1 0 18 0M9 9v1m6-1v1M8 15q4 ${score * 2 - 6} 8 0`, {
        onclick: () => show("rating", rating, score),
      }),
    ),
  );
  const again = h("button", { class: "again", onclick: startAgain }, texts.again);
  const past = h("button", { class: "past", onclick: () => show("past") }, texts.past);
  const logo =
    options.logo &&
    h("img", { src: options.logo, alt: "", onerror: (/** @type {any} */ { target }) => target.remove() });
  const panel = h(
    "section",
    {
      role: "dialog",
      "aria-modal": true,
      "aria-label": title,
      hidden: true,
      onkeydown,
      // The page must not get these keys, because it may have hotkeys.
      onkeypress: stop,
      onkeyup: stop,
    },
    h("header", null, logo, h("div", null, h("h2", null, title), about), more, shut),
    hello,
    log,
    typing,
    form,
    rating,
    again,
    past,
  );
  if (options.files) {
    const chosen = h("input", {
      type: "file",
      multiple: true,
      onchange() {
        attach(chosen.files);
        chosen.value = "";
      },
    });
    const onclick = () => {
      use("attach"); // Meanwhile, the visitor chooses.
      chosen.click();
    };
    form.prepend(
      icon(texts.attach, "M6 9v6a6 6 0 0 0 12 0V7a4 4 0 0 0-8 0v8a2 2 0 0 0 4 0V9", {
        type: "button",
        onclick,
      }),
    );
    for (const type of ["dragover", "drop", "paste"]) panel.addEventListener(type, take);
  }
  const badge = bubble.appendChild(h("span", { class: "badge" }));

  frame.append(panel);
  await begin();

  const viewport = /** @type {VisualViewport} */ (visualViewport);
  // On a phone, the keyboard leaves the chat this much of the screen.
  viewport.onresize = viewport.onscroll = () => {
    frame.style.cssText += `--height:${viewport.height}px;--top:${viewport.offsetTop}px`;
  };

  field.oninput = () => {
    own.note({ draft: field.value });
    fitField();
    chat.typing();
  };
  form.onsubmit = async (event) => {
    event.preventDefault();
    const text = (await isAnswered()) && field.value.trim();
    if (!text) return;
    chat.write(text);
    own.note({ draft: "" });
    setDraft("");
    toEnd();
  };
  log.onscroll = count;
  const sizes = new ResizeObserver(() => {
    fitField();
    fitThread(state.read);
    count();
  });
  for (const one of [panel, log]) sizes.observe(one);
  addEventListener("online", () => chat.open());
  addEventListener("storage", ({ key, newValue }) => {
    if (key === keyOf() && !newValue) person(key).discard(true);
    if (key !== own.key) return;
    if (newValue) {
      if (chat.share()) who = null; // Another tab has made a new guest.
      return begin();
    }
    // The visitor has signed out in another tab, or a guest has become a user there.
    signOut(own, true);
    options.userId = "";
    begin(true);
  });
  document.addEventListener("visibilitychange", count);
  setInterval(() => {
    render(state);
    if (!panel.hidden && !document.hidden) chat.ask();
  }, 20_000);

  return { open, close, begin };
};

/** Signs out the visitor, and the guest that they may have been. */
export const forgetVisitor = () => {
  signOut(person(keyOf(options.userId), options.userId));
  signOut(person(keyOf()));
};
