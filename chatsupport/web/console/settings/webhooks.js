import { h } from "../../shared/elements.js";
import { fullTime } from "../parts/clock.js";
import { openDialog } from "../parts/dialog.js";
import { icon, show } from "../parts/elements.js";
import { because, call, get, withQuery } from "../server/api.js";
import { toast } from "../store.js";
import { say, texts } from "../texts.js";
import { button, field, heading, openForm } from "./fields.js";
import { words } from "./texts.js";

// Webhooks: where events are sent, and what has become of them. The server says whether supervisors may change them.

/** @typedef {{ id: string, url: string, types: string[], description: string, isEnabled: boolean, disabledBecause: "gone" | "failing" | "request" | null, failingSince: string | null }} Webhook */
/** @typedef {{ id: string, eventId: string, type: string, state: "pending" | "delivered" | "failed" | "dead", attempts: number, lastStatus: number | null, lastError: string | null, nextAttemptAt: string | null, updatedAt: string }} Delivery */

const own = words.webhooks;
const ALL = "all";
const DISABLED = { gone: own.isGone, failing: own.hasFailed, request: own.isDisabled };

/** @param {Webhook} webhook */
function stateOf({ isEnabled, disabledBecause, failingSince }) {
  if (!isEnabled) return DISABLED[disabledBecause ?? "request"];
  return failingSince ? say(own.failing, { time: fullTime(failingSince) }) : own.delivering;
}

export function createWebhooks() {
  const list = h("ul", { class: "entries" });
  const hint = h("p", { class: "muted", role: "status" }, texts.loading);
  const again = button(texts.tryAgain, refresh, { hidden: true });
  const add = h(
    "button",
    { class: "button", type: "button", hidden: true, onclick: () => edit(null) },
    icon("add"),
    own.add,
  );

  async function refresh() {
    show(again, false);
    try {
      const { webhooks, mayChange } = await get(withQuery("/api/webhooks", { limit: 100 }));
      list.replaceChildren(...webhooks.map((/** @type {Webhook} */ one) => row(one, mayChange)));
      hint.textContent = [!webhooks.length && words.page.none, !mayChange && own.readOnly].filter(Boolean).join(" ");
      show(add, mayChange);
    } catch (error) {
      hint.textContent = because(words.page.failed, error);
      show(again, true);
    }
  }

  /** @param {Webhook} webhook @param {boolean} mayChange */
  function row(webhook, mayChange) {
    const { url, types, description } = webhook;
    /** @param {string} label @param {() => unknown} act */
    const act = (label, act) => button(label, act, { "aria-label": `${label}: ${url}` });
    const isBad = webhook.failingSince || ["gone", "failing"].includes(webhook.disabledBecause ?? "");
    return h(
      "li",
      { class: "entry webhook" },
      h(
        "div",
        { class: "entry-body" },
        h("span", { class: "entry-name" }, url),
        description && h("span", { class: "small-text" }, description),
        h("span", { class: "muted small-text" }, types.join(", ")),
        h("span", { class: isBad ? "failure small-text" : "muted small-text" }, stateOf(webhook)),
      ),
      act(own.deliveries, () => openDeliveries(webhook, mayChange)),
      mayChange && act(own.test, () => test(webhook)),
      mayChange && act(words.page.edit, () => edit(webhook)),
      mayChange && act(own.rotate, () => rotate(webhook)),
      mayChange && act(words.page.delete, () => remove(webhook)),
    );
  }

  /** @param {Webhook | null} webhook */
  function edit(webhook) {
    const url = h("input", { type: "url", autocomplete: "off", maxlength: "2000", required: true });
    const types = h("input", { type: "text", autocomplete: "off", required: true });
    const description = h("input", { type: "text", autocomplete: "off", maxlength: "200" });
    const enabled = h("input", { type: "checkbox", checked: webhook?.isEnabled ?? true });
    url.value = webhook?.url ?? "";
    types.value = webhook?.types.join(", ") ?? "*";
    description.value = webhook?.description ?? "";

    async function send() {
      const fields = {
        url: url.value.trim(),
        types: types.value.split(/[\s,]+/).filter(Boolean),
        description: description.value,
      };
      if (webhook) {
        const isEnabled = enabled.checked;
        await call("PATCH", `/api/webhooks/${webhook.id}`, {
          ...fields,
          ...(isEnabled !== webhook.isEnabled && { isEnabled }),
        });
        toast(own.changed);
      } else {
        const { secret } = await call("POST", "/api/webhooks", fields, 1); // A repeated one would make two.
        showSecret(secret);
      }
      refresh();
    }

    openForm(
      webhook ? own.edit : own.add,
      [
        field(own.url, url, { hint: own.urlHint }),
        field(own.types, types, { hint: own.typesHint }),
        field(own.description, description),
        ...(webhook
          ? [h("label", { class: "choice" }, enabled, h("span", { class: "choice-body" }, own.enabled))]
          : []),
      ],
      webhook ? words.page.save : own.add,
      send,
    );
  }

  /** @param {string} secret */
  function showSecret(secret) {
    const content = h(
      "div",
      { class: "settings-form" },
      h("p", {}, own.secretHint),
      h("code", { class: "secret" }, secret),
    );
    openDialog(own.secret, content);
  }

  /** @param {Webhook} webhook */
  function rotate({ id, url }) {
    openForm(own.rotate, [h("p", {}, say(own.rotateExplain, { url }))], own.rotate, async () => {
      const { secret } = await call("POST", `/api/webhooks/${id}/rotate-secret`, {}, 1);
      showSecret(secret);
    });
  }

  /** @param {Webhook} webhook */
  function remove({ id, url }) {
    openForm(
      own.deleteTitle,
      [h("p", {}, say(own.deleteExplain, { url }))],
      words.page.delete,
      async () => {
        await call("DELETE", `/api/webhooks/${id}`);
        toast(own.deleted);
        refresh();
      },
      true,
    );
  }

  /** @param {Webhook} webhook */
  async function test({ id }) {
    try {
      const { isDelivered, status, error } = await call("POST", `/api/webhooks/${id}/test`, {}, 1);
      toast(isDelivered ? own.tested : say(own.testFailed, { reason: error ?? String(status) }));
    } catch (error) {
      toast(because(own.testFailed, error));
    }
  }

  refresh();
  return h("div", { class: "settings-section" }, heading(own.title, own.explain), list, hint, again, add);
}

