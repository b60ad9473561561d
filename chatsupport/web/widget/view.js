import { linked } from "../shared/links.js";
import { createChat } from "./chat.js";

// Draws the chat beside the bubble. What it is given is from loader.js: how to make elements, the bubble and the frame
// around it, the texts, the script tag's attributes, what is kept, for all tabs and for this one, and who is told.
export function createView(h, icon, frame, bubble, strings, options, kept, keep, tab, key, emit) {
  // prettier-ignore
  const [
    , openText, titleText, closeText, soundText, endText, helloText, hintText, writeText, sendText, placeText,
    waitedText, talkingText, typingText, teamText, sendingText, sentText, readText, failedText, retryText, offlineText,
    earlierText, unreadText, leftText, idleText, endedText, againText, busyText, troubleText,
  ] = strings;
  const say = (template, value) => template.replace("{}", () => value);
  const title = options.title ?? titleText;
  const about = h("p", { role: "status" });
  const end = h("button", {}, endText);
  const sound = icon(soundText, "M4 9v6h4l5 4V5L8 9zm12 0q3 3 0 6m3-9q5 6 0 12");
  const shut = icon(closeText, "M6 6l12 12M18 6L6 18");
  const hello = h("div", { class: "hello" }, h("h3", {}, helloText), h("p", {}, hintText));
  const earlier = h("button", { class: "earlier" }, earlierText);
  const log = h("ol", { role: "log", "aria-relevant": "additions", "aria-label": title, tabindex: 0 });
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
    earlier,
    hello,
    log,
    typing,
    form,
    again,
  );
  const badge = bubble.appendChild(h("span", { class: "badge" }));
  const rows = new Map();
  let state, unread;

  const isOwn = (entry) => entry.senderType === "user" || !entry.seq;
  const see = () => chat.see(!panel.hidden && !document.hidden);
  const focus = () => (form.hidden ? again : text).focus();
  const toEnd = () => (log.scrollTop = log.scrollHeight);

  function toggle(shown) {
    panel.hidden = !shown;
    bubble.hidden = shown;
    tab[key] = shown ? 1 : "";
    see();
    emit(shown ? "open" : "close");
  }

  function open(quietly) {
    toggle(true);
    chat.open();
    resize();
    toEnd();
    if (!quietly) focus();
  }

  function close() {
    toggle(false);
    bubble.focus();
  }

  function resize() {
    text.style.height = 0;
    text.style.height = `${text.scrollHeight + 2}px`;
    const rest = 1_000 - [...text.value.trim()].length;
    left.textContent = rest > 100 ? "" : say(leftText, rest);
    form.className = rest < 0 ? "failed" : "";
    submit.disabled = rest < 0 || rest > 999;
  }

  function summary({ status, place, since, online, problem, idle }) {
    if (problem) return problem === "QUEUE_FULL" ? busyText : troubleText;
    if (!online && !panel.hidden) return offlineText;
    if (status === "ended") return endedText;
    if (idle) return idleText;
    if (status === "active") return say(talkingText, agentName());
    if (!status) return "";
    const minutes = Math.floor((Date.now() - since) / 60_000);
    const unit = { style: "unit", unit: "minute", unitDisplay: "long" };
    const waited = minutes > 0 && say(waitedText, minutes.toLocaleString(frame.lang, unit));
    return [place && say(placeText, place), waited].filter(Boolean).join(", ");
  }

  const agentName = () => state.agent?.name ?? teamText;

  // Shows a message; what is shown already keeps its element, so that it is read out once.
  function show(entry, i, entries) {
    const next = entries[i + 1];
    const own = isOwn(entry);
    const key = (own && entry.clientMessageId) || entry.id;
    const row =
      rows.get(key) ??
      h(
        "div",
        { class: own ? "own" : "" },
        h("p", { dir: "auto" }, ...linked(entry.message ?? entry.text)),
        h("small"),
      );
    rows.set(key, row);
    const { failed } = entry;
    const mark = failed ? failedText : !entry.seq ? sendingText : entry.seq > state.theirs ? sentText : readText;
    const name = own ? mark : entry.senderId === state.agent?.id ? agentName() : teamText;
    const time = entry.timestamp && new Date(entry.timestamp).toLocaleTimeString([], { timeStyle: "short" });
    const isLast = failed || !next || next.failed || isOwn(next) !== own;
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

  function render(now) {
    if (state?.id !== now.id) (rows.clear(), log.replaceChildren());
    state = now;
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
    const entries = [...state.messages, ...state.outbox];
    const ended = state.status === "ended";
    const focused = panel.querySelector(":focus");
    entries.forEach(show);
    while (log.children[entries.length]) log.lastChild.remove();
    const summed = summary(state);
    if (about.textContent !== summed) about.textContent = summed;
    typing.textContent = state.typing ? say(typingText, agentName()) : "";
    hello.hidden = !!entries[0];
    earlier.hidden = !state.hasMore;
    form.hidden = ended;
    again.hidden = !ended;
    end.hidden = !state.id || ended;
    if (focused?.offsetParent === null) focus();
    if (atEnd) toEnd();
    sound.ariaPressed = !!kept().sound;

    const count = state.messages.filter((message) => !isOwn(message) && message.seq > state.read).length;
    if (count === unread) return;
    if (count > unread && kept().sound) chime();
    unread = count;
    badge.textContent = unread || "";
    bubble.ariaLabel = openText + (unread ? `, ${say(unreadText, unread)}` : "");
    emit("unread", unread);
  }

  function chime() {
    const audio = new AudioContext();
    const tone = new OscillatorNode(audio);
    tone.connect(new GainNode(audio, { gain: 0.1 })).connect(audio.destination);
    tone.onended = () => audio.close();
    tone.start();
    tone.stop(0.15);
  }

  panel.onkeydown = (event) => {
    event.stopPropagation();
    if (event.key === "Escape") close();
    if (event.key !== "Tab") return;
    // The focus stays inside.
    const first = end.hidden ? sound : end;
    const last = form.hidden ? again : submit.disabled ? text : submit;
    if (event.target !== (event.shiftKey ? first : last)) return;
    event.preventDefault();
    (event.shiftKey ? last : first).focus();
  };
  text.onkeydown = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit.click();
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    chat.write(text.value.trim());
    text.value = "";
    resize();
    toEnd();
  };
  text.oninput = () => (resize(), chat.typing());
  shut.onclick = close;
  sound.onclick = () => (keep({ sound: !kept().sound }), render(state));
  again.onclick = () => (chat.again(), text.focus());
  // On a phone, the keyboard leaves the chat this much of the screen.
  const fit = () => {
    const { height, offsetTop } = visualViewport;
    frame.style.cssText += `--height: ${height}px; --top: ${offsetTop}px`;
  };
  for (const event of ["resize", "scroll"]) visualViewport.addEventListener(event, fit);
  document.addEventListener("visibilitychange", see);
  setInterval(see, 20_000);

  const chat = createChat(options, kept, keep, render, emit);
  end.onclick = chat.end;
  earlier.onclick = chat.earlier;
  frame.append(panel);
  see();
  if (tab[key]) open(true);
  return { open, close, identify: chat.identify };
}
