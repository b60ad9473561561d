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
  return {
    key,
    kept,
    keep(changes) {
      const now = { ...kept(), ...changes };
      // Told loader.js: somebody has a chat, something to send, or an answer to read, and goes on where they were.
      now.live = !!(now.outbox.some((one) => !one.failed) || (now.sessionId && (!now.ended || now.unread)));
      writeShared(key, now);
    },
    tab: () => readTab(key),
    note: (changes) => writeTab(key, { ...readTab(key), ...changes }),
    forget: () => (forgetShared(key), forgetTab(key)),
    forgetHere: () => (dropShared(key), forgetTab(key)),
  };
}

// Ends the token of whoever it is, and forgets them.
export function signOut(server, own) {
  const { token } = own.kept();
  own.forget();
  const request = { method: "POST", keepalive: true, headers: { Authorization: `Bearer ${token}` } };
  if (token) fetch(`${server}/api/auth/logout`, request).catch(console.warn);
}
