// The texts in the order in which loader.js and view.js take them; {} stands for a number or a name.
export default [
  "ltr", // dir: the direction of writing
  "Open chat", // open: the bubble
  "Chat with us", // title: the heading
  "Close chat", // close
  "Sound", // sound
  "End chat", // end
  "Hello! How can we help?", // hello: the start
  "Write to us, and somebody will answer here.", // hint
  "Your message", // write: the field
  "Send", // send
  "Number {} in the queue", // place: the place in the queue
  "waiting for {}", // waited: … and for how long, such as 3 minutes
  "You are talking to {}", // talking: an agent's name
  "{} is typing", // typing
  "Our team", // team: an agent whose name is not known
  "Sending…", // sending: marks below a message
  "Sent", // sent
  "Read", // read
  "Not sent", // failed
  "Try again", // retry
  "Connecting…", // offline
  "Earlier messages", // earlier: a button above the messages
  "New messages: {}", // unread: how many
  "Characters left: {}", // left: how many
  "This chat ends soon unless you write", // idle
  "This chat has ended", // ended
  "Start again", // again: a new chat
  "Too many people are waiting. Please try again later.", // busy: the queue is full
  "The chat cannot be reached at the moment.", // trouble: it is refused
  "Nobody is here at the moment.", // away: no agent is there
  "End this chat?", // sure: asked before it ends
  "Keep chatting", // stay: the other answer
  "You cannot write to us here.", // blocked
  "The chat does not work on this page.", // origin: the page may not ask the server
  "Characters over the limit: {}", // over: how many
];
