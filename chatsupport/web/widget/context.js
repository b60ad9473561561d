// What the chat tells the server about the visitor's page and language.

// Only addresses of the web are taken, and not more than 2000 characters of them.
/** @param {string} url */
const fitting = (url) => url.match(/^https?:.{1,1990}/)?.[0];

export const page = () => ({
  url: fitting(location.href),
  title: document.title.slice(0, 200),
  referrer: fitting(document.referrer),
});

export const context = () => ({
  page: page(),
  locale: navigator.language,
  timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
});
