import { element, textsOf } from "../mail/language.js";

// The page that ends the mails to an address. Behind the # of its address is the token of a mail. Nothing ends without a
// click, because programs follow links too.
const texts = textsOf({
  en: {
    title: "Mails about unread messages",
    ask: "Do you want no more mails about unread messages?",
    stop: "Stop these mails",
    stopped: "This address gets no more mails about unread messages.",
    failed: "That did not work. Try again in a minute, or copy the whole link from the mail.",
  },
  de: {
    title: "E-Mails über ungelesene Nachrichten",
    ask: "Möchten Sie keine E-Mails über ungelesene Nachrichten mehr?",
    stop: "E-Mails abbestellen",
    stopped: "Diese Adresse erhält keine E-Mails über ungelesene Nachrichten mehr.",
    failed: "Das hat nicht funktioniert. Versuchen Sie es in einer Minute erneut, oder kopieren Sie den ganzen Link.",
  },
  ar: {
    title: "رسائل البريد عن الرسائل غير المقروءة",
    ask: "هل تريد إيقاف رسائل البريد عن الرسائل غير المقروءة؟",
    stop: "إيقاف هذه الرسائل",
    stopped: "لن تصل إلى هذا العنوان رسائل أخرى عن الرسائل غير المقروءة.",
    failed: "لم ينجح ذلك. حاول مرة أخرى بعد دقيقة، أو انسخ الرابط كاملاً من الرسالة.",
  },
});
const token = location.hash.slice(1);
const text = element("text");
const button = /** @type {HTMLButtonElement} */ (element("stop"));

async function stop() {
  button.disabled = true;
  try {
    const answer = await fetch("api/mail/unsubscribe", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token }),
    });
    if (!answer.ok) throw answer.status;
    text.textContent = texts.stopped;
    button.hidden = true;
  } catch (error) {
    console.warn(error);
    text.textContent = texts.failed;
    button.disabled = false;
  }
}

element("title").textContent = texts.title;
text.textContent = texts.ask;
button.textContent = texts.stop;
button.hidden = false;
button.onclick = stop;
