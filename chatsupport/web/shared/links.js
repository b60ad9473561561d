// Links in messages: addresses that begin with http:// or https://, shown in the same way by widget and console.

// An address ends at a space, a quotation mark, an ellipsis or the punctuation of languages that write without spaces.
const ADDRESS = /\bhttps?:\/\/[^\s<>"“”„«»…‥、。〈-】｡､！＂（），：；？［］｛｝｟｠｢｣]+/gi;
/** @type {Record<string, string>} */
const CLOSING = { ")": "(", "]": "[", "}": "{" };
const DIRECTION = /[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;
// Letters that cannot be confused with those of another script: Latin with East Asian ones, or one script alone.
const ONE_SCRIPT =
  /^([a-zß-ɏḀ-ỿ\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}\d.-]+|[\p{sc=Cyrl}\d.-]+|[\p{sc=Grek}\d.-]+|[\p{sc=Arab}\d.-]+|[\p{sc=Hebr}\d.-]+)$/iu;

/**
 * Returns a text's parts: strings, and <a> elements for the addresses in it.
 * @param {string} text
 */
export const linked = (text) => {
  const parts = [];
  let from = 0;
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const address = trim(found);
    const link = toLink(address.replace(DIRECTION, ""));
    if (!link) continue;
    parts.push(text.slice(from, index), link);
    from = index + address.length;
  }
  return [...parts, text.slice(from)];
};

/**
 * Leaves out the punctuation that ends the sentence. A bracket belongs to the address if its partner does: Foo_(bar).
 * @param {string} address
 */
const trim = (address) => {
  const count = (/** @type {string} */ sign) => address.split(sign).length;
  for (;;) {
    const last = /** @type {string} */ (address.at(-1));
    const isOver = CLOSING[last] ? count(last) > count(CLOSING[last]) : /[.,;:!?'’*|]/.test(last);
    if (!isOver) return address;
    address = address.slice(0, -1);
  }
};

/**
 * Returns a link that shows its real host, or null for a text that is not an address or hides its host.
 * @param {string} address
 */
export const toLink = (address) => {
  // @ts-expect-error It matches, whatever comes after the scheme.
  const [, scheme, written, rest] = address.match(/^(https?:\/\/)([^/?#\\]*)(.*)$/is);
  let url;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  if (!written || written.includes("@")) return null;
  const name = written.replace(/:\d*$/, "");
  const isPlain = name.toLowerCase() === url.hostname || (/[^ -~]/.test(name) && ONE_SCRIPT.test(name));
  const link = document.createElement("a");
  return Object.assign(link, {
    href: url.href,
    target: "_blank",
    rel: "noopener noreferrer nofollow",
    dir: "ltr", // The text around it cannot reverse its direction.
    textContent: isPlain ? scheme + written + rest : scheme + url.host + rest,
  });
};
