// The chat's texts; {} stands for a number or a name. Each table has the same names in the same order.
export default {
  dir: "ltr", // the direction of writing
  open: "Open chat", // the bubble
  title: "Chat with us", // the heading
  close: "Close chat",
  more: "Menu", // the button of a menu
  hello: "Hello! How can we help?", // the start
  hint: "Write to us, and somebody will answer here.",
  write: "Your message", // the field
  send: "Send",
  attach: "Send a file",
  place: "Number {} in the queue", // the place in the queue
  joined: "{} joined", // an agent's name
  took: "{} took over", // an agent who comes after another
  talking: "You are talking to {}", // an agent's name
  typing: "{} is typing",
  team: "Our team", // an agent whose name is not known
  sending: "Sending…", // marks below a message
  sent: "Sent",
  read: "Read",
  failed: "Not sent",
  retry: "Try again",
  offline: "Connecting…",
  fresh: "New", // a line above the first new message
  news: "{} new", // how many messages
  ending: "Ending the chat…", // while the server has not confirmed it
  ended: "This chat has ended",
  rate: "How was this chat?", // above five faces
  again: "Start new chat", // a button
  past: "Past chats",
  away: "Nobody is here at the moment.", // no agent is present
};
