import { h } from "../../shared/elements.js";
import { avatar, icon, keyed, setText, show } from "../parts/elements.js";
import {
  askForLink,
  choosePassword,
  isMailOffered,
  signIn,
  signInAs,
  signInOptions,
  signOut,
} from "../server/account.js";
import { ApiError } from "../server/api.js";
import { state } from "../store.js";
import { say, texts } from "../texts.js";

/** @import { View } from "../types.js" */

// Signing in: a page if nobody is signed in, and a dialog above everything if the token has expired.

/** @param {unknown} error */
function describe(error) {
  if (!(error instanceof ApiError)) return texts.signIn.failed;
  const { code, message, retryAfter } = error;
  if (code === "INVALID_CREDENTIALS") return texts.signIn.wrong;
  if (code === "INVALID_RESET_TOKEN") return texts.signIn.linkOver;
  if (code === "INVALID_PASSWORD") return texts.signIn.passwordRule;
  if (code === "INVALID_EMAIL") return texts.signIn.emailFirst;
  if (code === "OFFLINE") return texts.signIn.offline;
  if (code !== "RATE_LIMITED") return message || texts.signIn.failed;
  return retryAfter ? say(texts.signIn.tooMany, { seconds: retryAfter }) : texts.signIn.tooManyUnknown;
}

let forms = 0;

// The link of a mail for a forgotten password. Its token must not stay in the address.
let [, resetToken] = location.hash.split("#reset=");
if (resetToken) history.replaceState(null, "", location.pathname + location.search);

/** @param {string} button */
function createForm(button) {
  forms += 1;
  const id = `sign-in-${forms}`;
  const email = h("input", { id: `${id}-email`, type: "email", autocomplete: "username", required: true });
  const password = h("input", {
    id: `${id}-password`,
    type: "password",
    autocomplete: "current-password",
    required: true,
  });
  const submit = h("button", { class: "button primary wide", type: "submit" }, button);
  const failure = h("p", { class: "failure", role: "alert", hidden: true });
  const notice = h("p", { class: "muted", role: "status", hidden: true });
  const forgot = h(
    "button",
    { class: "button quiet wide", type: "button", hidden: true, onclick: forget },
    texts.signIn.forgot,
  );
  const quick = h("div", { class: "quick-agents" });
  const development = h(
    "section",
    { class: "development", hidden: true, "aria-label": texts.signIn.development },
    h("p", { class: "separator" }, h("span", {}, texts.signIn.beOne)),
    quick,
  );

  /** @param {() => Promise<unknown>} act */
  async function attempt(act) {
    if (submit.disabled) return;
    submit.disabled = true;
    show(failure, false);
    show(notice, false);
    try {
      await act();
      password.value = "";
    } catch (error) {
      setText(failure, describe(error));
      show(failure, true);
      if (error instanceof ApiError && error.code === "INVALID_CREDENTIALS") password.select();
    } finally {
      submit.disabled = false;
    }
  }

  /** @param {string} text */
  function tell(text) {
    setText(notice, text);
    show(notice, true);
  }

  function forget() {
    attempt(async () => {
      await askForLink(email.value.trim());
      tell(texts.signIn.linkSent);
    });
  }

  const form = h(
    "form",
    {
      class: "sign-in-form",
      onsubmit(/** @type {Event} */ event) {
        event.preventDefault();
        attempt(() => signIn(email.value.trim(), password.value));
      },
    },
    failure,
    notice,
    h("label", { for: email.id }, texts.signIn.email),
    email,
    h("label", { for: password.id }, texts.signIn.password),
    password,
    submit,
    forgot,
  );

  async function loadOptions() {
    try {
      isMailOffered().then((offered) => show(forgot, offered), console.warn);
      const options = await signInOptions();
      show(development, Boolean(options.development && options.agents.length));
      keyed(
        quick,
        /** @type {{ id: string, name: string }[]} */ (options.agents ?? []),
        (agent) => agent.id,
        (agent) => ({
          element: h(
            "button",
            { class: "quick-agent", type: "button", onclick: () => attempt(() => signInAs(agent.id)) },
            avatar(agent.name),
            h("span", {}, agent.name),
          ),
          update() {},
        }),
      );
    } catch {
      // Without these, the form still works.
    }
  }
  return { element: h("div", {}, form, development), email, loadOptions, tell };
}

/** @param {(text: string) => void} done is called with what to tell the agent, if the password is changed or cannot be */
function createReset(done) {
  const password = h("input", {
    id: "reset-password",
    type: "password",
    autocomplete: "new-password",
    minlength: "10",
    required: true,
  });
  const submit = h("button", { class: "button primary wide", type: "submit" }, texts.signIn.choose);
  const failure = h("p", { class: "failure", role: "alert", hidden: true });
  async function choose(/** @type {Event} */ event) {
    event.preventDefault();
    submit.disabled = true;
    show(failure, false);
    try {
      await choosePassword(resetToken, password.value);
      done(texts.signIn.chosen);
    } catch (error) {
      if (error instanceof ApiError && error.code === "INVALID_RESET_TOKEN") done(texts.signIn.linkOver);
      setText(failure, describe(error));
      show(failure, true);
    } finally {
      submit.disabled = false;
    }
  }
  const element = h(
    "form",
    { class: "sign-in-form", onsubmit: choose },
    failure,
    h("label", { for: password.id }, texts.signIn.newPassword),
    password,
    submit,
  );
  return { element, password };
}

const brand = () => h("span", { class: "brand-mark" }, icon("chats"));

/** @returns {View} */
export function createSignIn() {
  const form = createForm(texts.signIn.button);
  const reset = createReset((text) => {
    resetToken = "";
    choose();
    form.tell(text);
  });
  const choose = () => {
    show(reset.element, Boolean(resetToken));
    show(form.element, !resetToken);
    (resetToken ? reset.password : form.email).focus();
  };
  const element = h(
    "main",
    { class: "sign-in", hidden: true },
    h(
      "div",
      { class: "sign-in-card" },
      brand(),
      h("h1", {}, texts.product),
      h("p", { class: "muted" }, texts.signIn.welcome),
      reset.element,
      form.element,
    ),
  );
  return {
    element,
    update() {
      const visible = state.phase === "signed-out";
      if (visible && element.hidden) {
        show(element, true);
        form.loadOptions();
        choose();
      }
      show(element, visible);
    },
  };
}

/** @returns {View} */
export function createExpired() {
  const element = h("dialog", { class: "dialog", "aria-labelledby": "expired-title" });
  element.addEventListener("cancel", (event) => event.preventDefault()); // There is nothing behind it to go back to.
  return {
    element,
    update() {
      const visible = state.phase === "expired";
      if (visible && !element.open) {
        const form = createForm(texts.signIn.goOn);
        element.replaceChildren(
          h("h2", { id: "expired-title" }, texts.signIn.again),
          h("p", { class: "muted" }, texts.signIn.expired),
          form.element,
          h("button", { class: "button quiet wide", onclick: signOut }, texts.signIn.forget),
        );
        element.showModal();
        form.loadOptions();
        form.email.focus();
      }
      if (!visible && element.open) {
        element.close();
        element.replaceChildren();
      }
    },
  };
}
