import { element, textsOf } from "./language.js";

// The page to which a link in a mail leads if the site's own page is unknown. The chat bubble reads the link.
const texts = textsOf({
  en: {
    chat: "Your chat is in the corner of this page.",
    else: "If it is empty, open your chat on the website on which you began it.",
  },
  de: {
    chat: "Ihr Chat ist in der Ecke dieser Seite.",
    else: "Wenn er leer ist, öffnen Sie ihn auf der Website, auf der Sie ihn begonnen haben.",
  },
  ar: { chat: "محادثتك في زاوية هذه الصفحة.", else: "إذا كانت فارغة، فافتحها في الموقع الذي بدأتها فيه." },
});

element("text").textContent = texts.chat;
element("else").textContent = texts.else;
