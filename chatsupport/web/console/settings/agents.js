import { h } from "../../shared/elements.js";
import { call, get, withQuery } from "../server/api.js";
import { refreshAgentsSoon } from "../server/refresh.js";
import { state, toast } from "../store.js";
import { say } from "../texts.js";
import { chooseDepartments, loadDepartments } from "./departments.js";
import { field, openForm } from "./fields.js";
import { createEntries } from "./lists.js";
import { words } from "./texts.js";

// Agents: who answers, how many chats at once, and who is a supervisor.

/** @typedef {{ id: string, name: string, email: string | null, role: string, maxUsers: number, isOnline: boolean, isAway: boolean, departmentIds?: string[] | null }} Person */

const own = words.agents;
/** @type {Record<string, string>} */
const ROLES = { agent: own.agent, supervisor: own.supervisor };
const DEFAULT_CAPACITY = 2;

/** @type {import("./departments.js").Department[]} */
let departments = [];

async function load() {
  departments = await loadDepartments();
  const people = [];
  for (let cursor; ; ) {
    const page = await get(withQuery("/api/agents", { cursor }));
    people.push(...page.agents);
    if (!page.hasMore) return people;
    cursor = page.nextCursor;
  }
}

/** @param {Person} person */
function show({ name, email, role, maxUsers, isOnline, isAway }) {
  const presence = isOnline && !isAway ? own.online : own.away;
  const facts = say(own.facts, { count: maxUsers, role: ROLES[role], state: presence });
  return [
    name,
    h("span", { class: "muted small-text" }, email ?? own.noSignIn),
    h("span", { class: "muted small-text" }, facts),
  ];
}

/** @param {Person | null} person @param {() => void} done */
function edit(person, done) {
  const isMe = person?.id === state.agent?.id;
  /** @param {string} type @param {string} value @param {Record<string, any>} [more] */
  const entry = (type, value, more = {}) => {
    const element = h("input", { type, autocomplete: "off", ...more });
    element.value = value;
    return element;
  };
  const name = entry("text", person?.name ?? "", { maxlength: "100", required: true });
  const email = entry("email", person?.email ?? "", { maxlength: "254", required: !person });
  const password = entry("password", "", {
    autocomplete: "new-password",
    minlength: "10",
    maxlength: "128",
    required: !person,
  });
  const current = entry("password", "", { autocomplete: "current-password", maxlength: "128" });
  const capacity = entry("number", String(person?.maxUsers ?? DEFAULT_CAPACITY), {
    min: "1",
    max: "50",
    required: true,
  });
  const roles = Object.entries(ROLES).map(([value, label]) =>
    h("option", { value, selected: value === (person?.role ?? "agent") }, label),
  );
  const role = h("select", { class: "select" }, ...roles);

  const before = person?.departmentIds ?? null;
  const chosen = chooseDepartments(departments, before);

  async function send() {
    const departmentIds = chosen.value();
    const fields = {
      name: name.value,
      maxUsers: capacity.valueAsNumber,
      ...(role.value !== (person?.role ?? "agent") && { role: role.value }),
      ...(email.value.trim() !== (person?.email ?? "") && { email: email.value.trim() || null }),
      ...(password.value && { password: password.value }),
      ...(JSON.stringify(departmentIds) !== JSON.stringify(before) && { departmentIds }),
      ...(current.value && { currentPassword: current.value }),
    };
    const saved = person
      ? await call("PATCH", `/api/agents/${person.id}`, fields)
      : await call("POST", "/api/agents", fields, 1); // A repeated one could make two.
    toast(say(person ? own.changed : own.created, { name: saved.name }));
    refreshAgentsSoon();
    done();
  }

  openForm(
    person ? own.edit : own.add,
    [
      field(own.name, name, { hint: own.nameHint }),
      field(own.email, email),
      person
        ? field(own.newPassword, password, { hint: own.newPasswordHint })
        : field(own.password, password, { hint: own.passwordHint }),
      ...(isMe ? [field(own.currentPassword, current, { hint: own.currentHint })] : []),
      field(own.capacity, capacity),
      field(own.role, role),
      ...(departments.length ? [chosen.element] : []),
    ],
    person ? words.page.save : own.add,
    send,
  );
}

/** @param {Person} person */
async function remove(person) {
  await call("DELETE", `/api/agents/${person.id}`);
  toast(say(own.deleted, { name: person.name }));
  refreshAgentsSoon();
}

export const createAgents = () =>
  createEntries({
    words: own,
    load,
    nameOf: (/** @type {Person} */ { name }) => name,
    show,
    edit,
    remove,
    canRemove: ({ id }) => id !== state.agent?.id,
  });
