// The texts in the order in which loader.js and view.js take them; {} stands for a number or a name.
export default [
  "rtl", // dir: the direction of writing
  "افتح المحادثة", // open: the bubble
  "تحدث معنا", // title: the heading
  "أغلق المحادثة", // close
  "الصوت", // sound
  "إنهاء المحادثة", // end
  "مرحبًا! كيف يمكننا مساعدتك؟", // hello: the start
  "اكتب لنا وسنرد عليك هنا.", // hint
  "رسالتك", // write: the field
  "إرسال", // send
  "رقمك في قائمة الانتظار {}", // place: the place in the queue
  "مدة الانتظار {}", // waited: … and for how long, such as 3 minutes
  "أنت تتحدث مع {}", // talking: an agent's name
  "{} يكتب الآن", // typing
  "فريقنا", // team: an agent whose name is not known
  "جارٍ الإرسال…", // sending: marks below a message
  "أُرسلت", // sent
  "قُرئت", // read
  "لم تُرسل", // failed
  "حاول مرة أخرى", // retry
  "جارٍ الاتصال…", // offline
  "رسائل أقدم", // earlier: a button above the messages
  "رسائل جديدة: {}", // unread: how many
  "الأحرف المتبقية: {}", // left: how many
  "ستنتهي هذه المحادثة قريبًا ما لم تكتب", // idle
  "انتهت هذه المحادثة", // ended
  "ابدأ من جديد", // again: a new chat
  "كثيرون ينتظرون الآن. حاول لاحقًا من فضلك.", // busy: the queue is full
  "لا يمكن الوصول إلى المحادثة حاليًا.", // trouble: it is refused
  "لا أحد متاح الآن.", // away
  "هل تريد إنهاء المحادثة؟", // sure
  "متابعة المحادثة", // stay
  "لا يمكنك مراسلتنا هنا.", // blocked
  "لا تعمل المحادثة في هذه الصفحة.", // origin
  "أحرف زائدة عن الحد: {}", // over: how many
];
