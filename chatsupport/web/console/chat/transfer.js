import { h } from "../../shared/elements.js";
import { hasRoom } from "../lists/load.js";
import { openDialog } from "../parts/dialog.js";
import { avatar, icon, keyed, setText } from "../parts/elements.js";
import { visitorName } from "../parts/names.js";
import { transfer } from "../server/actions.js";
import { refreshAgents, refreshDepartments } from "../server/refresh.js";
import { state, subscribe } from "../store.js";
import { say, texts } from "../texts.js";

/** @import { AgentLoad, Session } from "../types.js" */
/** @typedef {{ id: string, name: string, detail: string, isFree: boolean, kind: "agentId" | "departmentId" | "queue" }} Choice */

// Transfers a chat to an agent who has room, to the agents of a department, or to the next free agent.

const QUEUE = "queue";

/** @type {{ list: HTMLElement, session: Session, confirm: HTMLButtonElement } | null} The dialog that is open. */
let current = null;

subscribe(() => current && render());

/** @param {Session} session */
export function openTransfer(session) {
  const list = h("ul", { class: "choices", onchange: render });
  const note = h("p", { class: "muted" }, say(texts.transfer.explain, { visitor: visitorName(session) }));
  const legend = h("legend", { class: "visually-hidden" }, texts.transfer.toWhom);
  const { dialog, confirm } = openDialog(texts.transfer.title, h("fieldset", { class: "plain" }, legend, note, list), {
    submit: texts.chat.transfer,
    onSubmit() {
      /** @type {HTMLInputElement | null} */
      const choice = list.querySelector("input:checked");
      if (!choice) return false;
      const { kind = QUEUE, name = "" } = choice.dataset;
      transfer(session.id, kind === QUEUE ? {} : { [kind]: choice.value }, name);
    },
  });
  current = { list, session, confirm };
  dialog.addEventListener("close", () => {
    current = null;
  });
  render();
  /** @type {HTMLInputElement | null} */ (list.querySelector("input:not(:disabled)"))?.focus();
  refreshAgents().catch(() => {}); // The known agents are shown instead,
  refreshDepartments().catch(() => {}); // and the known departments.
}

/** @param {AgentLoad} agent @returns {Choice} */
function toChoice(agent) {
  const isFree = hasRoom(agent);
  const load = say(isFree ? texts.transfer.load : texts.transfer.loadFull, {
    some: agent.activeUsers,
    all: agent.maxUsers,
  });
  return {
    id: agent.id,
    name: agent.id === state.agent?.id ? say(texts.transfer.isYou, { agent: agent.name }) : agent.name,
    detail: agent.isOnline ? load : texts.transfer.isAway,
    isFree,
    kind: "agentId",
  };
}

function render() {
  if (!current) return;
  const { list, session, confirm } = current;
  const agents = state.agents
    .filter(({ id, kind }) => id !== session.agentId && kind !== "bot")
    .sort(
      (one, other) =>
        Number(hasRoom(other)) - Number(hasRoom(one)) ||
        one.activeUsers - other.activeUsers ||
        one.name.localeCompare(other.name),
    );
  const departments = state.departments
    .filter(({ id }) => id !== session.departmentId)
    .map(
      (one) =>
        /** @type {Choice} */ ({ ...one, detail: texts.transfer.departmentDetail, isFree: true, kind: "departmentId" }),
    );
  /** @type {Choice} */
  const queue = {
    id: QUEUE,
    name: texts.transfer.queue,
    detail: texts.transfer.queueDetail,
    isFree: true,
    kind: "queue",
  };
  const rows = [...agents.map(toChoice), ...departments, ...(session.status === "active" ? [queue] : [])];
  keyed(list, rows, (row) => row.id, createChoice);
  confirm.disabled = !list.querySelector("input:checked:not(:disabled)");
}

/** @param {Choice} row */
function createChoice({ id, name, kind }) {
  const detail = h("span", { class: "muted" });
  const input = h("input", {
    type: "radio",
    name: "transfer-to",
    value: id,
    "data-name": name,
    "data-kind": kind,
    required: true,
  });
  const sign = h("span", { class: "avatar", "aria-hidden": "true" }, icon("queue"));
  const picture = kind === "agentId" ? avatar(name) : sign;
  const body = h("span", { class: "choice-body" }, h("span", {}, name), detail);
  return {
    element: h("li", {}, h("label", { class: "choice" }, input, picture, body)),
    /** @param {Choice} now */
    update(now) {
      setText(detail, now.detail);
      input.disabled = !now.isFree;
    },
  };
}
