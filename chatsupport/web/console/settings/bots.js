import { h } from "../../shared/elements.js";
import { because, get, withQuery } from "../server/api.js";
import { draft } from "./draft.js";
import { choose, field, heading, section, showProblems } from "./fields.js";
import { words } from "./texts.js";

// The bot that answers new chats first. Bots are agents.

/** @typedef {{ id: string, name: string, kind: "human" | "bot", email: string | null, role: string, maxUsers: number, isOnline: boolean, isAway: boolean, departmentIds?: string[] | null }} Agent */

const own = words.bots;
const NONE = "";

/** Returns all agents, people and bots. @returns {Promise<Agent[]>} */
export async function loadAgents() {
  const agents = [];
  for (let cursor; ; ) {
    const page = await get(withQuery("/api/agents", { cursor }));
    agents.push(...page.agents);
    if (!page.hasMore) return agents;
    cursor = page.nextCursor;
  }
}

/**
 * The choice between all bots and none. A deleted bot that is chosen stays a choice.
 * @param {readonly Agent[]} agents
 * @param {string | null} botId
 * @param {string} none what stands for no bot
 * @param {(botId: string | null) => unknown} set
 */
export function chooseBot(agents, botId, none, set) {
  const bots = agents.filter(({ kind }) => kind === "bot").map(({ id, name }) => [id, name]);
  const isGone = botId !== null && !bots.some(([id]) => id === botId);
  const labels = Object.fromEntries([[NONE, none], ...bots, ...(isGone ? [[botId, own.gone]] : [])]);
  return choose(botId ?? NONE, labels, (value) => set(value === NONE ? null : value));
}

export const createBots = () =>
  section(async (element) => {
    const place = h("p", { class: "muted", role: "status" });
    element.append(heading(own.title, own.explain), place);
    try {
      const agents = await loadAgents();
      const select = chooseBot(agents, draft.now.botId, own.people, (botId) => (draft.now.botId = botId));
      place.replaceWith(field(own.first, select, { hint: own.departments, place: "botId" }));
      showProblems(element);
    } catch (error) {
      place.textContent = because(words.page.failed, error);
    }
  });
