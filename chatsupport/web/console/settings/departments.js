import { h } from "../../shared/elements.js";
import { ApiError, call, get, withQuery } from "../server/api.js";
import { toast } from "../store.js";
import { say } from "../texts.js";
import { chooseBot, loadAgents } from "./bots.js";
import { field, openForm } from "./fields.js";
import { createEntries } from "./lists.js";
import { words } from "./texts.js";

// Departments: groups of agents, whose chats wait for them.

/** @import { Agent } from "./bots.js" */
/** @typedef {{ id: string, name: string, overflowAfter: number | null, botId: string | null }} Department */

const own = words.departments;
const MAX_SECONDS = 86_400;

/** @type {Agent[]} */
let agents = [];

async function load() {
  agents = await loadAgents();
  return loadDepartments();
}

/** Returns all departments. A server may be without them. @returns {Promise<Department[]>} */
export async function loadDepartments() {
  const found = [];
  try {
    for (let cursor; ; ) {
      const page = await get(withQuery("/api/departments", { cursor }));
      found.push(...page.departments);
      if (!page.hasMore) return found;
      cursor = page.nextCursor;
    }
  } catch (error) {
    if (error instanceof ApiError && error.code === "NOT_FOUND") return [];
    throw error;
  }
}

/** @param {Department | null} department @param {() => void} done */
function edit(department, done) {
  const name = h("input", { type: "text", autocomplete: "off", maxlength: "60", required: true });
  const after = h("input", { type: "number", min: "1", max: String(MAX_SECONDS) });
  name.value = department?.name ?? "";
  after.value = String(department?.overflowAfter ?? "");
  let botId = department?.botId ?? null;
  const bot = chooseBot(agents, botId, words.bots.asOthers, (id) => (botId = id));
  const hasBots = bot.options.length > 1;

  async function send() {
    const overflowAfter = after.value ? after.valueAsNumber : null;
    const fields = { name: name.value, overflowAfter, ...(hasBots && { botId }) };
    if (department) await call("PATCH", `/api/departments/${department.id}`, fields);
    else await call("POST", "/api/departments", fields, 1); // A repeated one would be refused: the name is taken.
    toast(department ? own.changed : own.created);
    done();
  }

  openForm(
    department ? own.edit : own.add,
    [
      field(own.name, name, { hint: own.nameHint }),
      field(own.overflow, after, { hint: own.overflowHint }),
      ...(hasBots ? [field(words.bots.ofDepartment, bot)] : []),
    ],
    department ? words.page.save : own.add,
    send,
  );
}

export const createDepartments = () =>
  createEntries({
    words: own,
    load,
    nameOf: (/** @type {Department} */ { name }) => name,
    show: ({ name, overflowAfter }) => [
      name,
      h(
        "span",
        { class: "muted small-text" },
        overflowAfter === null ? own.keeps : say(own.overflows, { count: overflowAfter }),
      ),
    ],
    edit,
    async remove({ id }) {
      await call("DELETE", `/api/departments/${id}`);
      toast(own.deleted);
    },
  });

/**
 * The choice of an agent's departments: all, or some. Returns the element, and a function that returns what is chosen.
 * @param {readonly Department[]} departments
 * @param {readonly string[] | null} chosen
 */
export function chooseDepartments(departments, chosen) {
  const all = h("input", { type: "radio", name: "departments", checked: chosen === null });
  const some = h("input", { type: "radio", name: "departments", checked: chosen !== null });
  const boxes = departments.map(({ id, name }) => ({
    id,
    name,
    box: h("input", { type: "checkbox", checked: Boolean(chosen?.includes(id)) }),
  }));
  /** @param {HTMLElement} input @param {string} label */
  const choice = (input, label) => h("label", { class: "choice" }, input, h("span", { class: "choice-body" }, label));
  const list = h(
    "div",
    { class: "nested", hidden: chosen === null },
    ...boxes.map(({ box, name }) => choice(box, name)),
  );
  const element = h(
    "fieldset",
    { class: "plain", onchange: () => (list.hidden = all.checked) },
    h("legend", {}, own.title),
    choice(all, own.all),
    choice(some, own.some),
    list,
  );
  return { element, value: () => (all.checked ? null : boxes.filter(({ box }) => box.checked).map(({ id }) => id)) };
}
