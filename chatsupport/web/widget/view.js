import { linked } from "../shared/links.js";
import { createChat } from "./chat.js";
import { adopt, person, signOut } from "./people.js";

const LENGTH = 1_000;
const NEAR_PX = 60;

// Draws the chat beside the bubble. What it is given is from loader.js: how to make elements, the bubble and the frame
// around it, the texts, the script tag's attributes, where a person's state is kept, and who is told.
export function createView(h, icon, frame, bubble, strings, options, keyOf, emit) {
  // prettier-ignore
  const [
    , openText, titleText, closeText, soundText, endText, helloText, hintText, writeText, sendText, placeText,
    waitedText, talkingText, typingText, teamText, sendingText, sentText, readText, failedText, retryText, offlineText,
    earlierText, unreadText, leftText, idleText, endedText, againText, busyText, troubleText, awayText, sureText,
    stayText, blockedText, originText, overText,
  ] = strings;
  const say = (template, value) => template.replace("{}", () => value);
  const title = options.title?.trim() || titleText;
  const about = h("p", { role: "status" });
  const end = h("button", {}, endText);
  const sound = icon(soundText, "M4 9v6h4l5 4V5L8 9zm12 0q3 3 0 6m3-9q5 6 0 12");
  const shut = icon(closeText, "M6 6l12 12M18 6L6 18");
  const sure = h("button", {}, endText);
  const stay = h("button", {}, stayText);
  const question = h("div", { class: "question", role: "group", "aria-label": sureText, hidden: "" }, h("p", {}, sureText), stay, sure);
  const hint = h("p");
  const hello = h("div", { class: "hello" }, h("h3", {}, helloText), hint);
  const earlier = h("button", { class: "earlier" }, earlierText);
  const log = h("div", { class: "log", role: "log", "aria-relevant": "additions", "aria-label": title, tabindex: 0 });
  const jump = h("button", { class: "jump", hidden: "" });
  const typing = h("p", { class: "typing", role: "status" });
  const text = h("textarea", { rows: 1, placeholder: writeText, "aria-label": writeText, "aria-describedby": "left" });
  const left = h("small", { id: "left" });
  const submit = icon(sendText, "M4 12l16-8-6 16-3-6z");
  const form = h("form", {}, text, submit, left);
  const again = h("button", { class: "again" }, againText);
  const head = h("header", {}, h("div", {}, h("h2", {}, title), about), end, sound, shut);
  const panel = h(
    "section",
    { role: "dialog", "aria-modal": true, "aria-label": title, hidden: "" },
    head,
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
  const rows = new Map();
  // Times as the visitor writes them: in the chat's language, and the visitor's country where that is known.
  const locale = navigator.languages.find((one) => one.startsWith(frame.lang)) ?? frame.lang;
  const clock = new Intl.DateTimeFormat(locale, { timeStyle: "short" });
  const calendar = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
  let own, who, chat, state, unread, audio, atEnd, unplaced;

  const isOwn = (entry) => entry.senderType === "user" || !entry.seq;
  const focus = () => (form.hidden ? again : text).focus();
  const toEnd = () => (log.scrollTop = log.scrollHeight);
  const agentName = () => state.agent?.name ?? teamText;

  function toggle(shown) {
    panel.hidden = !shown;
    bubble.hidden = shown;
    own.note({ open: shown });
    emit(shown ? "open" : "close");
  }

  function open(quietly) {
    if (panel.hidden) toggle(true);
    chat.open();
    chat.ask();
    resize();
    render(state);
    place();
    if (!quietly) focus();
  }

  // Shows the end, or the first of the new messages where those are more than fit.
  function place() {
    unplaced = !panel.clientHeight;
    const first = state.messages.find((message) => !isOwn(message) && message.seq > state.read);
    toEnd();
    if (first) log.scrollTop = Math.min(log.scrollTop, rows.get(first.id).offsetTop - 20);
    count();
  }

  function close() {
    toggle(false);
    bubble.focus();
  }

  function resize() {
    text.style.height = 0;
    text.style.height = `${text.scrollHeight + 2}px`;
    const rest = LENGTH - [...text.value.trim()].length;
    left.textContent = rest > 100 ? "" : rest < 0 ? say(overText, -rest) : say(leftText, rest);
    form.className = rest < 0 ? "failed" : "";
    submit.disabled = rest < 0 || rest >= LENGTH;
  }

  function summary({ status, place, since, online, problem, idle, staffed }) {
    const reasons = { QUEUE_FULL: busyText, BLOCKED: blockedText, ORIGIN: originText };
    if (problem) return reasons[problem] ?? troubleText;
    if (!online && !panel.hidden) return offlineText;
    if (status === "ended") return endedText;
    if (idle) return idleText;
    if (status === "active") return say(talkingText, agentName());
    if (!status) return "";
    if (staffed === false) return awayText;
    const minutes = Math.floor((Date.now() - since) / 60_000);
    const unit = { style: "unit", unit: "minute", unitDisplay: "long" };
    const waited = minutes > 0 && say(waitedText, minutes.toLocaleString(locale, unit));
    return [place && say(placeText, place), waited].filter(Boolean).join(", ");
  }

  // Shows a message; what is shown already keeps its element, so that it is read out once.
  function show(entry, i, entries) {
    const next = entries[i + 1];
    const mine = isOwn(entry);
    const key = (mine && entry.clientMessageId) || entry.id;
    const row =
      rows.get(key) ??
      h(
        "div",
        { class: mine ? "own" : "" },
        h("p", { dir: "auto" }, ...linked(entry.message ?? entry.text)),
        h("small"),
      );
    rows.set(key, row);
    const { failed } = entry;
    const mark = failed ? failedText : !entry.seq ? sendingText : entry.seq > state.theirs ? sentText : readText;
    const name = mine ? mark : (state.names[entry.senderId] ?? teamText);
    // What one person says in a row has one line below it.
    const isLast = failed || !next || next.failed || isOwn(next) !== mine || (!mine && next.senderId !== entry.senderId);
    const time = isLast && entry.timestamp && timeOf(row, entry.timestamp);
    // Each part keeps its own direction of writing.
    const note = isLast ? `\u2068${name}\u2069${time ? ` · ${time}` : ""}` : "";
    if (row.note !== note) {
      row.note = row.lastChild.textContent = note;
      row.classList.toggle("failed", !!failed);
      if (failed) {
        const retry = row.lastChild.appendChild(h("button", {}, retryText));
        retry.onclick = () => (chat.retry(entry), text.focus());
      }
    }
    if (log.children[i] !== row) log.insertBefore(row, log.children[i]);
  }

  // Returns the time of a message, with its date where that is not today's. Making it out is slow: a row keeps its own.
  function timeOf(row, timestamp) {
    const today = new Date().toDateString();
    if (row.today !== today) {
      const at = new Date(timestamp);
      row.time = (at.toDateString() === today ? clock : calendar).format(at);
      row.today = today;
    }
    return row.time;
  }

  function clear() {
    rows.clear();
    log.replaceChildren();
  }

  function render(now) {
    if (state?.id !== now.id) clear();
    state = now;
    const { scrollHeight, scrollTop } = log;
    const first = log.firstChild;
    const entries = [...state.messages, ...state.outbox];
    const ended = state.status === "ended";
    const focused = panel.querySelector(":focus");
    entries.forEach(show);
    while (log.children[entries.length]) log.lastChild.remove();
    const summed = summary(state);
    if (about.textContent !== summed) about.textContent = summed;
    typing.textContent = state.typing ? say(typingText, agentName()) : "";
    hint.textContent = state.staffed === false ? `${awayText} ${hintText}` : hintText;
    hello.hidden = !!entries[0];
    earlier.hidden = !state.hasMore;
    form.hidden = ended;
    again.hidden = !ended;
    end.hidden = !state.id || ended;
    if (end.hidden) question.hidden = true;
    sound.ariaPressed = !!own.kept().sound;
    if (focused?.offsetParent === null) focus();
    if (!first) return place();
    if (atEnd) toEnd();
    // Earlier messages came in above what the visitor is reading.
    else if (log.firstChild !== first) log.scrollTop = scrollTop + log.scrollHeight - scrollHeight;
    count();
  }

  // Marks as read what the visitor has seen, and counts the rest.
  function count() {
    atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_PX;
    const bottom = log.scrollTop + log.clientHeight;
    const isSeen = ({ id, clientMessageId }) => {
      const row = rows.get(id) ?? rows.get(clientMessageId);
      return row.offsetTop + Math.min(row.offsetHeight, NEAR_PX) <= bottom;
    };
    const watched = !document.hidden && log.clientHeight; // Nothing is seen where the page hides the chat.
    state.read = chat.see((watched && state.messages.findLast(isSeen)?.seq) || 0);

    const news = state.messages.filter((message) => !isOwn(message) && message.seq > state.read).length;
    jump.hidden = !news || atEnd;
    jump.textContent = say(unreadText, news);
    if (news === unread) return;
    const heard = unread ?? own.kept().unread ?? 0;
    if (news > heard && own.kept().sound) chime();
    unread = news;
    // The next page needs to know of it, also where the chat has ended.
    if (state.id && unread !== own.kept().unread) own.keep({ unread });
    badge.textContent = unread || "";
    bubble.ariaLabel = openText + (unread ? `, ${say(unreadText, unread)}` : "");
    emit("unread", unread);
  }

  // A browser lets a page be heard once the visitor has done something there: on the next page, that is to do again.
  function wake() {
    if (!own.kept().sound) return;
    audio ??= new AudioContext();
    return audio.resume();
  }

  async function chime() {
    const asked = Date.now();
    await wake();
    if (Date.now() - asked > 1_000) return; // Too late.
    const tone = new OscillatorNode(audio);
    tone.connect(new GainNode(audio, { gain: 0.1 })).connect(audio.destination);
    tone.start();
    tone.stop(audio.currentTime + 0.15);
  }

  function ask(shown) {
    question.hidden = !shown;
    (shown ? stay : end).focus();
  }

  // Shows the chat of whoever the visitor is now, which may be the one that is shown; `isOver` where they have signed out.
  function begin(isOver) {
    const key = keyOf(options.userId);
    if (!isOver && who === (who = `${key} ${options.userHash}`) && !chat.hasFailed()) return;
    chat?.stop();
    if (state?.status) emit("status", { status: null, queuePosition: null });
    own = person(key, options.userId);
    if (options.userId) adopt(own, person(keyOf()));
    state = unread = undefined;
    clear();
    text.value = own.tab().draft ?? "";
    chat = createChat({ ...options }, own, render, emit);
    chat.share();
    if (!panel.hidden && isOver) toggle(false);
    else if (!panel.hidden) own.note({ open: true });
    if (own.tab().open) open(true);
    else chat.open();
  }

  // No key is the page's affair: pages have hotkeys.
  for (const type of ["keydown", "keypress", "keyup"]) panel.addEventListener(type, (event) => event.stopPropagation());
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return question.hidden ? close() : ask(false);
    if (event.key !== "Tab") return;
    // The focus stays inside.
    const all = [...panel.querySelectorAll("button, a, textarea, .log")];
    const stops = all.filter((one) => one.offsetParent && !one.disabled);
    const [from, to] = event.shiftKey ? [stops[0], stops.at(-1)] : [stops.at(-1), stops[0]];
    if (event.target !== from) return;
    event.preventDefault();
    to.focus();
  });
  text.onkeydown = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit.click();
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    chat.write(text.value.trim());
    text.value = "";
    own.note({ draft: "" });
    resize();
    atEnd = true;
  };
  text.oninput = () => {
    own.note({ draft: text.value });
    resize();
    chat.typing();
  };
  shut.onclick = close;
  end.onclick = () => ask(true);
  stay.onclick = () => ask(false);
  sure.onclick = () => (ask(false), chat.end());
  again.onclick = () => (chat.again(), text.focus());
  jump.onclick = () => (toEnd(), focus());
  sound.onclick = () => {
    own.keep({ sound: !own.kept().sound });
    if (own.kept().sound) chime();
    render(state);
  };
  let loading;
  earlier.onclick = async () => {
    if (loading) return;
    loading = true;
    await chat.earlier().catch(({ code }) => console.warn("Chat Support:", code)); // The button is still there.
    loading = false;
  };
  log.onscroll = count;
  // Nothing has a size before the bubble is on the page, which an open chat may be ready before.
  const sizes = new ResizeObserver(() => (unplaced ? (resize(), place()) : atEnd && toEnd()));
  for (const one of [panel, log]) sizes.observe(one);
  // On a phone, the keyboard leaves the chat this much of the screen.
  const fit = () => {
    const { height, offsetTop } = visualViewport;
    frame.style.setProperty("--height", `${height}px`);
    frame.style.setProperty("--top", `${offsetTop}px`);
  };
  for (const event of ["resize", "scroll"]) visualViewport.addEventListener(event, fit);
  for (const event of ["pointerdown", "keydown"]) addEventListener(event, wake, true);
  addEventListener("online", () => chat.open());
  addEventListener("storage", ({ key, newValue }) => {
    if (key === keyOf() && newValue === null) person(key).forgetHere();
    if (key !== own.key) return;
    if (newValue !== null) {
      if (chat.share()) who = null; // Another tab has made another guest.
      return begin();
    }
    // Somebody has signed out in another tab, or a guest has become somebody there.
    signOut(options.server, own, false);
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
