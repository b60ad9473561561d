import { h } from "../../shared/elements.js";
import { openDialog } from "../parts/dialog.js";
import { icon, setAttribute, setText, show } from "../parts/elements.js";
import { draft, edited } from "./draft.js";
import { words } from "./texts.js";

// What the sections are made with. A field of the settings names its place in them, such as "widget.color": the server
// names the same place if it refuses the value.

/** @typedef {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} Control */

let count = 0;

/**
 * A field with its label, a hint, and room for what is wrong.
 * @param {string} label
 * @param {Control} control
 * @param {{ hint?: string, place?: string }} [how]
 */
export function field(label, control, { hint = "", place = "" } = {}) {
  count += 1;
  control.id = `setting-${count}`;
  const ids = [hint && `${control.id}-hint`, place && `${control.id}-problem`].filter(Boolean);
  if (ids.length) control.setAttribute("aria-describedby", ids.join(" "));
  return h(
    "div",
    { class: "setting" },
    h("label", { for: control.id }, label),
    control,
    hint && h("p", { class: "muted small-text", id: `${control.id}-hint` }, hint),
    place && problemAt(place, `${control.id}-problem`),
  );
}

/** Where a problem with this place of the settings is shown. @param {string} place @param {string} [id] */
export const problemAt = (place, id) =>
  h("p", { class: "failure small-text problem", id, "data-place": place, hidden: true });

/**
 * @param {string} value
 * @param {(value: string) => unknown} set
 * @param {Record<string, any>} [properties]
 */
export function input(value, set, properties = {}) {
  const element = h("input", { type: "text", autocomplete: "off", ...properties });
  element.value = value;
  element.addEventListener("input", () => {
    set(element.value);
    edited();
  });
  return element;
}

/** @param {string} value @param {(value: string) => unknown} set @param {Record<string, any>} [properties] */
export function area(value, set, properties = {}) {
  const element = h("textarea", { rows: "2", ...properties });
  element.value = value;
  element.addEventListener("input", () => {
    set(element.value);
    edited();
  });
  return element;
}

/**
 * @param {string} value
 * @param {Record<string, string>} labels by the values
 * @param {(value: string) => unknown} set
 * @param {Record<string, any>} [properties]
 */
export function choose(value, labels, set, properties = {}) {
  const options = Object.entries(labels).map(([one, label]) =>
    h("option", { value: one, selected: one === value }, label),
  );
  const element = h("select", { class: "select", ...properties }, ...options);
  element.addEventListener("change", () => {
    set(element.value);
    edited();
  });
  return element;
}

/** @param {boolean} isChecked @param {string} label @param {(isChecked: boolean) => unknown} set */
export function check(isChecked, label, set) {
  const element = h("input", { type: "checkbox", checked: isChecked });
  element.addEventListener("change", () => {
    set(element.checked);
    edited();
  });
  return h("label", { class: "choice" }, element, h("span", { class: "choice-body" }, label));
}

/** @param {string} label @param {() => unknown} onclick @param {Record<string, any>} [properties] */
export const button = (label, onclick, properties = {}) =>
  h("button", { class: "button small", type: "button", onclick, ...properties }, label);

/** @param {string} image @param {string} label @param {() => unknown} onclick @param {boolean} [isDisabled] */
export const iconButton = (image, label, onclick, isDisabled = false) =>
  h(
    "button",
    { class: "icon-button", type: "button", "aria-label": label, title: label, onclick, disabled: isDisabled },
    icon(image),
  );

/**
 * An entry of a list, with buttons that move and remove it.
 * @param {any[]} list
 * @param {number} at
 * @param {string} className
 * @param {() => unknown} render
 * @param {...(HTMLElement | false)} content
 */
