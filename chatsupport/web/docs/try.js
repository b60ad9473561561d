// "Try it": a form for a call, and the server's answer. Credentials stay in the page, and are never stored.

import { classed, element } from "./elements.js";

/** @import { Operation, Parameter } from "./types.js" */

/**
 * Returns the fields for the credentials of all calls of the page, and the function that reads them.
 * @returns {{box: HTMLElement, headers: () => Record<string, string>}}
 */
export function credentials() {
  const kind = element("select");
  kind.append(new Option("Bearer token", "token"), new Option("X-API-Key", "key"));
  kind.setAttribute("aria-label", "Kind of credentials");
  const value = input("", "password");
  value.setAttribute("aria-label", "Token or API key");
  value.autocomplete = "off";
  const box = classed("p", "credentials");
  box.append("Send calls with ", kind, " ", value, " (POST /api/auth/token gives a token).");
  return {
    box,
    /** @returns {Record<string, string>} */
    headers() {
      const given = value.value.trim();
      if (!given) return {};
      return kind.value === "key" ? { "X-API-Key": given } : { Authorization: `Bearer ${given}` };
    },
  };
}

/**
 * Returns a form that sends one call.
 * @param {string} path
 * @param {string} method
 * @param {Operation} operation
 * @param {() => Record<string, string>} headers
 * @returns {HTMLElement}
 */
export function tryIt(path, method, operation, headers) {
  const form = classed("form", "try");
  const parameters = (operation.parameters || []).map((parameter) => {
    const field = input(parameter.schema.default ?? "");
    field.required = parameter.in === "path";
    form.append(labelled(`${parameter.name} (${parameter.in})`, field));
    return { parameter, field };
  });
  const content = operation.requestBody?.content["application/json"];
  const body = element("textarea");
  if (content) {
    body.value = JSON.stringify(content.example, null, 2);
    body.rows = body.value.split("\n").length + 1;
    body.spellcheck = false;
    form.append(labelled("Body", body));
  }
  const answer = classed("pre", "answer");
  answer.setAttribute("role", "status");
  answer.hidden = true;
  form.append(element("button", "Send"), answer);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    answer.hidden = false;
    answer.textContent = "Sending…";
    try {
      answer.textContent = await send();
    } catch (error) {
      answer.textContent = `The call got no answer: ${error}`;
    }
  });

  async function send() {
    const url = new URL(`..${filled(path, parameters)}`, document.baseURI);
    const sent = new Headers(headers());
    for (const { parameter, field } of parameters) {
      if (field.value === "") continue;
      if (parameter.in === "query") url.searchParams.set(parameter.name, field.value);
      if (parameter.in === "header") sent.set(parameter.name, field.value);
    }
    if (content) sent.set("Content-Type", "application/json");
    const response = await fetch(url, {
      method: method.toUpperCase(),
      headers: sent,
      body: content ? body.value : undefined,
      credentials: "omit",
    });
    const text = await response.text();
    return `${response.status} ${response.statusText}\n${indented(text)}`;
  }

  return form;
}

/**
 * @param {string} path
 * @param {{parameter: Parameter, field: HTMLInputElement}[]} parameters
 */
function filled(path, parameters) {
  return path.replace(/\{(\w+)\}/g, (_, name) => {
    const found = parameters.find(({ parameter }) => parameter.in === "path" && parameter.name === name);
    return encodeURIComponent(found?.field.value ?? "");
  });
}

/** @param {string} text */
function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/**
 * @param {string | number | boolean} value
 * @param {string} type
 */
function input(value, type = "text") {
  const field = element("input");
  field.type = type;
  field.value = String(value);
  return field;
}

/**
 * @param {string} name
 * @param {HTMLElement} field
 */
function labelled(name, field) {
  const label = element("label", name);
  label.append(field);
  return label;
}
