// Loads the console. If a part cannot be fetched, as on a train, the page is not left empty: this shows a message, and tries
// again after a while and as soon as the browser is back on the network.

const TRIED = "chat-console-tries";
const LONGEST_PAUSE_MS = 30_000;

/** @param {(tries: number) => number} change */
function tries(change) {
  try {
    const number = change(Number(sessionStorage.getItem(TRIED)) || 0);
    if (number) sessionStorage.setItem(TRIED, String(number));
    else sessionStorage.removeItem(TRIED);
    return number;
  } catch {
    return 4; // The browser stores nothing: wait long each time.
  }
}

function explain() {
  /** @param {string} tag @param {string} text */
  const make = (tag, text, properties = {}) =>
    Object.assign(document.createElement(tag), { textContent: text }, properties);
  const page = make("main", "", { className: "blank" });
  page.append(
    make("h1", "Chat Support"),
    make("p", "A part of the console could not be loaded. Check the connection. The console keeps trying."),
    make("button", "Try now", { className: "button", type: "button", onclick: () => location.reload() }),
  );
  document.body.replaceChildren(page);
}

// A stylesheet that could not be fetched has no rules, or no readable ones.
function isLost(/** @type {any} */ { sheet }) {
  try {
    return !sheet?.cssRules.length;
  } catch {
    return true;
  }
}

// A missing stylesheet is fetched again. Meanwhile the page works, and looks plain.
function mendStyles(pause = 1_000) {
  const lost = [...document.querySelectorAll('link[rel="stylesheet"]')].filter(isLost);
  if (!lost.length) return;
  setTimeout(() => {
    for (const link of lost) link.replaceWith(link.cloneNode());
    setTimeout(mendStyles, 2_000, Math.min(LONGEST_PAUSE_MS, pause * 2));
  }, pause);
}

addEventListener("load", () => mendStyles());

try {
  // The server joins main.js and all that it imports into this file (bundle.py).
  const { booted } = await import(/** @type {string} */ ("./all.js"));
  await booted;
  tries(() => 0);
} catch (error) {
  console.warn("The console could not be loaded.", error);
  explain();
  // A browser remembers that it could not fetch a module until the page is reloaded.
  setTimeout(
    () => location.reload(),
    Math.min(LONGEST_PAUSE_MS, 1_000 * 2 ** tries((/** @type {number} */ before) => before + 1)),
  );
  addEventListener("online", () => location.reload());
}

export {};
