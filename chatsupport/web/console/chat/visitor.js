import { h } from "../../shared/elements.js";
import { copyText } from "../parts/clipboard.js";
import { between, duration, fullTime, length, shortTime, since, timeOfDay } from "../parts/clock.js";
import { avatar, icon, keyed, setText, show } from "../parts/elements.js";
import { agentName, portray, visitorName } from "../parts/names.js";
import { go } from "../route.js";
import { loadEarlierSessions } from "../server/actions.js";
import {
  assign,
  isSupervisor,
  putSession,
  reasonOf,
  selectedSession,
  state,
  talkOf,
  toast,
  waitsSince,
} from "../store.js";
import { say, texts } from "../texts.js";
import { createContext, isUnverified, showFacts } from "./context.js";
import { createTags } from "./tags.js";
import { createTranscript } from "./transcript.js";

/** @import { Session, View } from "../types.js" */
/** @import { Fact } from "./context.js" */

// The panel about the visitor: known details, times, and earlier chats.

const STATUS = { active: texts.visitor.active, waiting: texts.visitor.waiting, ended: texts.visitor.ended };

/** @returns {View} */
export function createVisitor() {
  const picture = avatar();
  const name = h("p", { class: "visitor-name" });
  const copy = h("button", { class: "button small", type: "button", onclick: copyId }, texts.visitor.copy);
  const unverified = h("p", { class: "muted small-text" }, texts.visitor.unverified);
  const context = createContext();
  const tags = createTags();
  const transcript = createTranscript();
  const facts = h("dl", { class: "facts" });
  const hint = h("p", { class: "muted small-text" });
  const earlier = h("ul", { class: "earlier" });
  const close = h(
    "button",
    {
      class: "icon-button close-panel",
      type: "button",
      "aria-label": texts.close,
      onclick: () => assign({ panel: false }),
    },
    icon("end"),
  );
  let userId = "";

  async function copyId() {
    if (await copyText(userId)) toast(texts.visitor.copied);
    else toast(texts.visitor.notCopied, { kind: "error" });
  }

  return {
    element: h(
      "aside",
      { class: "visitor", "aria-label": texts.visitor.label },
      close,
      h("div", { class: "visitor-head" }, picture, name, unverified, copy),
      context.element,
      facts,
      tags.element,
      transcript.element,
      h("h2", {}, texts.visitor.otherChats),
      hint,
      earlier,
    ),
    update() {
      const session = selectedSession();
      show(this.element, Boolean(session));
      if (!session) return;
      userId = session.userId;
      portray(picture, session);
      setText(name, visitorName(session));
      show(unverified, isUnverified(session));
      context.update(session);
      tags.update(session);
      transcript.update(session);
      showFacts(facts, factsOf(session));
      if (state.loaded && !state.earlier.has(userId)) loadEarlierSessions(userId);
      const found = state.earlier.get(userId) ?? "loading";
      const others = typeof found === "string" ? [] : found.filter((one) => one.id !== session.id);
      setText(hint, found === "loading" ? texts.loading : found === "failed" ? texts.visitor.othersFailed : noOthers());
      show(hint, !others.length);
      keyed(earlier, others, (one) => one.id, createEarlier);
    },
  };
}

const noOthers = () => (isSupervisor() ? texts.visitor.noOthers : texts.visitor.noOthersWithYou);

/** @param {Session} session @returns {Fact[]} */
function factsOf(session) {
  const { visitor } = texts;
  const { createdAt, firstAssignedAt, endedAt } = session;
  const { presence } = talkOf(session.id);
  const until = firstAssignedAt ?? endedAt;
  const waited = until ? length(between(waitsSince(session), until)) : duration(since(waitsSince(session)));
  const talked = !firstAssignedAt
    ? texts.none
    : endedAt
      ? length(between(firstAssignedAt, endedAt))
      : duration(since(firstAssignedAt));
  const isToday = shortTime(createdAt) === timeOfDay(createdAt);
  const day = isToday ? visitor.today : shortTime(createdAt);
  return [
    { label: visitor.status, value: STATUS[session.status] },
    {
      label: visitor.agent,
      value: session.agentId === state.agent?.id ? texts.you : session.agent ? agentName(session.agent) : texts.none,
    },
    ...(session.assignment ? [{ label: visitor.why, value: reasons[session.assignment.reason] ?? texts.none }] : []),
    ...(session.departmentId ? [{ label: visitor.department, value: departmentOf(session.departmentId) }] : []),
    {
      label: visitor.began,
      value: say(visitor.beganAt, { day, time: timeOfDay(createdAt) }),
      title: fullTime(createdAt),
    },
    { label: visitor.waited, value: session.agent?.isBot ? texts.none : waited },
    { label: visitor.talked, value: talked },
    { label: visitor.messages, value: String(session.messageCount ?? 0) },
    ...(session.status === "active" && presence !== null
      ? [{ label: visitor.onPage, value: presence ? visitor.yes : visitor.no }]
      : []),
    ...(reasonOf(session) ? [{ label: visitor.end, value: reasonOf(session) }] : []),
  ];
}

/** @type {Record<string, string>} */
const reasons = texts.reasons;

/** @param {string} departmentId */
const departmentOf = (departmentId) =>
  state.departments.find(({ id }) => id === departmentId)?.name ?? texts.visitor.departmentGone;

/** @param {Session} session */
function createEarlier(session) {
  const when = h("span", {});
  const what = h("span", { class: "muted" });
  function open() {
    if (!state.sessions.has(session.id)) putSession(session, performance.now());
    go(session.status === "ended" ? "ended" : state.list, session.id);
  }
  return {
    element: h("li", {}, h("button", { class: "earlier-session", type: "button", onclick: open }, when, what)),
    /** @param {Session} now */
    update(now) {
      setText(when, say(texts.visitor.earlier, { day: shortTime(now.createdAt), time: length(now.duration) }));
      setText(what, reasonOf(now) || (now.status === "ended" ? "" : STATUS[now.status]));
    },
  };
}
