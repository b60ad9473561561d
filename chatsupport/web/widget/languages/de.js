// The chat's texts; {} stands for a number or a name. Each table has the same names in the same order.
export default {
  dir: "ltr", // the direction of writing
  open: "Chat öffnen", // the bubble
  title: "Chatten Sie mit uns", // the heading
  close: "Chat schließen",
  more: "Menü", // the button of a menu
  hello: "Hallo! Wie können wir helfen?", // the start
  hint: "Schreiben Sie uns, wir antworten hier.",
  write: "Ihre Nachricht", // the field
  send: "Senden",
  attach: "Datei senden",
  place: "Nummer {} in der Schlange", // the place in the queue
  joined: "{} ist da", // an agent's name
  took: "{} übernimmt", // an agent who comes after another
  talking: "Sie sprechen mit {}", // an agent's name
  typing: "{} schreibt",
  team: "Unser Team", // an agent whose name is not known
  sending: "Wird gesendet…", // marks below a message
  sent: "Gesendet",
  read: "Gelesen",
  failed: "Nicht gesendet",
  retry: "Erneut versuchen",
  offline: "Verbindung wird hergestellt…",
  fresh: "Neu", // a line above the first new message
  news: "{} neu", // how many messages
  ending: "Der Chat wird beendet…", // while the server has not confirmed it
  ended: "Dieser Chat ist beendet",
  rate: "Wie war dieser Chat?", // above five faces
  again: "Neuer Chat", // a button
  past: "Frühere Chats",
  away: "Im Moment ist niemand da.", // no agent is present
};
