import { createBubble } from "./bubble.js";
import { createStore } from "./store.js";
import { loadStrings } from "./strings.js";

const style = async (name) => new CSSStyleSheet().replace(await (await fetch(new URL(name, import.meta.url))).text());

// Starts the widget with the script tag's data- attributes; resolves with what window.ChatSupport passes on. A page
// view costs the bubble only: the chat itself is loaded when it is wanted, or where one goes on.
export async function start(options, emit) {
  const [strings, sheet] = await Promise.all([loadStrings(options.language), style("widget.css")]);
  if (!document.body) await new Promise((resolve) => addEventListener("DOMContentLoaded", resolve));
  const store = createStore(`chat-support ${options.server}`);
  const bubble = createBubble(sheet, strings, options);
  let loading;

  function load() {
    loading ??= Promise.all([import("./chat.js"), import("./view.js"), style("chat.css")]).then((parts) => {
      const [{ createChat }, { createView }, chatSheet] = parts;
      let view;
      bubble.root.adoptedStyleSheets.push(chatSheet);
      const chat = createChat(options, store, (state) => view.render(state), emit);
      view = createView(bubble, strings, options, store, chat, emit);
      chat.begin();
      if (store.open) view.open(false);
      return { chat, view };
    });
    loading.catch(() => (loading = null));
    return loading;
  }

  const open = async () => (await load()).view.open();
  const { sessionId, ended, outbox } = store.get();
  if (store.open || outbox?.some((entry) => !entry.failed) || (sessionId && !ended)) load();
  bubble.button.onclick = open;
  bubble.button.onpointerenter = load;
  return {
    open,
    close: async () => (await loading)?.view.close(),
    async identify(who) {
      Object.assign(options, who);
      (await loading)?.chat.identify(who);
    },
  };
}
