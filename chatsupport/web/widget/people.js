// What outlives the page: an entry of localStorage, which tabs share, and one of sessionStorage for each person. What was
// read or written last is in memory too, and wins where the browser keeps nothing, has no room, or has rubbish there.
function storage(area) {
  const memory = {};
  const unkept = {};
  const attempt = (task) => {
    try {
      return task(self[area]);
    } catch {}
  };
  const read = (key) => {
    const found = attempt((kept) => unkept[key] ?? JSON.parse(kept[key]));
    if (Object(found) === found) memory[key] = found;
    return memory[key] ?? {};
  };
  const write = (key, entry) => {
    unkept[key] = memory[key] = entry;
    attempt((kept) => ((kept[key] = JSON.stringify(memory[key])), delete unkept[key]));
  };
  // Forgets what is in memory only: the rest is another tab's.
  const drop = (key) => {
    delete memory[key];
    delete unkept[key];
  };
  const forget = (key) => {
    drop(key);
    attempt((kept) => delete kept[key]);
  };
  return [read, write, forget, drop];
}
const [readShared, writeShared, forgetShared, dropShared] = storage("localStorage");
const [readTab, writeTab, forgetTab] = storage("sessionStorage");

// What is kept of one person: of somebody the page names, or of a guest. Nobody gets at another's.
export function person(key, isNamed) {
  function kept() {
    const entry = readShared(key);
    // Earlier releases kept whom the page had named in the same place.
    const isOwn = (isNamed || /^guest-/.test(entry.userId ?? "guest-")) && (entry.sessionId ?? "").trim;
    const outbox = Array.isArray(entry.outbox) ? entry.outbox : [];
    return { ...(isOwn && entry), outbox: outbox.filter((one) => isOwn && one?.id && one.text?.trim) };
  }
  const tab = () => readTab(key);
  const note = (changes) => writeTab(key, { ...tab(), ...changes });
  return {
    key,
    kept,
    tab,
    note,
    // The token of somebody the page names is kept no longer than the tab: it is the page that vouches for them.
    secret: isNamed ? tab : kept,
    keepSecret(changes) {
      (isNamed ? note : this.keep)(changes);
    },
    keep(changes) {
      const now = { ...kept(), ...changes };
      // This tells loader.js that somebody has a chat, something to send or an answer to read, and goes on there.
      now.live = !!(now.from || now.outbox.some((one) => !one.failed) || (now.sessionId && (!now.ended || now.unread)));
      writeShared(key, now);
    },
    forget: () => (forgetShared(key), forgetTab(key)),
    forgetHere: () => (dropShared(key), forgetTab(key)),
  };
}

// Gives what is kept of a guest to the person whom the page has named since, at once: whoever comes next must not find it.
// `from` is the token by which the server gives the rest.
export function adopt(own, guest) {
  const { token: from, outbox, since, read, names, sound } = guest.kept();
  own.note({ ...guest.tab(), ...own.tab() });
  guest.forget();
  const mine = own.kept();
  const others = outbox.filter(({ id }) => !mine.outbox.some((one) => one.id === id));
  if (others[0]) own.keep({ outbox: [...mine.outbox, ...others] });
  if (from) own.keep({ sound: mine.sound ?? sound, from, was: { since, read, names } });
}

// Ends the token of whoever it is, and forgets them; what is `shared` with other tabs too.
export function signOut(server, own, shared = true) {
  const { token } = own.secret();
  if (shared) own.forget();
  else own.forgetHere();
  const request = { method: "POST", keepalive: true, headers: { Authorization: `Bearer ${token}` } };
  if (token) fetch(`${server}/api/auth/logout`, request).catch(console.warn);
}
