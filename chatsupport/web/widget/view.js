import { createChat } from "./chat.js";
import { field, fitField, form, setDraft } from "./composer.js";
import { bubble, emit, frame, h, icon, keyOf, locale, options, say, texts, title } from "./page.js";
import { adopt, person, signOut } from "./people.js";
import { createSound } from "./sound.js";
import { clearThread, fitThread, isAtEnd, isOwn, lastSeen, log, placeThread, showThread, toEnd } from "./thread.js";
import { warn } from "./visitor.js";

/** @import { Unsent } from "../shared/types.js" */
/** @import { Person, State } from "./types.js" */

/** Draws the chat beside the bubble. */
export function createView() {
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

  const chime = createSound(() => own.kept().sound);
  const sound = icon(texts.sound, "M4 9v6h4l5 4V5L8 9zm12 0q3 3 0 6m3-9q5 6 0 12", {
    onclick() {
      const isOn = !own.kept().sound;
      own.keep({ sound: isOn });
      if (isOn) chime();
      render(state);
    },
  });
  const shut = icon(texts.close, "M6 6l12 12M18 6L6 18", { onclick: close });
  const end = h("button", { onclick: () => ask(true) }, texts.end);
  const about = h("p", { role: "status" });
  const stay = h("button", { onclick: () => ask(false) }, texts.stay);
  const sure = h("button", { onclick: leave }, texts.end);
  const question = h(
    "div",
    { class: "question", role: "group", "aria-label": texts.sure, hidden: true },
    h("p", null, texts.sure),
    stay,
    sure,
  );
  const earlier = h("button", { class: "earlier", onclick: loadEarlier }, texts.earlier);
  const hint = h("p");
  const hello = h("div", { class: "hello" }, h("h3", null, texts.hello), hint);
  const jump = h("button", { class: "jump", hidden: true, onclick: goToEnd });
  const typing = h("p", { class: "typing", role: "status" });
  const again = h("button", { class: "again", onclick: startAgain }, texts.again);
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
    h("header", null, h("div", null, h("h2", null, title), about), end, sound, shut),
    question,
    earlier,
    hello,
    log,
    jump,
    typing,
    form,
    again,
  );
  const badge = bubble.appendChild(h("span", { class: "badge" }));

  const agentName = () => state.agent?.name ?? texts.team;

  // Focuses what the visitor most likely needs next.
  function focus() {
    [field, again, shut].find((one) => one.offsetParent)?.focus();
  }

  /** @param {boolean} isShown */
  function toggle(isShown) {
    panel.hidden = !isShown;
    bubble.hidden = isShown;
    own.note({ open: isShown });
    emit(isShown ? "open" : "close");
  }

  /** @param {boolean} [isQuiet] */
  function open(isQuiet) {
    if (panel.hidden) toggle(true);
    chat.open();
    chat.ask();
    fitField();
    render(state);
    placeThread(state.read);
    count();
    if (!isQuiet) focus();
  }

  function close() {
    toggle(false);
    bubble.focus();
  }

  /** @param {boolean} isShown */
  function ask(isShown) {
    question.hidden = !isShown;
    (isShown ? stay : end).focus();
  }

  function leave() {
    ask(false);
    chat.end();
  }

  function startAgain() {
    if (options.userId === ".") {
      own.forget();
      options.userId = "";
      begin();
    }
    chat.again();
    field.focus();
  }

  function goToEnd() {
    toEnd();
    focus();
  }

  function loadEarlier() {
    chat.earlier().catch(warn); // The button is still there.
  }

  /** @param {Unsent} entry */
  function retry(entry) {
    chat.retry(entry);
    focus();
  }

  function summary() {
    const { status, problem, place } = state;
    /** @type {Record<string, string>} */
    const reasons = { QUEUE_FULL: texts.busy, BLOCKED: texts.blocked, ORIGIN: texts.origin };
    if (problem) return reasons[problem] ?? texts.trouble;
    if (state.isEnding) return texts.ending;
    if (!state.isOnline && !panel.hidden) return texts.offline;
    if (status === "ended") return texts.ended;
    if (state.isIdle) return texts.idle;
    if (status === "active") return say(texts.talking, agentName());
    if (!status) return "";
    if (state.isStaffed === false) return texts.away;
    const minutes = Math.floor((Date.now() - state.since) / 60_000);
    const unit = /** @type {const} */ ({ style: "unit", unit: "minute", unitDisplay: "long" });
    const waited = minutes > 0 && say(texts.waited, minutes.toLocaleString(locale, unit));
    return [place && say(texts.place, place), waited].filter(Boolean).join(", ");
  }

  /** @param {State} now */
  function render(now) {
    if (state?.id !== now.id) clearThread();
    state = now;
    const hasEnded = state.status === "ended";
    const isBlocked = state.problem === "BLOCKED";
    /** @type {HTMLElement | null} */
    const focused = panel.querySelector(":focus");
    const summed = summary();
    if (about.textContent !== summed) about.textContent = summed;
    typing.textContent = state.isTyping ? say(texts.typing, agentName()) : "";
    hint.textContent = state.isStaffed === false ? `${texts.away} ${texts.hint}` : texts.hint;
    hello.hidden = !!(state.messages[0] ?? state.unsent[0]);
    earlier.hidden = !state.hasMore;
    // Actions that would be refused are not offered.
    form.hidden = hasEnded || state.isEnding || isBlocked;
    again.hidden = !hasEnded || isBlocked;
    end.hidden = !state.id || hasEnded || isBlocked;
    if (end.hidden) question.hidden = true;
    sound.ariaPressed = `${!!own.kept().sound}`;
    if (focused?.offsetParent === null) focus();
    showThread(state, retry);
    count();
  }

  // Marks the seen messages as read, and counts the rest.
  function count() {
    state.read = chat.see(lastSeen());
    const news = state.messages.filter((message) => !isOwn(message) && message.seq > state.read).length;
    jump.hidden = !news || isAtEnd;
    jump.textContent = say(texts.unread, news);
    if (news === unread) return;
    const { unread: kept = 0, sound: isOn } = own.kept();
    if (news > (unread ?? kept) && isOn) chime();
    unread = news;
    // The next page needs this, even if the chat has ended.
    if (state.id) own.keep({ unread });
    badge.textContent = /** @type {any} */ (unread || "");
    bubble.ariaLabel = texts.open + (unread ? `, ${say(texts.unread, unread)}` : "");
    emit("unread", unread);
  }

  // Shows the current visitor's chat, which may be the shown one. `isOver` says that the visitor has signed out.
  /** @param {boolean} [isOver] */
  function begin(isOver) {
    const key = keyOf(options.userId);
    const before = who;
    who = `${key} ${options.userHash}`;
    if (!isOver && who === before && !state?.problem) return;
    chat?.stop();
    if (state?.status) emit("status", { status: null, queuePosition: null });
    own = person(key, options.userId);
    if (/[^.]/.test(options.userId)) adopt(own, person(keyOf())); // "." is whoever has a link (link.js).
    state = /** @type {any} */ ((unread = undefined));
    clearThread();
    setDraft(own.tab().draft ?? "");
    chat = createChat(own, render);
    chat.share();
    if (!panel.hidden) isOver ? toggle(false) : own.note({ open: true });
    if (own.tab().open) open(true);
    else chat.open();
  }

  /** @param {Event} event */
  function stop(event) {
    event.stopPropagation();
  }

  /** @param {KeyboardEvent} event */
  function onkeydown(event) {
    stop(event);
    if (event.key === "Escape") return question.hidden ? close() : ask(false);
    if (event.key !== "Tab") return;
    // The focus stays inside.
    /** @type {NodeListOf<HTMLElement>} */
    const all = panel.querySelectorAll("button:enabled, a, textarea, .log");
    const stops = [...all].filter((one) => one.offsetParent);
    const [from, to] = event.shiftKey ? [stops[0], stops.at(-1)] : [stops.at(-1), stops[0]];
    if (event.target !== from) return;
    event.preventDefault();
    to?.focus();
  }

  const viewport = /** @type {VisualViewport} */ (visualViewport);
  // On a phone, the keyboard leaves the chat this much of the screen.
  function fit() {
    const { height, offsetTop } = viewport;
    frame.style.setProperty("--height", `${height}px`);
    frame.style.setProperty("--top", `${offsetTop}px`);
  }

  field.oninput = () => {
    own.note({ draft: field.value });
    fitField();
    chat.typing();
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    chat.write(field.value.trim());
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
  for (const type of ["resize", "scroll"]) viewport.addEventListener(type, fit);
  addEventListener("online", () => chat.open());
  addEventListener("storage", ({ key, newValue }) => {
    if (key === keyOf() && !newValue) person(key).forget(true);
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

  frame.append(panel);
  begin();
  return { open, close, begin };
}

/** Signs out the visitor, and the guest that they may have been. */
export function forgetVisitor() {
  signOut(person(keyOf(options.userId), options.userId));
  signOut(person(keyOf()));
}
