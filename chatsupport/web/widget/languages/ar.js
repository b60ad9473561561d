// The chat's texts; {} stands for a number or a name. Each table has the same names in the same order: the server leaves
// the names out of what browsers get.
export default {
  dir: "rtl", // the direction of writing
  open: "افتح المحادثة", // the bubble
  title: "تحدث معنا", // the heading
  close: "أغلق المحادثة",
  sound: "الصوت",
  end: "إنهاء المحادثة",
  hello: "مرحبًا! كيف يمكننا مساعدتك؟", // the start
  hint: "اكتب لنا وسنرد عليك هنا.",
  write: "رسالتك", // the field
  send: "إرسال",
  place: "رقمك في قائمة الانتظار {}", // the place in the queue
  waited: "مدة الانتظار {}", // … and for how long, such as 3 minutes
  talking: "أنت تتحدث مع {}", // an agent's name
  typing: "{} يكتب الآن",
  team: "فريقنا", // an agent whose name is not known
  sending: "جارٍ الإرسال…", // marks below a message
  sent: "أُرسلت",
  read: "قُرئت",
  failed: "لم تُرسل",
  retry: "حاول مرة أخرى",
  offline: "جارٍ الاتصال…",
  earlier: "رسائل أقدم", // a button above the messages
  unread: "رسائل جديدة: {}", // how many
  left: "الأحرف المتبقية: {}", // how many
  idle: "ستنتهي هذه المحادثة قريبًا ما لم تكتب",
  ending: "جارٍ إنهاء المحادثة…", // while the server has not confirmed it
  ended: "انتهت هذه المحادثة",
  again: "ابدأ من جديد", // a new chat
  busy: "كثيرون ينتظرون الآن. حاول لاحقًا من فضلك.", // the queue is full
  trouble: "لا يمكن الوصول إلى المحادثة حاليًا.", // it is refused
  away: "لا أحد متاح الآن.",
  sure: "هل تريد إنهاء المحادثة؟",
  stay: "متابعة المحادثة",
  blocked: "لا يمكنك مراسلتنا هنا.",
  origin: "لا تعمل المحادثة في هذه الصفحة.",
  over: "أحرف زائدة عن الحد: {}", // how many
};
