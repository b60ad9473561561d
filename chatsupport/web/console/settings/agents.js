import { h } from "../../shared/elements.js";
import { call } from "../server/api.js";
import { refreshAgentsSoon } from "../server/refresh.js";
import { state, toast } from "../store.js";
import { say } from "../texts.js";
import { loadAgents } from "./bots.js";
import { chooseDepartments, loadDepartments } from "./departments.js";
import { field, openForm } from "./fields.js";
import { createEntries } from "./lists.js";
import { words } from "./texts.js";

// Agents: who answers, how many chats at once, and who is a supervisor. Bots are agents too.

/** @import { Agent } from "./bots.js" */

const own = words.agents;
/** @type {Record<string, string>} */
const ROLES = { agent: own.agent, supervisor: own.supervisor };
const DEFAULT_CAPACITY = 2;
const MOST = { human: 50, bot: 500 };

/** @type {import("./departments.js").Department[]} */
let departments = [];

async function load() {
  departments = await loadDepartments();
  return loadAgents();
}

/** @param {Agent} person */
function show({ id, name, kind, email, role, maxUsers, isOnline, isAway, departmentIds }) {
  const isBot = kind === "bot";
  const presence = isOnline && !isAway ? own.online : own.away;
  const facts = say(own.facts, { count: maxUsers, role: isBot ? own.bot : ROLES[role], state: presence });
  const theirs = departments.filter((department) => departmentIds?.includes(department.id)).map(({ name }) => name);
  const served = departmentIds?.length === 0 ? own.noDepartment : theirs.join(", ");
  return [
    name,
    h("span", { class: "muted small-text" }, isBot ? say(own.botId, { id }) : (email ?? own.noSignIn)),
    h("span", { class: "muted small-text" }, served ? `${facts} · ${served}` : facts),
  ];
}

/** @param {Agent | null} person @param {() => void} done */
function edit(person, done) {
  const isMe = person?.id === state.agent?.id;
  let isBot = person?.kind === "bot";
  /** @param {string} type @param {string} value @param {Record<string, any>} [more] */
  const entry = (type, value, more = {}) => {
    const element = h("input", { type, autocomplete: "off", ...more });
    element.value = value;
    return element;
  };
  const name = entry("text", person?.name ?? "", { maxlength: "100", required: true });
  const email = entry("email", person?.email ?? "", { maxlength: "254" });
  const password = entry("password", "", { autocomplete: "new-password", minlength: "10", maxlength: "128" });
  const current = entry("password", "", { autocomplete: "current-password", maxlength: "128" });
  const capacity = entry("number", String(person?.maxUsers ?? DEFAULT_CAPACITY), { min: "1", required: true });
  const roles = Object.entries(ROLES).map(([value, label]) =>
    h("option", { value, selected: value === (person?.role ?? "agent") }, label),
  );
  const role = h("select", { class: "select" }, ...roles);
  const kinds = [own.human, own.bot].map((label, index) => h("option", { value: index ? "bot" : "human" }, label));
  const kind = h("select", { class: "select", onchange: fit }, ...kinds);

  const before = person?.departmentIds ?? null;
  const chosen = chooseDepartments(departments, before);

  async function send() {
    const departmentIds = chosen.value();
    const fields = {
      name: name.value,
      maxUsers: capacity.valueAsNumber,
      ...(!person && isBot && { kind: "bot" }),
      ...(!isBot && ofPerson()),
      ...(JSON.stringify(departmentIds) !== JSON.stringify(before) && { departmentIds }),
    };
    const saved = person
      ? await call("PATCH", `/api/agents/${person.id}`, fields)
      : await call("POST", "/api/agents", fields, 1); // A repeated one could make two.
    toast(say(person ? own.changed : isBot ? own.botCreated : own.created, { name: saved.name }));
    refreshAgentsSoon();
    done();
  }

  function ofPerson() {
    return {
      ...(role.value !== (person?.role ?? "agent") && { role: role.value }),
      ...(email.value.trim() !== (person?.email ?? "") && { email: email.value.trim() || null }),
      ...(password.value && { password: password.value }),
      ...(current.value && { currentPassword: current.value }),
    };
  }

  const forPeople = [
    field(own.email, email),
    person
      ? field(own.newPassword, password, { hint: own.newPasswordHint })
      : field(own.password, password, { hint: own.passwordHint }),
    ...(isMe ? [field(own.currentPassword, current, { hint: own.currentHint })] : []),
    field(own.role, role),
  ];
  /** Shows what this kind of agent has. */
  function fit() {
    if (!person) isBot = kind.value === "bot";
    capacity.max = String(isBot ? MOST.bot : MOST.human);
    for (const input of [email, password]) input.required = !person && !isBot;
    for (const one of [...forPeople, ...(departments.length ? [chosen.element] : [])]) one.hidden = isBot;
  }
  fit();

  openForm(
    person ? own.edit : own.add,
    [
      field(own.name, name, { hint: own.nameHint }),
      ...(person ? [] : [field(own.kind, kind, { hint: own.kindHint })]),
      ...forPeople,
      field(own.capacity, capacity),
      ...(departments.length ? [chosen.element] : []),
    ],
    person ? words.page.save : own.add,
    send,
  );
}

/** @param {Agent} person */
async function remove(person) {
  await call("DELETE", `/api/agents/${person.id}`);
  toast(say(own.deleted, { name: person.name }));
  refreshAgentsSoon();
}

export const createAgents = () =>
  createEntries({
    words: own,
    load,
    nameOf: (/** @type {Agent} */ { name }) => name,
    show,
    edit,
    remove,
    canRemove: ({ id }) => id !== state.agent?.id,
  });
