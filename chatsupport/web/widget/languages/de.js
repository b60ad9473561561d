// The chat's texts; {} stands for a number or a name. Each table has the same names in the same order: the server leaves
// the names out of what browsers get.
export default {
  dir: "ltr", // the direction of writing
  open: "Chat öffnen", // the bubble
  title: "Chatten Sie mit uns", // the heading
  close: "Chat schließen",
  sound: "Ton",
  end: "Chat beenden",
  hello: "Hallo! Wie können wir helfen?", // the start
  hint: "Schreiben Sie uns, wir antworten hier.",
  write: "Ihre Nachricht", // the field
  send: "Senden",
  place: "Nummer {} in der Schlange", // the place in the queue
  waited: "seit {}", // … and for how long, such as 3 minutes
  talking: "Sie sprechen mit {}", // an agent's name
  typing: "{} schreibt",
  team: "Unser Team", // an agent whose name is not known
  sending: "Wird gesendet…", // marks below a message
  sent: "Gesendet",
  read: "Gelesen",
  failed: "Nicht gesendet",
  retry: "Erneut versuchen",
  offline: "Verbindung wird hergestellt…",
  earlier: "Frühere Nachrichten", // a button above the messages
  unread: "Neue Nachrichten: {}", // how many
  left: "Zeichen übrig: {}", // how many
  idle: "Dieser Chat endet bald, wenn Sie nichts schreiben",
  ending: "Der Chat wird beendet…", // while the server has not confirmed it
  ended: "Dieser Chat ist beendet",
  again: "Neu beginnen", // a new chat
  busy: "Zu viele warten gerade. Bitte später erneut versuchen.", // the queue is full
  trouble: "Der Chat ist gerade nicht erreichbar.", // it is refused
  away: "Im Moment ist niemand da.",
  sure: "Diesen Chat beenden?",
  stay: "Weiter chatten",
  blocked: "Sie können uns hier nicht schreiben.",
  origin: "Der Chat funktioniert auf dieser Seite nicht.",
  over: "Zeichen zu viel: {}", // how many
};
