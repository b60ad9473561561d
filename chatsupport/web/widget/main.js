import { createChat } from "./chat.js";
import { loadStrings } from "./strings.js";
import { createStore } from "./store.js";
import { createView } from "./view.js";

// Starts the widget with the script tag's data- attributes; resolves with what window.ChatSupport passes on.
export async function start(options, emit) {
  const [strings, css] = await Promise.all([
    loadStrings(options.language),
    fetch(new URL("widget.css", import.meta.url)).then((answer) => answer.text()),
  ]);
  if (!document.body) await new Promise((resolve) => addEventListener("DOMContentLoaded", resolve));
  const store = createStore(`chat-support ${options.server}`);
  let view;
  const chat = createChat(options, store, (state) => view.render(state), emit);
  view = createView({ ...options, strings, css }, store, chat, emit);
  chat.begin();
  view.begin();
  return { open: view.open, close: view.close, identify: chat.identify };
}
