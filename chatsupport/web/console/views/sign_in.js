// Signing in: a page where nobody is signed in, and a dialog above everything where the token has expired.

import { signIn, signInAs, signInOptions, signOut } from "../account.js";
import { avatar, h, icon, keyed, setText, show } from "../dom.js";

const SENTENCES = {
  INVALID_CREDENTIALS: "The email or the password is wrong.",
  NO_ANSWER: "The server does not answer. Check the connection and try again.",
};

function describe(error) {
  if (error.code === "RATE_LIMITED")
    return `Too many attempts. Wait ${error.retryAfter ? `${error.retryAfter} seconds` : "a minute"} and try again.`;
  return SENTENCES[error.code] ?? error.message ?? "Something went wrong. Try again.";
}

let forms = 0;

function createForm(button) {
  const id = `sign-in-${(forms += 1)}`;
  const email = h("input", { id: `${id}-email`, type: "email", autocomplete: "username", required: true });
  const password = h("input", {
    id: `${id}-password`,
    type: "password",
    autocomplete: "current-password",
    required: true,
  });
  const submit = h("button", { class: "button primary wide", type: "submit" }, button);
  const failure = h("p", { class: "failure", role: "alert", hidden: true });
  const quick = h("div", { class: "quick-agents" });
  const development = h(
    "section",
    { class: "development", hidden: true, "aria-label": "Development" },
    h("p", { class: "separator" }, h("span", {}, "or, in development, be one of")),
    quick,
  );

  async function attempt(act) {
    if (submit.disabled) return;
    submit.disabled = true;
    show(failure, false);
    try {
      await act();
      password.value = "";
    } catch (error) {
      setText(failure, describe(error));
      show(failure, true);
      if (error.code === "INVALID_CREDENTIALS") password.select();
    } finally {
      submit.disabled = false;
    }
  }

  const form = h(
    "form",
    {
      class: "sign-in-form",
      onsubmit: (event) => {
        event.preventDefault();
        attempt(() => signIn(email.value.trim(), password.value));
      },
    },
    failure,
    h("label", { for: email.id }, "Email"),
    email,
    h("label", { for: password.id }, "Password"),
    password,
    submit,
  );

  async function loadOptions() {
    try {
      const options = await signInOptions();
      show(development, Boolean(options.development && options.agents.length));
      keyed(
        quick,
        options.agents ?? [],
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
      // Without these there is still the form.
    }
  }
  return { element: h("div", {}, form, development), email, loadOptions };
}

const brand = () => h("span", { class: "brand-mark" }, icon("chats"));

export function createSignIn() {
  const form = createForm("Sign in");
  const element = h(
    "main",
    { class: "sign-in", hidden: true },
    h(
      "div",
      { class: "sign-in-card" },
      brand(),
      h("h1", {}, "Chat Support"),
      h("p", { class: "muted" }, "Sign in to answer your visitors."),
      form.element,
    ),
  );
  return {
    element,
    update(state) {
      const visible = state.phase === "signed-out";
      if (visible && element.hidden) {
        show(element, true);
        form.loadOptions();
        form.email.focus();
      }
      show(element, visible);
    },
  };
}

export function createExpired() {
  const element = h("dialog", { class: "dialog", "aria-labelledby": "expired-title" });
  element.addEventListener("cancel", (event) => event.preventDefault()); // There is nothing to go back to.
  return {
    element,
    update(state) {
      const visible = state.phase === "expired";
      if (visible && !element.open) {
        const form = createForm("Go on");
        element.replaceChildren(
          h("h2", { id: "expired-title" }, "Sign in again"),
          h("p", { class: "muted" }, "Your sign-in has expired. Your chats and what you have written are still here."),
          form.element,
          h("button", { class: "button quiet wide", onclick: signOut }, "Sign out and forget what I have written"),
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
