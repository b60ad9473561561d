// The texts in the order in which loader.js and view.js take them; {} stands for a number or a name.
export default [
  "ltr", // dir: the direction of writing
  "Chat öffnen", // open: the bubble
  "Chatten Sie mit uns", // title: the heading
  "Chat schließen", // close
  "Ton", // sound
  "Chat beenden", // end
  "Hallo! Wie können wir helfen?", // hello: the start
  "Schreiben Sie uns, wir antworten hier.", // hint
  "Ihre Nachricht", // write: the field
  "Senden", // send
  "Nummer {} in der Schlange", // place: the place in the queue
  "seit {}", // waited: … and for how long, such as 3 minutes
  "Sie sprechen mit {}", // talking: an agent's name
  "{} schreibt", // typing
  "Unser Team", // team: an agent whose name is not known
  "Wird gesendet…", // sending: marks below a message
  "Gesendet", // sent
  "Gelesen", // read
  "Nicht gesendet", // failed
  "Erneut versuchen", // retry
  "Verbindung wird hergestellt…", // offline
  "Frühere Nachrichten", // earlier: a button above the messages
  "Neue Nachrichten: {}", // unread: how many
  "Zeichen übrig: {}", // left: how many
  "Dieser Chat endet bald, wenn Sie nichts schreiben", // idle
  "Dieser Chat ist beendet", // ended
  "Neu beginnen", // again: a new chat
  "Zu viele warten gerade. Bitte später erneut versuchen.", // busy: the queue is full
  "Der Chat ist gerade nicht erreichbar.", // trouble: it is refused
  "Im Moment ist niemand da.", // away
  "Diesen Chat beenden?", // sure
  "Weiter chatten", // stay
  "Sie können uns hier nicht schreiben.", // blocked
  "Der Chat funktioniert auf dieser Seite nicht.", // origin
  "Zeichen zu viel: {}", // over: how many
];
