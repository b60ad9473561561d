// What outlives the page, in one entry of localStorage that the tabs share; in memory where there is none.
export function createStore(key) {
  let kept = "{}";
  const get = () => {
    try {
      kept = localStorage.getItem(key) ?? "{}";
    } catch {}
    return JSON.parse(kept);
  };
  const inTab = (use) => {
    try {
      return use(sessionStorage);
    } catch {}
  };
  return {
    get,
    set(changes) {
      kept = JSON.stringify({ ...get(), ...changes });
      try {
        localStorage.setItem(key, kept);
      } catch {}
    },
    // Whether the chat is open is this tab's own affair.
    get open() {
      return inTab((tab) => tab[key]) === "1";
    },
    set open(open) {
      inTab((tab) => (tab[key] = open ? "1" : ""));
    },
    onChange: (handler) => addEventListener("storage", (event) => event.key === key && handler()),
  };
}
