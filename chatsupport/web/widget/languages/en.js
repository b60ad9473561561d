// The chat's texts; {} stands for a number or a name. Each table has the same names in the same order: the server leaves
// the names out of what browsers get.
export default {
  dir: "ltr", // the direction of writing
  open: "Open chat", // the bubble
  title: "Chat with us", // the heading
  close: "Close chat",
  sound: "Sound",
  end: "End chat",
  hello: "Hello! How can we help?", // the start
  hint: "Write to us, and somebody will answer here.",
  write: "Your message", // the field
  send: "Send",
  place: "Number {} in the queue", // the place in the queue
  waited: "waiting for {}", // … and for how long, such as 3 minutes
  talking: "You are talking to {}", // an agent's name
  typing: "{} is typing",
  team: "Our team", // an agent whose name is not known
  sending: "Sending…", // marks below a message
  sent: "Sent",
  read: "Read",
  failed: "Not sent",
  retry: "Try again",
  offline: "Connecting…",
  earlier: "Earlier messages", // a button above the messages
  unread: "New messages: {}", // how many
  left: "Characters left: {}", // how many
  idle: "This chat ends soon unless you write",
  ending: "Ending the chat…", // while the server has not confirmed it
  ended: "This chat has ended",
  again: "Start again", // a new chat
  busy: "Too many people are waiting. Please try again later.", // the queue is full
  trouble: "The chat cannot be reached at the moment.", // it is refused
  away: "Nobody is here at the moment.", // no agent is present
  sure: "End this chat?", // asked before it ends
  stay: "Keep chatting", // the other answer
  blocked: "You cannot write to us here.",
  origin: "The chat does not work on this page.", // the page may not call the server
  over: "Characters over the limit: {}", // how many
};
