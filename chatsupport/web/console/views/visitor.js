// Who is being talked to: what is known of them, how long it has taken, and the chats they had before.

import { loadEarlierSessions } from "../actions.js";
import { between, duration, fullTime, length, shortTime, since, timeOfDay } from "../clock.js";
import { copyText } from "../clipboard.js";
import { avatar, h, icon, initials, keyed, setText, show } from "../dom.js";
import { go } from "../route.js";
import { change, isSupervisor, putSession, reasonOf, selectedSession, state as store, toast } from "../store.js";

export function createVisitor() {
  const picture = avatar();
  const name = h("p", { class: "visitor-name" });
  const copy = h("button", { class: "button small", type: "button", onclick: copyId }, "Copy id");
  const facts = h("dl", { class: "facts" });
  const heading = h("h2", {}, "Other chats");
  const hint = h("p", { class: "muted small-text" });
  const earlier = h("ul", { class: "earlier" });
  const close = h(
    "button",
    {
      class: "icon-button close-panel",
      type: "button",
      "aria-label": "Close",
      onclick: () => change((state) => (state.panel = false)),
    },
    icon("end"),
  );
  const element = h(
    "aside",
    { class: "visitor", "aria-label": "About the visitor" },
    close,
    h("div", { class: "visitor-head" }, picture, name, copy),
    facts,
    heading,
    hint,
    earlier,
  );
  let userId = null;

  async function copyId() {
    if (await copyText(userId)) toast("Copied.");
    else toast("The browser did not let the page copy. Select the id and copy it yourself.", { kind: "error" });
  }
  return {
    element,
    update(state) {
      const session = selectedSession();
      show(element, Boolean(session));
      if (!session) return;
      userId = session.userId;
      setText(picture, initials(userId));
      setText(name, userId);
      keyed(facts, factsOf(session, state), (fact) => fact.label, createFact);
      if (state.loaded && !state.earlier.has(userId)) loadEarlierSessions(userId);
      const others = state.earlier.get(userId);
      const list = Array.isArray(others) ? others.filter((one) => one.id !== session.id) : [];
      setText(
        hint,
        !Array.isArray(others)
          ? others === "failed"
            ? "The other chats could not be loaded."
            : "Loading…"
          : list.length
            ? ""
            : isSupervisor()
              ? "No other chats."
              : "No other chats with you.",
      );
      show(hint, !list.length);
      keyed(earlier, list, (one) => one.id, createEarlier);
    },
  };
}

function factsOf(session, state) {
  const talk = state.conversations.get(session.id);
  const until = session.firstAssignedAt ?? session.endedAt;
  const waited = until ? between(session.createdAt, until) : since(session.createdAt);
  const talked = !session.firstAssignedAt
    ? null
    : session.endedAt
      ? between(session.firstAssignedAt, session.endedAt)
      : since(session.firstAssignedAt);
  const facts = [
    { label: "Status", value: { active: "Active", waiting: "Waiting", ended: "Ended" }[session.status] },
    { label: "Agent", value: session.agentId === state.agent.id ? "You" : (session.agent?.name ?? "–") },
    {
      label: "Began",
      value: `${shortTime(session.createdAt) === timeOfDay(session.createdAt) ? "Today" : shortTime(session.createdAt)}, ${timeOfDay(session.createdAt)}`,
      title: fullTime(session.createdAt),
    },
    { label: "Waited", value: until ? length(waited) : duration(waited) },
    { label: "Talked", value: talked === null ? "–" : session.endedAt ? length(talked) : duration(talked) },
    { label: "Messages", value: String(session.messageCount ?? 0) },
  ];
  if (session.status === "active" && talk?.presence !== null && talk?.presence !== undefined)
    facts.push({ label: "On the page", value: talk.presence ? "Yes" : "No" });
  if (reasonOf(session)) facts.push({ label: "End", value: reasonOf(session) });
  return facts;
}

function createFact({ label }) {
  const value = h("dd", {});
  return {
    element: h("div", { class: "fact" }, h("dt", {}, label), value),
    update(fact) {
      setText(value, fact.value);
      if (fact.title) value.title = fact.title;
    },
  };
}

function createEarlier(session) {
  const when = h("span", {});
  const what = h("span", { class: "muted" });
  function open() {
    const known = store.sessions.has(session.id);
    if (!known) change(() => putSession(session));
    go(session.status === "ended" ? "ended" : store.list, session.id);
  }
  return {
    element: h("li", {}, h("button", { class: "earlier-session", type: "button", onclick: open }, when, what)),
    update(now) {
      setText(when, `${shortTime(now.createdAt)} · ${length(now.duration)}`);
      setText(what, reasonOf(now) || ({ active: "Active", waiting: "Waiting" }[now.status] ?? ""));
    },
  };
}