/** The newest deliveries of a webhook, by their state. @param {Webhook} webhook @param {boolean} mayChange */
function openDeliveries({ id, url }, mayChange) {
  const options = Object.entries(own.states).map(([value, label]) => h("option", { value }, label));
  const state = h("select", { class: "select", onchange: refresh }, h("option", { value: ALL }, own.all), ...options);
  const list = h("ul", { class: "entries" });
  const hint = h("p", { class: "muted", role: "status" });

  async function refresh() {
    hint.textContent = texts.loading;
    try {
      const { deliveries } = await get(
        withQuery(`/api/webhooks/${id}/deliveries`, { state: state.value === ALL ? null : state.value }),
      );
      list.replaceChildren(...deliveries.map(row));
      hint.textContent = deliveries.length ? "" : words.page.none;
    } catch (error) {
      hint.textContent = because(words.page.failed, error);
    }
  }

  /** @param {Delivery} delivery */
  function row({ id: deliveryId, eventId, type, state, attempts, lastStatus, lastError, nextAttemptAt, updatedAt }) {
    async function retry() {
      try {
        await call("POST", `/api/webhooks/${id}/deliveries/${deliveryId}/retry`, {});
        toast(own.retried);
      } catch (error) {
        toast(because(words.page.failed, error));
      }
      refresh();
    }
    const next = nextAttemptAt && state === "failed" && say(own.next, { time: fullTime(nextAttemptAt) });
    const outcome = [own.states[state], lastStatus ?? lastError, say(own.attempts, { count: attempts }), next];
    return h(
      "li",
      { class: "entry" },
      h(
        "div",
        { class: "entry-body" },
        h("span", { class: "entry-name" }, type),
        h("span", { class: "muted small-text" }, `${fullTime(updatedAt)} · ${eventId}`),
        h("span", { class: "small-text" }, outcome.filter(Boolean).join(" · ")),
      ),
      mayChange && button(own.retry, retry, { "aria-label": `${own.retry}: ${type} ${eventId}` }),
    );
  }

  refresh();
  const content = h(
    "div",
    { class: "settings-form" },
    h("p", { class: "muted" }, url),
    field(own.state, state),
    list,
    hint,
  );
  openDialog(own.deliveries, content, { wide: true });
}
