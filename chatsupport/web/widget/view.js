import { iconButton, make } from "./dom.js";
import { chime, linked } from "./parts.js";

const MAX_CHARACTERS = 1000;
const SPEAKER = "M4 9v6h4l5 4V5L8 9z";
const isolate = (text) => `\u2068${text}\u2069`; // Each part keeps its own direction of writing.
const isOwn = (entry) => entry.senderType === "user" || !entry.seq;

// Draws the chat beside the bubble. `chat` does what the visitor asks for; render(state) shows how things are.
export function createView(
  { root, frame, button: bubble, badge },
  strings,
  { title = strings.title },
  store,
  chat,
  emit,
) {
  const say = (name, value) => strings[name].replace("{}", () => value);
  const about = make("p", { role: "status" });
  const end = make("button", { type: "button", class: "end" }, strings.end);
  const sound = iconButton(strings.sound, SPEAKER);
  const shut = iconButton(strings.close, "M6 6l12 12M18 6L6 18");
  const head = make("header", {}, make("div", {}, make("h2", { id: "title" }, title), about), end, sound, shut);
  const hello = make("div", { class: "hello" }, make("h3", {}, strings.hello), make("p", {}, strings.hint));
  const earlier = make("button", { type: "button", class: "earlier" }, strings.earlier);
  const list = make("div", { role: "log", "aria-relevant": "additions", "aria-label": title });
  const typing = make("p", { class: "typing", role: "status" });
  const log = make(
    "div",
    { class: "log", tabindex: 0, role: "group", "aria-label": title },
    hello,
    earlier,
    list,
    typing,
  );
  const text = make("textarea", {
    rows: 1,
    placeholder: strings.write,
    "aria-label": strings.write,
    "aria-describedby": "left",
  });
  const left = make("span", { id: "left" });
  const submit = iconButton(strings.send, "M4 12l16-8-6 16-3-6z", { type: "submit" });
  const form = make("form", {}, text, left, submit);
  const again = make("button", { type: "button", class: "again" }, strings.again);
  const panel = make(
    "section",
    { role: "dialog", "aria-modal": true, "aria-labelledby": "title" },
    head,
    log,
    form,
    again,
  );
  const shown = new Map();
  let state, unread, session;

  panel.hidden = true;
  frame.append(panel);

  const see = () => chat.see(!panel.hidden && document.visibilityState === "visible");

  function open(focus = true) {
    panel.hidden = false;
    bubble.hidden = true;
    store.open = true;
    chat.open();
    see();
    resize();
    log.scrollTop = log.scrollHeight;
    if (focus) (form.hidden ? again : text).focus();
    emit("open");
  }

  function close() {
    panel.hidden = true;
    bubble.hidden = false;
    store.open = false;
    see();
    bubble.focus();
    emit("close");
  }

  // On a phone, the keyboard leaves the chat this much of the screen.
  function fit() {
    frame.style.setProperty("--top", `${visualViewport.offsetTop}px`);
    frame.style.setProperty("--height", `${visualViewport.height}px`);
  }

  function resize() {
    text.style.height = "";
    text.style.height = `${text.scrollHeight}px`;
    const rest = MAX_CHARACTERS - [...text.value.trim()].length;
    left.textContent = rest <= 100 ? say("left", rest) : "";
    form.classList.toggle("over", rest < 0);
    submit.disabled = rest < 0 || rest === MAX_CHARACTERS;
  }

  function write() {
    if (submit.disabled) return;
    chat.write(text.value.trim());
    text.value = "";
    resize();
    log.scrollTop = log.scrollHeight;
  }

  function summary({ status, place, since, agent, online, problem, idle }) {
    if (problem) return problem === "QUEUE_FULL" ? strings.busy : strings.trouble;
    if (!online && !panel.hidden) return strings.offline;
    if (idle && status !== "ended") return strings.idle;
    if (status === "active") return say("talking", agent?.name ?? strings.team);
    if (status !== "waiting") return status && strings.ended;
    const minutes = Math.floor((Date.now() - since) / 60_000);
    const unit = new Intl.NumberFormat(strings.language, { style: "unit", unit: "minute", unitDisplay: "long" });
    return [place && say("place", place), minutes > 0 && say("waited", unit.format(minutes))]
      .filter(Boolean)
      .join(", ");
  }

  // Shows a message; what is shown already keeps its element, so that it is read out once.
  function show(entry, next) {
    const own = isOwn(entry);
    const key = own ? (entry.clientMessageId ?? entry.id) : entry.id;
    let row = shown.get(key);
    if (!row) {
      row = make(
        "div",
        { class: own ? "own" : "" },
        make("p", { dir: "auto" }, ...linked(entry.message ?? entry.text)),
        make("small"),
      );
      shown.set(key, row);
    }
    const failed = entry.failed && entry.failed !== "stored";
    const name = !own && (entry.senderId === state.agent?.id ? state.agent.name : strings.team);
    const time = entry.timestamp && new Date(entry.timestamp).toLocaleTimeString([], { timeStyle: "short" });
    const mark = own && (failed ? "failed" : !entry.seq ? "sending" : entry.seq <= state.agentRead ? "read" : "sent");
    const isLast = !next || isOwn(next) !== own || !entry.seq !== !next.seq;
    const note = isLast || failed ? [name || strings[mark], time].filter(Boolean).map(isolate).join(" · ") : "";
    if (row.note === note) return row;
    row.note = row.lastChild.textContent = note;
    row.classList.toggle("failed", !!failed);
    if (failed) {
      const retry = make("button", { type: "button" }, strings.retry);
      retry.onclick = () => (chat.retry(entry), text.focus());
      row.lastChild.append(" ", retry);
    }
    return row;
  }

  function render(now) {
    state = now;
    if (session !== state.id) (shown.clear(), list.replaceChildren());
    session = state.id;
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
    const entries = [...state.messages, ...state.outbox];
    entries.forEach((entry, i) => {
      const row = show(entry, entries[i + 1]);
      if (list.children[i] !== row) list.insertBefore(row, list.children[i]);
    });
    while (list.children.length > entries.length) list.lastChild.remove();
    hello.hidden = entries.length > 0;
    earlier.hidden = !state.hasMore;
    const summed = summary(state) ?? "";
    if (about.textContent !== summed) about.textContent = summed;
    typing.hidden = !state.typing;
    typing.textContent = state.typing ? say("typing", state.agent?.name ?? strings.team) : "";
    const focused = root.activeElement;
    form.hidden = state.status === "ended";
    again.hidden = !form.hidden;
    end.hidden = !state.id || form.hidden;
    if (panel.contains(focused) && !focused.offsetParent) (form.hidden ? again : text).focus();
    if (atEnd) log.scrollTop = log.scrollHeight;
    count(state.messages.filter((message) => !isOwn(message) && message.seq > state.read).length);
  }

  function count(messages) {
    if (messages === unread) return;
    if (messages > unread && store.get().sound) chime();
    unread = messages;
    badge.textContent = unread || "";
    bubble.setAttribute("aria-label", unread ? `${strings.open}, ${say("unread", unread)}` : strings.open);
    emit("unread", unread);
  }

  function onKey(event) {
    event.stopPropagation();
    if (event.key === "Escape") close();
    if (event.key !== "Tab") return;
    const stops = [...panel.querySelectorAll("button, textarea, a, [tabindex]")].filter(
      (one) => !one.disabled && one.offsetParent,
    );
    const [from, to] = event.shiftKey ? [stops[0], stops.at(-1)] : [stops.at(-1), stops[0]];
    if (root.activeElement !== from) return;
    event.preventDefault();
    to.focus();
  }

  function showSound() {
    const on = !!store.get().sound;
    sound.setAttribute("aria-pressed", on);
    sound.querySelector("path").setAttribute("d", SPEAKER + (on ? "m12 0q3 3 0 6m3-9q5 6 0 12" : "m12 0l5 6m0-6l-5 6"));
  }
  shut.onclick = close;
  end.onclick = () => chat.end();
  again.onclick = () => (chat.again(), text.focus());
  earlier.onclick = chat.earlier;
  sound.onclick = () => (store.set({ sound: !store.get().sound }), showSound());
  form.onsubmit = (event) => (event.preventDefault(), write());
  text.oninput = () => (resize(), chat.typing());
  text.onkeydown = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    write();
  };
  panel.onkeydown = onKey;
  document.addEventListener("visibilitychange", see);
  for (const event of ["resize", "scroll"]) window.visualViewport?.addEventListener(event, fit);
  setInterval(() => render(state), 20_000);
  showSound();
  resize();
  return { open, close, render };
}
