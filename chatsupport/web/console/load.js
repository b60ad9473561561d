// Agents and their load, as everybody may know them.

import { change, state } from "./store.js";

// An agent whose record or load has changed: any agent, for supervisors; for others, themselves.
export function changeAgent(agent) {
  change(() => {
    if (agent.id === state.agent.id)
      state.agent = { ...state.agent, ...agent, isOnline: state.switching ?? agent.isOnline };
    const activeUsers = Array.isArray(agent.activeUsers) ? agent.activeUsers.length : agent.activeUsers;
    const isOnline = agent.isOnline && !agent.isAway;
    const known = { id: agent.id, name: agent.name, maxUsers: agent.maxUsers, activeUsers, isOnline };
    const others = state.agents.filter((one) => one.id !== agent.id);
    state.agents = [...others, known].sort((a, b) => a.name.localeCompare(b.name));
  });
}

export function removeAgent({ id }) {
  change(() => (state.agents = state.agents.filter((agent) => agent.id !== id)));
}

export const hasRoom = (agent) => agent.isOnline && agent.activeUsers < agent.maxUsers;

export const FULL = "You have as many chats as you can take.";

// Whether I hold as many chats as I can.
export function isFull() {
  const me = state.agents.find((agent) => agent.id === state.agent.id);
  return Boolean(me) && me.activeUsers >= me.maxUsers;
}

// The numbers that a team looks at.
export function numbers() {
  const there = state.agents.filter((agent) => agent.isOnline);
  return {
    waiting: state.queue.total,
    longestWaitingSince: state.queue.total ? state.queue.longestWaitingSince : null,
    active: state.agents.reduce((sum, agent) => sum + agent.activeUsers, 0),
    free: there.filter(hasRoom).length,
    there: there.length,
  };
}
