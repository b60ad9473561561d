// The languages: plain tables. A new one needs a line here, its own file, and in docs/widget.md.
const LANGUAGES = ["en", "de", "ar"];

// Returns the table of the language asked for, of the page's or of the browser's; English where there is none.
export async function loadStrings(asked) {
  const wanted = [asked, document.documentElement.lang, ...navigator.languages].map((tag) =>
    tag?.slice(0, 2).toLowerCase(),
  );
  const language = wanted.find((tag) => LANGUAGES.includes(tag)) ?? "en";
  return { language, ...(await import(`./languages/${language}.js`)).default };
}
