import { h } from "../../shared/elements.js";
import { show } from "../parts/elements.js";
import { createEmpty } from "../parts/empty.js";
import { isSupervisor, notify, state } from "../store.js";
import { texts } from "../texts.js";

/** @import { View } from "../types.js" */

// The place of the supervisors' settings (../settings/), which are loaded when they are opened for the first time.

/** What the server makes of settings/main.js (bundle.py): it gets the modules that the console has already. */
const PAGE = "./settings/all.js";

/** @returns {View} */
export function createSettings() {
  const empty = createEmpty();
  const element = h(
    "main",
    { class: "overview settings", "aria-labelledby": "settings-title", hidden: true },
    h("h1", { id: "settings-title" }, texts.lists.settings),
    empty.element,
  );
  /** @type {View | null} */
  let page = null;
  let isLoading = false;
  let isOutdated = false;
  let hasFailed = false;
  let tries = 0;

  async function load() {
    isLoading = true;
    hasFailed = false;
    tries += 1;
    try {
      // A browser remembers that it could not fetch a module, so each attempt has an address of its own.
      const from = tries === 1 ? PAGE : `${PAGE}?${tries}`;
      const [own, { start }] = await Promise.all([import(/** @type {string} */ ("./all.js")), import(from)]);
      const made = start(own);
      isOutdated = new URL(made.address).pathname !== new URL(PAGE, import.meta.url).pathname;
      if (!isOutdated) {
        await made.loadStyles();
        page = /** @type {View} */ (made.createPage());
        element.append(page.element);
      }
    } catch (error) {
      console.warn(error);
      hasFailed = true;
    }
    isLoading = false;
    notify();
  }

  return {
    element,
    update() {
      const isOpen = state.list === "settings" && isSupervisor();
      show(element, isOpen);
      if (isOpen && !page && !isLoading && !hasFailed && !isOutdated) load();
      show(empty.element, !page);
      if (!page)
        empty.update({
          image: "settings",
          title: isOutdated ? texts.empty.outdatedTitle : hasFailed ? texts.empty.unloadedTitle : texts.loading,
          text: isOutdated ? texts.empty.outdated : hasFailed ? texts.server.offline : "",
          ...(isOutdated && { label: texts.empty.reload, act: () => location.reload() }),
          ...(hasFailed && { label: texts.tryAgain, act: load }),
        });
      if (isOpen) page?.update(state);
    },
  };
}
