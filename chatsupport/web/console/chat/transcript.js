import { h } from "../../shared/elements.js";
import { show } from "../parts/elements.js";
import { isMailOffered } from "../server/account.js";
import { because, call } from "../server/api.js";
import { toast } from "../store.js";
import { say, texts } from "../texts.js";

/** @import { Session } from "../types.js" */

// Sends the transcript of a chat to the visitor's address, in the panel about the visitor.

/** @type {boolean | undefined} */
let isOffered;

export function createTranscript() {
  /** @type {Session} */
  let session;
  const element = h(
    "button",
    { class: "button small", type: "button", hidden: true, onclick: send },
    texts.transcript.mail,
  );

  async function send() {
    element.disabled = true;
    try {
      const { email } = await call("POST", `/api/chat/transcript/${session.id}/mail`, {}, 1);
      toast(say(texts.transcript.sent, { email }));
    } catch (error) {
      toast(because(texts.transcript.failed, error), { kind: "error" });
    } finally {
      element.disabled = false;
    }
  }

  async function ask() {
    isOffered = false;
    isOffered = await isMailOffered();
  }

  return {
    element,
    /** @param {Session} now */
    update(now) {
      session = now;
      if (isOffered === undefined) ask().catch(console.warn);
      show(element, Boolean(isOffered && session.context?.visitor.email));
    },
  };
}
