// Shows the OpenAPI document. Everything in it is text, and never treated as HTML.

import { classed, element } from "./elements.js";
import { credentials, tryIt } from "./try.js";

/** @import { Api, Content, Operation, Schema } from "./types.js" */

/**
 * Returns a schema in readable form: names, types, and which fields are required.
 * @param {Schema | null | undefined} schema
 * @param {Api} api
 * @returns {string}
 */
function outline(schema, api, depth = 0) {
  if (!schema) return "";
  if (schema.$ref) {
    const name = schema.$ref.slice(schema.$ref.lastIndexOf("/") + 1);
    return depth > 3 ? name : outline(api.components.schemas[name], api, depth);
  }
  if (schema.allOf) return schema.allOf.map((part) => outline(part, api, depth)).join(" & ");
  if (schema.anyOf) return schema.anyOf.map((part) => outline(part, api, depth)).join(" | ");
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.type === "array") return `[${outline(schema.items, api, depth) || "any"}]`;
  const { required = [] } = schema;
  if (schema.type === "object" && schema.properties) {
    const indent = "  ".repeat(depth + 1);
    const lines = Object.entries(schema.properties).map(([name, property]) => {
      const mark = required.includes(name) ? "" : "?";
      const note = property.description ? `  // ${property.description}` : "";
      return `${indent}${name}${mark}: ${outline(property, api, depth + 1)}${note}`;
    });
    return `{\n${lines.join("\n")}\n${"  ".repeat(depth)}}`;
  }
  const bounds = [
    schema.minLength !== undefined || schema.maxLength !== undefined
      ? `${schema.minLength ?? 0}–${schema.maxLength ?? "…"} characters`
      : "",
    schema.minimum !== undefined ? `${schema.minimum}–${schema.maximum ?? "…"}` : "",
  ].filter(Boolean);
  return (schema.type || "any") + (bounds.length ? ` (${bounds.join(", ")})` : "");
}

/** @param {Content | undefined} content */
function schemaOf(content) {
  return content ? Object.values(content)[0].schema : null;
}

/**
 * @param {string} path
 * @param {string} method
 * @param {Operation} operation
 * @param {Api} api
 * @param {() => Record<string, string>} headers
 */
function call(path, method, operation, api, headers) {
  const box = element("details");
  box.id = operation.operationId;
  const line = element("summary");
  line.append(
    classed("code", "method", method.toUpperCase()),
    classed("code", "path", path),
    element("span", operation.summary),
  );
  box.append(line);
  if (operation.description) box.append(element("p", operation.description));
  for (const parameter of operation.parameters || []) {
    const item = element("p");
    item.append(
      element("code", parameter.name),
      ` in ${parameter.in}: ${outline(parameter.schema, api)}. ${parameter.schema.description || ""}`,
    );
    box.append(item);
  }
  if (operation.requestBody) {
    box.append(element("h3", "Body"), element("pre", outline(schemaOf(operation.requestBody.content), api)));
  }
  box.append(element("h3", "Answers"));
  for (const [status, answer] of Object.entries(operation.responses)) {
    const shown = element("p");
    shown.append(element("strong", status), ` ${answer.description}`);
    box.append(shown);
    if (status < "300") box.append(element("pre", outline(schemaOf(answer.content), api)));
  }
  box.append(element("h3", "Try it"), tryIt(path, method, operation, headers));
  return box;
}

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** @param {Api} api */
function show(api) {
  byId("title").textContent = `${api.info.title} ${api.info.version}`;
  byId("about").textContent = api.info.description;
  const contents = element("ul");
  const calls = byId("calls");
  const { box, headers } = credentials();
  calls.replaceChildren(box);
  for (const tag of api.tags) {
    calls.append(element("h2", tag.name), element("p", tag.description));
    for (const [path, methods] of Object.entries(api.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        if (!operation.tags.includes(tag.name)) continue;
        const shown = call(path, method, operation, api, headers);
        calls.append(shown);
        const link = element("a", operation.summary);
        link.href = `#${operation.operationId}`;
        link.addEventListener("click", () => {
          shown.open = true;
        });
        contents.append(element("li", "", link));
      }
    }
  }
  byId("contents").replaceChildren(contents);
}

fetch("openapi.json")
  .then((response) => response.json())
  .then(show)
  .catch((error) => {
    byId("calls").replaceChildren(element("p", `The document cannot be shown: ${error}`));
  });
