import { h } from "../../shared/elements.js";
import { copyText } from "../parts/clipboard.js";
import { now, timeOfDay } from "../parts/clock.js";
import { keyed, setAttribute, setText, show } from "../parts/elements.js";
import { toast } from "../store.js";
import { language, say, texts } from "../texts.js";

/** @import { Session, VisitedPage } from "../types.js" */
/** @typedef {{ label: string, value: string, title?: string, href?: string, copies?: boolean }} Fact */

// What the visitor and the site have told of the visitor, in the panel about the visitor.

const WEB = /^https?:/;

/** Makes a line of a table of facts. @param {Fact} fact */
export function createFact({ label, href, copies }) {
  const text = href ? link() : h("span", {});
  const copy = h("button", { class: "link", type: "button", onclick }, texts.context.copy);
  async function onclick() {
    if (await copyText(text.textContent ?? "")) toast(texts.context.copied);
    else toast(texts.context.notCopied, { kind: "error" });
  }
  const value = h("dd", {}, text, copies && " ", copies && copy);
  return {
    element: h("div", { class: "fact" }, h("dt", {}, label), value),
    /** @param {Fact} fact */
    update(fact) {
      setText(text, fact.value);
      text.title = fact.title ?? "";
      setAttribute(text, "href", fact.href ?? null);
    },
  };
}

const link = () => h("a", { class: "link", target: "_blank", rel: "noopener noreferrer" });

/** Shows facts, each in its line. @param {HTMLElement} element @param {Fact[]} facts */
export function showFacts(element, facts) {
  show(element, facts.length > 0);
  keyed(element, facts, ({ label, href }) => `${href ? "link" : "text"} ${label}`, createFact);
}

/** Returns what a function returns, or null where the browser does not know the name. @param {() => string | undefined} make */
function known(make) {
  try {
    return make() ?? null;
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** @param {string} timeZone */
const localTime = (timeZone) =>
  known(() =>
    new Intl.DateTimeFormat(language, { timeZone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(now()),
  );

/** @param {string} locale */
const languageOf = (locale) => known(() => new Intl.DisplayNames(language, { type: "language" }).of(locale));

/** @param {Session} session @returns {Fact[]} */
function factsOf({ context, rating }) {
  const { visitor, page, device, timezone, locale } = context ?? {};
  const where = [device?.browser, device?.os].filter(Boolean).join(", ");
  const at = timezone && localTime(timezone);
  return [
    visitor?.email && { label: texts.context.email, value: visitor.email, copies: true },
    visitor?.phone && { label: texts.context.phone, value: visitor.phone, copies: true },
    page && toLink(texts.context.page, page),
    at && { label: texts.context.time, value: at, title: timezone },
    locale && { label: texts.context.language, value: languageOf(locale) ?? locale, title: locale },
    where && { label: texts.context.device, value: where, title: device?.kind },
    rating && { label: texts.context.rating, value: say(texts.context.rated, { score: rating.score }) },
    rating?.comment && { label: texts.context.comment, value: rating.comment },
  ].filter((fact) => typeof fact === "object" && fact !== null);
}

/** @param {string} label @param {{ url: string, title: string | null }} page @returns {Fact} */
const toLink = (label, { url, title }) => ({
  label,
  value: title || url,
  title: url,
  ...(WEB.test(url) && { href: url }),
});

export function createContext() {
  const facts = h("dl", { class: "facts context" });
  const fields = h("dl", { class: "facts fields" });
  const pages = h("dl", { class: "facts pages" });
  const title = h("h2", {}, texts.context.pages);
  return {
    element: h("div", {}, facts, fields, title, pages),
    /** @param {Session} session */
    update(session) {
      const { context } = session;
      showFacts(facts, factsOf(session));
      showFacts(
        fields,
        Object.entries(context?.fields ?? {}).map(([label, value]) => ({ label, value: String(value) })),
      );
      // The newest first. Two of the same minute are told apart by the seconds.
      const visited = [...(context?.pages ?? [])].reverse();
      show(title, visited.length > 0);
      show(pages, visited.length > 0);
      keyed(pages, visited, (page) => `${page.at} ${page.url}`, createVisited);
    },
  };
}

/** @param {VisitedPage} page */
function createVisited(page) {
  const { element, update } = createFact(toLink(timeOfDay(page.at), page));
  return { element, update: (/** @type {VisitedPage} */ now) => update(toLink(timeOfDay(now.at), now)) };
}

/** Whether the visitor's name is only what the visitor says. @param {Session} session */
export const isUnverified = ({ context }) => context?.isVerified === false;
