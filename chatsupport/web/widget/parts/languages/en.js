// The texts of the parts; {} stands for a number or a name. Each table has the same names in the same order.
export default {
  sound: "Sound", // the menu
  transcript: "Download the transcript",
  endChat: "End chat",
  sure: "End this chat?", // asked before a chat ends
  end: "End", // the answers
  keep: "Keep",
  email: "Your email",
  optional: "{} (optional)", // a question that need not be answered
  choose: "Please choose", // the first choice of a list
  back: "We are back on {} at {} (your time)", // a day and a time
  backToday: "We are back today at {} (your time)", // a time
  leave: "Leave us your email and a message, and we will answer you.",
  since: "Waiting since {}", // when the visitor began to wait
  about: "about {}", // … such as 3 minutes
  leavePage: "You can leave this page. The answer will be here.",
  thanks: "Thank you!", // after a rating
  comment: "Would you like to say more?",
  send: "Send",
  late: "This chat can no longer be rated.", // a day after its end
  left: "Characters left: {}", // how many; less than 0 if there are too many
  returnTo: "Back", // a button, from past chats
  gone: "This chat is no longer available.", // a past chat
  team: "Our team",
  you: "You",
  earlier: "Earlier messages", // a button above the messages
  idle: "This chat ends soon unless you write",
  busy: "Too many people are waiting. Please try again later.", // the queue is full
  trouble: "The chat cannot be reached at the moment.", // the chat is refused
  blocked: "You cannot write to us here.",
  origin: "The chat does not work on this page.", // the page may not call the server
  answer: "Please answer the questions.", // the server wants answers before a chat begins
  bot: "{} is a bot", // a bot's name, while it has the chat
  person: "Talk to a person", // a button
  asking: "Asking for a person…",
  askLater: "There is no connection. We will ask for a person as soon as there is one.",
  toQueue: "You will be connected to a person.", // the line at the end of a bot's part
  toPerson: "You are now connected to {}.", // an agent's name
  files: "Files to send", // above the field
  alt: "Describe the picture",
  remove: "Remove {}", // a file's name
  tooLarge: "This file is too large. It may have {}.", // such as 10 MB
  wrongType: "Files of this type cannot be sent.",
  damaged: "This file is empty or damaged.",
  tooSlow: "This connection is too slow to send the file.",
  tooMany: "No more files can be sent in this chat.",
  tooFast: "Too many files at once. Please try again in a minute.",
  enlarge: "Show {} large", // a picture's description
  close: "Close",
  previous: "Previous picture",
  next: "Next picture",
  original: "Open in a new tab", // a picture
  checked: "Being checked", // a file that is being scanned
  harmful: "Blocked, because something harmful was found in it", // a file that was scanned
  unavailable: "Not available", // a file, or a picture
};
