// Handing a chat over: to an agent who has room, or to whoever is free next.

import { transfer } from "../actions.js";
import { avatar, h, icon, keyed, setText } from "../dom.js";
import { hasRoom } from "../load.js";
import { refreshAgents } from "../refresh.js";
import { state, subscribe } from "../store.js";
import { openDialog } from "./dialog.js";

let current = null; // {list, session, confirm} of the dialog that is open

subscribe(() => current && render());

export function openTransfer(session) {
  const list = h("ul", { class: "choices" });
  const note = h(
    "p",
    { class: "muted" },
    `The next agent sees the whole conversation, and so does ${session.userId}.`,
  );
  const chosen = () => list.querySelector("input:checked");
  const { dialog, confirm } = openDialog(
    "Transfer the chat",
    h("fieldset", { class: "plain" }, h("legend", { class: "visually-hidden" }, "To whom"), note, list),
    {
      submit: "Transfer",
      onSubmit() {
        const choice = chosen();
        if (!choice) return false;
        transfer(session.id, choice.value || null, choice.dataset.name);
      },
    },
  );
  current = { list, session, confirm };
  list.addEventListener("change", render);
  dialog.addEventListener("close", () => (current = null));
  render();
  list.querySelector("input:not(:disabled)")?.focus();
  refreshAgents().catch(() => {}); // Those that are known will do.
}

function render() {
  const { list, session, confirm } = current;
  const agents = state.agents
    .filter((agent) => agent.id !== session.agentId)
    .sort(
      (one, other) =>
        hasRoom(other) - hasRoom(one) || one.activeUsers - other.activeUsers || one.name.localeCompare(other.name),
    );
  const queue =
    session.status === "active"
      ? [{ id: "", name: "The queue", detail: "To the front, for the next free agent", free: true }]
      : [];
  const rows = [
    ...agents.map((agent) => ({
      id: agent.id,
      name: agent.id === state.agent.id ? `${agent.name} (you)` : agent.name,
      detail: !agent.isOnline
        ? "Away"
        : `${agent.activeUsers} of ${agent.maxUsers} chats${hasRoom(agent) ? "" : ", full"}`,
      free: hasRoom(agent),
    })),
    ...queue,
  ];
  keyed(list, rows, (row) => row.id, createChoice);
  confirm.disabled = !list.querySelector("input:checked:not(:disabled)");
}

function createChoice(row) {
  const detail = h("span", { class: "muted" });
  const input = h("input", {
    type: "radio",
    name: "transfer-to",
    value: row.id,
    "data-name": row.name,
    required: true,
  });
  return {
    element: h(
      "li",
      {},
      h(
        "label",
        { class: "choice" },
        input,
        row.id ? avatar(row.name) : h("span", { class: "avatar", "aria-hidden": "true" }, icon("queue")),
        h("span", { class: "choice-body" }, h("span", {}, row.name), detail),
      ),
    ),
    update(now) {
      setText(detail, now.detail);
      input.disabled = !now.free;
    },
  };
}
