// The chat's texts; {} stands for a number or a name. Each table has the same names in the same order.
export default {
  dir: "rtl", // the direction of writing
  open: "افتح المحادثة", // the bubble
  title: "تحدث معنا", // the heading
  close: "إغلاق",
  more: "القائمة", // the button of a menu
  hello: "مرحبًا! كيف نساعدك؟", // the start
  hint: "اكتب لنا وسنرد عليك هنا.",
  write: "رسالتك", // the field
  send: "إرسال",
  attach: "إرسال ملف",
  place: "رقمك في الانتظار {}", // the place in the queue
  joined: "انضم {}", // an agent's name
  took: "يتابع معك {}", // an agent who comes after another
  talking: "أنت تتحدث مع {}", // an agent's name
  typing: "{} يكتب",
  team: "فريقنا", // an agent whose name is not known
  sending: "جارٍ الإرسال…", // marks below a message
  sent: "أُرسلت",
  read: "قُرئت",
  failed: "لم تُرسل",
  retry: "حاول مرة أخرى",
  offline: "جارٍ الاتصال…",
  fresh: "جديد", // a line above the first new message
  news: "{} جديد", // how many messages
  ending: "جارٍ الإنهاء…", // while the server has not confirmed it
  ended: "انتهت المحادثة",
  rate: "كيف كانت المحادثة؟", // above five faces
  again: "محادثة جديدة", // a button
  past: "محادثات سابقة",
  away: "لا أحد متاح الآن.", // no agent is present
};
