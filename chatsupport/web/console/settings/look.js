import { h } from "../../shared/elements.js";
import { copyText } from "../parts/clipboard.js";
import { icon, setText } from "../parts/elements.js";
import { at, because } from "../server/api.js";
import { subscribe, toast } from "../store.js";
import { loadDepartments } from "./departments.js";
import { draft } from "./draft.js";
import { button, choose, field, heading, input, problemAt, section } from "./fields.js";
import { words } from "./texts.js";

// The look of the chat bubble, with a picture of it, and the line that puts it on a site.

const own = words.look;

export const createLook = () =>
  section((element) => {
    const look = draft.now.widget;
    /** @param {string} name @param {string} label @param {Record<string, any>} properties @param {string} [hint] */
    const text = (name, label, properties, hint) =>
      field(
        label,
        input(look[name] ?? "", (value) => (look[name] = value.trim() || null), properties),
        {
          hint,
          place: `widget.${name}`,
        },
      );
    element.append(
      heading(own.title, own.explain),
      h(
        "div",
        { class: "look" },
        h(
          "div",
          { class: "look-fields" },
          text("title", own.heading, { maxlength: "60" }, own.headingHint),
          field(
            own.color,
            input(look.color, (value) => (look.color = value), { type: "color" }),
            { place: "widget.color" },
          ),
          field(
            own.position,
            choose(look.position, { right: own.right, left: own.left }, (value) => (look.position = value)),
            {
              place: "widget.position",
            },
          ),
          field(
            own.theme,
            choose(look.theme, { auto: own.auto, light: own.light, dark: own.dark }, (value) => (look.theme = value)),
            { place: "widget.theme" },
          ),
          text("logoUrl", own.logo, { type: "url", maxlength: "2000", placeholder: "https://" }, own.logoHint),
          text("language", own.language, { maxlength: "20" }, own.languageHint),
          problemAt("widget"),
        ),
        createPreview(),
      ),
      createSnippet(),
    );
  });

/** Black or white, whichever is easier to read on the color, as the chat bubble does. @param {string} color */
function inkOn(color) {
  const [red, green, blue] = [1, 3, 5].map((start) => {
    const part = Number.parseInt(color.slice(start, start + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000000" : "#ffffff";
}

function createPreview() {
  const title = h("span", { class: "sample-title" });
  const greeting = h("p", { class: "sample-greeting" });
  const frame = h(
    "div",
    { class: "sample", "aria-hidden": "true" },
    h(
      "div",
      { class: "sample-chat" },
      h("div", { class: "sample-head" }, icon("chats"), title),
      h(
        "div",
        { class: "sample-body" },
        greeting,
        h("p", { class: "sample-question" }, own.sampleQuestion),
        h("p", { class: "sample-field" }, own.sampleField),
      ),
    ),
    h("span", { class: "sample-bubble" }, icon("chats")),
  );
  function update() {
    const { widget, texts } = draft.now ?? {};
    if (!widget || !/^#[0-9a-f]{6}$/i.test(widget.color)) return;
    setText(title, widget.title ?? own.sampleTitle);
    setText(greeting, texts.greeting ?? own.sampleGreeting);
    frame.style.setProperty("--brand", widget.color);
    frame.style.setProperty("--brand-ink", inkOn(widget.color));
    frame.style.colorScheme = widget.theme === "auto" ? "light dark" : widget.theme;
    frame.classList.toggle("is-left", widget.position === "left");
  }
  previews = update;
  update();
  return h("figure", { class: "look-preview" }, h("figcaption", { class: "muted small-text" }, own.preview), frame);
}

/** Updates the preview that was made last. */
let previews = () => {};
subscribe(() => previews());

function createSnippet() {
  const code = h("code", { tabindex: "0" });
  const department = h("select", { class: "select", onchange: update }, h("option", {}, own.everybody));
  const choice = h("div", { hidden: true }, field(own.department, department, { hint: own.departmentHint }));
  function update() {
    const whose = department.selectedIndex > 0 ? ` data-department="${department.value}"` : "";
    setText(code, `<script src="${at("/widget.js").href}"${whose} async></script>`);
  }
  async function copy() {
    if (await copyText(code.textContent ?? "")) toast(own.copied);
    else toast(own.notCopied, { kind: "error" });
  }
  async function offerDepartments() {
    try {
      const all = await loadDepartments();
      department.append(...all.map(({ id, name }) => h("option", { value: id }, name)));
      choice.hidden = !all.length;
    } catch (error) {
      toast(because(words.page.failed, error), { kind: "error" });
    }
  }
  update();
  offerDepartments();
  return h(
    "div",
    { class: "snippet" },
    h("h3", {}, own.snippet),
    h("p", { class: "muted small-text" }, own.snippetHint),
    choice,
    h("div", { class: "snippet-line" }, code, button(own.copy, copy)),
  );
}
