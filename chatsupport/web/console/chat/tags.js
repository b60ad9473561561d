import { h } from "../../shared/elements.js";
import { icon, keyed, show } from "../parts/elements.js";
import { loadTags, setTags } from "../server/desk.js";
import { isStaff, state } from "../store.js";
import { say, texts } from "../texts.js";

/** @import { Session } from "../types.js" */

// The tags of a chat, which its agent and supervisors change.

const MOST = 10;
const LONGEST = 40;

export function createTags() {
  const list = h("ul", { class: "tags" });
  const known = h("datalist", { id: "known-tags" });
  const field = h("input", {
    type: "text",
    maxlength: String(LONGEST),
    list: "known-tags",
    placeholder: texts.tags.add,
    "aria-label": texts.tags.add,
    onfocus: loadTags,
    onkeydown(/** @type {KeyboardEvent} */ event) {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      const tag = field.value.trim();
      if (!session || !tag) return;
      field.value = "";
      setTags(session.id, [...(session.tags ?? []), tag]);
    },
  });
  const element = h("section", { class: "tagging" }, h("h2", {}, texts.tags.title), list, known, field);
  /** @type {Session | null} */
  let session = null;

  /** @param {string} tag */
  function create(tag) {
    function onclick() {
      if (!session) return;
      setTags(
        session.id,
        (session.tags ?? []).filter((one) => one !== tag),
      );
      field.focus(); // The button goes away.
    }
    const remove = h(
      "button",
      { class: "tag-remove", type: "button", "aria-label": say(texts.tags.remove, { tag }), onclick },
      icon("end"),
    );
    return {
      element: h("li", { class: "tag" }, h("span", {}, tag), remove),
      update: () => show(remove, session !== null && isStaff(session)),
    };
  }

  return {
    element,
    /** @param {Session} now */
    update(now) {
      if (session?.id !== now.id) field.value = "";
      session = now;
      const tags = now.tags ?? [];
      const canTag = isStaff(now) && now.tags !== undefined;
      show(element, canTag || tags.length > 0);
      show(field, canTag && tags.length < MOST);
      keyed(list, tags, (tag) => tag, create);
      keyed(
        known,
        state.tags,
        (tag) => tag,
        (tag) => ({ element: h("option", { value: tag }), update() {} }),
      );
    },
  };
}
