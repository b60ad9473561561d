// The texts of the parts; {} stands for a number or a name. Each table has the same names in the same order.
export default {
  sound: "الصوت", // the menu
  transcript: "تنزيل نص المحادثة",
  endChat: "إنهاء المحادثة",
  sure: "هل تريد إنهاء المحادثة؟", // asked before a chat ends
  end: "إنهاء", // the answers
  keep: "متابعة",
  email: "بريدك الإلكتروني",
  optional: "{} (اختياري)", // a question that need not be answered
  choose: "اختر من فضلك", // the first choice of a list
  back: "سنعود يوم {} في {} (بتوقيتك)", // a day and a time
  backToday: "سنعود اليوم في {} (بتوقيتك)", // a time
  leave: "اترك لنا بريدك الإلكتروني ورسالة وسنرد عليك.",
  since: "تنتظر منذ {}", // when the visitor began to wait
  about: "نحو {}", // … such as 3 minutes
  leavePage: "يمكنك المغادرة. سيصلك الرد هنا.",
  thanks: "شكرًا لك!", // after a rating
  comment: "هل تود إضافة شيء؟",
  send: "إرسال",
  late: "لم يعد تقييم هذه المحادثة ممكنًا.", // a day after its end
  left: "الأحرف المتبقية: {}", // how many; less than 0 if there are too many
  returnTo: "رجوع", // a button, from past chats
  gone: "لم تعد هذه المحادثة متاحة.", // a past chat
  team: "فريقنا",
  you: "أنت",
  earlier: "رسائل أقدم", // a button above the messages
  idle: "ستنتهي هذه المحادثة قريبًا ما لم تكتب",
  busy: "كثيرون ينتظرون الآن. حاول لاحقًا من فضلك.", // the queue is full
  trouble: "لا يمكن الوصول إلى المحادثة حاليًا.", // the chat is refused
  blocked: "لا يمكنك مراسلتنا هنا.",
  origin: "لا تعمل المحادثة في هذه الصفحة.", // the page may not call the server
  answer: "أجب عن الأسئلة من فضلك.", // the server wants answers before a chat begins
  bot: "{} برنامج آلي", // a bot's name, while it has the chat
  person: "التحدث إلى شخص", // a button
  asking: "نبحث عن شخص…",
  askLater: "لا يوجد اتصال. سنبحث عن شخص عند عودته.",
  toQueue: "سيتم توصيلك بشخص.", // the line at the end of a bot's part
  toPerson: "أنت الآن على اتصال مع {}.", // an agent's name
  files: "ملفات للإرسال", // above the field
  alt: "صف الصورة",
  remove: "إزالة {}", // a file's name
  tooLarge: "هذا الملف كبير جدًا. الحد الأقصى {}.", // such as 10 MB
  wrongType: "لا يمكن إرسال ملفات من هذا النوع.",
  damaged: "هذا الملف فارغ أو تالف.",
  tooSlow: "هذا الملف يصل ببطء شديد عبر هذا الاتصال.",
  tooMany: "بلغت هذه المحادثة الحد الأقصى من الملفات.",
  tooFast: "ملفات كثيرة دفعة واحدة. حاول بعد دقيقة من فضلك.",
  enlarge: "عرض {} بحجم كبير", // a picture's description
  close: "إغلاق",
  previous: "الصورة السابقة",
  next: "الصورة التالية",
  original: "فتح في علامة تبويب جديدة", // a picture
  checked: "قيد الفحص", // a file that is being scanned
  harmful: "محظور لوجود شيء ضار فيه", // a file that was scanned
  unavailable: "غير متاح", // a file, or a picture
};
