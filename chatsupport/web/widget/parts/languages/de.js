// The texts of the parts; {} stands for a number or a name. Each table has the same names in the same order.
export default {
  sound: "Ton", // the menu
  transcript: "Verlauf herunterladen",
  endChat: "Chat beenden",
  sure: "Diesen Chat beenden?", // asked before a chat ends
  end: "Beenden", // the answers
  keep: "Weiter chatten",
  email: "Ihre E-Mail-Adresse",
  optional: "{} (freiwillig)", // a question that need not be answered
  choose: "Bitte wählen", // the first choice of a list
  back: "Wir sind am {} um {} wieder da (Ihre Zeit)", // a day and a time
  backToday: "Wir sind heute um {} wieder da (Ihre Zeit)", // a time
  leave: "Hinterlassen Sie Ihre E-Mail-Adresse und eine Nachricht, wir antworten Ihnen.",
  since: "Sie warten seit {}", // when the visitor began to wait
  about: "etwa {}", // … such as 3 minutes
  leavePage: "Sie können die Seite verlassen. Die Antwort kommt hier an.",
  thanks: "Vielen Dank!", // after a rating
  comment: "Möchten Sie mehr sagen?",
  send: "Senden",
  late: "Dieser Chat kann nicht mehr bewertet werden.", // a day after its end
  left: "Zeichen übrig: {}", // how many; less than 0 if there are too many
  returnTo: "Zurück", // a button, from past chats
  gone: "Diesen Chat gibt es nicht mehr.", // a past chat
  team: "Unser Team",
  you: "Sie",
  earlier: "Frühere Nachrichten", // a button above the messages
  idle: "Dieser Chat endet bald, wenn Sie nichts schreiben",
  busy: "Zu viele warten gerade. Bitte später erneut versuchen.", // the queue is full
  trouble: "Der Chat ist gerade nicht erreichbar.", // the chat is refused
  blocked: "Sie können uns hier nicht schreiben.",
  origin: "Der Chat funktioniert auf dieser Seite nicht.", // the page may not call the server
  answer: "Bitte beantworten Sie die Fragen.", // the server wants answers before a chat begins
  bot: "{} ist ein Bot", // a bot's name, while it has the chat
  person: "Mit einem Menschen sprechen", // a button
  asking: "Wir suchen jemanden…",
  askLater: "Es gibt keine Verbindung. Sobald es eine gibt, suchen wir jemanden.",
  toQueue: "Sie werden mit einem Menschen verbunden.", // the line at the end of a bot's part
  toPerson: "Sie sind jetzt mit {} verbunden.", // an agent's name
  files: "Dateien zum Senden", // above the field
  alt: "Beschreiben Sie das Bild",
  remove: "{} entfernen", // a file's name
  tooLarge: "Diese Datei ist zu groß. Erlaubt sind {}.", // such as 10 MB
  wrongType: "Dateien dieser Art können nicht gesendet werden.",
  damaged: "Diese Datei ist leer oder beschädigt.",
  tooSlow: "Diese Datei kommt über diese Verbindung zu langsam an.",
  tooMany: "In diesem Chat sind schon so viele Dateien wie möglich.",
  tooFast: "Zu viele Dateien auf einmal. Bitte in einer Minute erneut versuchen.",
  enlarge: "{} groß zeigen", // a picture's description
  close: "Schließen",
  previous: "Voriges Bild",
  next: "Nächstes Bild",
  original: "In neuem Tab öffnen", // a picture
  checked: "Wird geprüft", // a file that is being scanned
  harmful: "Gesperrt, weil etwas Schädliches darin gefunden wurde", // a file that was scanned
  unavailable: "Nicht verfügbar", // a file, or a picture
};