export function entry(list, at, className, render, ...content) {
  /** @param {number} to */
  function move(to) {
    list.splice(to, 0, ...list.splice(at, 1));
    edited();
    render();
  }
  function remove() {
    list.splice(at, 1);
    edited();
    render();
  }
  const labels = [words.page.up, words.page.down, words.page.remove];
  const buttons = [
    iconButton("up", labels[0], () => move(at - 1), at === 0),
    iconButton("down", labels[1], () => move(at + 1), at === list.length - 1),
    iconButton("end", labels[2], remove),
  ];
  function name() {
    const label = list[at].label || at + 1;
    for (const [index, text] of labels.entries()) setAttribute(buttons[index], "aria-label", `${text}: ${label}`);
  }
  name();
  return h("li", { class: className, oninput: name }, ...content, h("div", { class: "movers" }, ...buttons));
}

/**
 * The button that adds an entry to the list above it.
 * @param {string} label
 * @param {any[]} list
 * @param {number} most
 * @param {() => any} make
 * @param {() => unknown} render
 */
export function adder(label, list, most, make, render) {
  function add() {
    const section = element.parentElement;
    list.push(make());
    edited();
    render();
    /** @type {HTMLInputElement | null | undefined} */
    const first = section?.querySelector("li:last-child input");
    first?.focus();
  }
  const properties = { class: "button", type: "button", onclick: add, disabled: list.length >= most };
  const element = h("button", properties, icon("add"), label);
  return element;
}

/**
 * A section of the settings that are stored together: it is rendered anew when its shape changes, and keeps the focus as
 * near as it can.
 * @param {(element: HTMLElement, render: () => void) => void} fill
 */
export function section(fill) {
  const element = h("div", { class: "settings-section" });
  function render() {
    const controls = () =>
      /** @type {HTMLElement[]} */ ([...element.querySelectorAll("input, select, textarea, button")]);
    const at = controls().indexOf(/** @type {HTMLElement} */ (document.activeElement));
    element.replaceChildren();
    fill(element, render);
    showProblems(element);
    if (at < 0) return;
    const all = controls();
    const near = [...all.slice(0, at + 1).reverse(), ...all.slice(at + 1)];
    near.find((one) => !(/** @type {HTMLButtonElement} */ (one).disabled))?.focus();
  }
  render();
  return element;
}

/** Shows what is wrong beside its field, or beside the nearest place around it. @param {HTMLElement} element */
export function showProblems(element) {
  const places = /** @type {HTMLElement[]} */ ([...element.querySelectorAll("[data-place]")]);
  for (const place of places) {
    const path = place.dataset.place ?? "";
    const found = draft.problems.find(({ field }) => nearest(field, places) === path);
    const said = found ? found.message.replace(`${found.field} `, "") : "";
    setText(place, said && said[0].toUpperCase() + said.slice(1));
    show(place, Boolean(found));
    const control = place.id && element.querySelector(`[aria-describedby~="${place.id}"]`);
    if (control) setAttribute(control, "aria-invalid", found ? true : null);
  }
}

/** @param {string} path @param {HTMLElement[]} places */
function nearest(path, places) {
  for (let part = path; part; part = part.slice(0, Math.max(0, part.lastIndexOf("."))))
    if (places.some((place) => place.dataset.place === part)) return part;
  return null;
}

/**
 * A dialog that sends something, and stays open with the reason if that is refused.
 * @param {string} title
 * @param {HTMLElement[]} content
 * @param {string} submit
 * @param {() => Promise<unknown>} send
 * @param {boolean} [danger]
 */
export function openForm(title, content, submit, send, danger = false) {
  const failure = h("p", { class: "failure", role: "alert", hidden: true });
  const body = h("div", { class: "settings-form" }, ...content, failure);
  const { dialog, confirm } = openDialog(title, body, {
    submit,
    danger,
    onSubmit() {
      attempt();
      return false;
    },
  });
  async function attempt() {
    if (confirm.disabled) return;
    confirm.disabled = true;
    show(failure, false);
    try {
      await send();
      dialog.close();
    } catch (error) {
      setText(failure, error.message);
      show(failure, true);
    }
    confirm.disabled = false;
  }
}

/** @param {string} title @param {string} explain */
export const heading = (title, explain) =>
  h("header", { class: "settings-head" }, h("h2", {}, title), h("p", { class: "muted" }, explain));
