import { assign, hear, state } from "../store.js";

/** @import { Agent, AgentLoad } from "../types.js" */

// Agents and their load, which everybody may see.

/** An agent whose record or load has changed: any agent, for supervisors; for others, themselves. @param {Agent} agent */
export function changeAgent(agent) {
  const me = state.agent;
  if (agent.id === me?.id)
    hear({ agent: { ...me, ...agent, isOnline: state.switching ?? agent.isOnline } }, performance.now());
  const activeUsers = typeof agent.activeUsers === "number" ? agent.activeUsers : agent.activeUsers.length;
  const isOnline = agent.isOnline && !agent.isAway;
  const { id, name, kind, maxUsers } = agent;
  const known = { id, name, kind, maxUsers, activeUsers, isOnline };
  const others = state.agents.filter((one) => one.id !== agent.id);
  assign({ agents: [...others, known].sort((one, other) => one.name.localeCompare(other.name)) });
}

/** @param {{ id: string }} agent */
export function removeAgent({ id }) {
  assign({ agents: state.agents.filter((agent) => agent.id !== id) });
}

/** @param {AgentLoad} agent */
export const hasRoom = (agent) => agent.isOnline && agent.activeUsers < agent.maxUsers;

/** Whether I hold as many chats as I can. */
export function isFull() {
  const me = state.agents.find((agent) => agent.id === state.agent?.id);
  return me !== undefined && me.activeUsers >= me.maxUsers;
}

/** Returns the numbers of the team. */
export function numbers() {
  const there = state.agents.filter((agent) => agent.isOnline && agent.kind !== "bot");
  return {
    waiting: state.queue.total,
    longestWaitingSince: state.queue.total ? state.queue.longestWaitingSince : null,
    active: state.agents.reduce((sum, agent) => sum + agent.activeUsers, 0),
    free: there.filter(hasRoom).length,
    there: there.length,
  };
}
