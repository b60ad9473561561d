import { h } from "../../shared/elements.js";
import { call, get, withQuery } from "../server/api.js";
import { assign, toast } from "../store.js";
import { field, openForm } from "./fields.js";
import { createEntries } from "./lists.js";
import { words } from "./texts.js";

/** @import { Reply } from "../types.js" */

// The canned replies of the team.

const own = words.replies;

async function load() {
  /** @type {Reply[]} */
  const replies = [];
  for (let cursor; ; ) {
    const page = await get(withQuery("/api/replies", { limit: 100, cursor }));
    replies.push(...page.replies);
    if (!page.hasMore) break;
    cursor = page.nextCursor;
  }
  assign({ replies }); // The field of the chats offers them at once.
  return replies;
}

/** @param {Reply | null} reply @param {() => void} done */
function edit(reply, done) {
  const shortcut = h("input", {
    type: "text",
    autocomplete: "off",
    maxlength: "32",
    pattern: "[a-z0-9\\-]+",
    required: true,
  });
  const title = h("input", { type: "text", autocomplete: "off", maxlength: "100", required: true });
  const text = h("textarea", { rows: "5", maxlength: "1000", required: true });
  shortcut.value = reply?.shortcut ?? "";
  title.value = reply?.title ?? "";
  text.value = reply?.text ?? "";

  async function send() {
    const fields = { shortcut: shortcut.value.trim(), title: title.value, text: text.value };
    if (reply) await call("PATCH", `/api/replies/${reply.id}`, fields);
    else await call("POST", "/api/replies", fields, 1); // A repeated one would be refused: the shortcut is taken.
    toast(reply ? own.changed : own.created);
    done();
  }

  openForm(
    reply ? own.edit : own.add,
    [
      field(own.shortcut, shortcut, { hint: own.shortcutHint }),
      field(own.name, title),
      field(own.text, text, { hint: own.textHint }),
    ],
    reply ? words.page.save : own.add,
    send,
  );
}

export const createReplyList = () =>
  createEntries({
    words: own,
    load,
    nameOf: (/** @type {Reply} */ { shortcut }) => shortcut,
    show: ({ shortcut, title, text }) => [
      `/${shortcut}`,
      h("span", {}, title),
      h("span", { class: "muted small-text entry-text" }, text),
    ],
    edit,
    async remove({ id }) {
      await call("DELETE", `/api/replies/${id}`);
      toast(own.deleted);
    },
  });
