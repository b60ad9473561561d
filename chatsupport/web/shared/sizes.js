const UNITS = /** @type {const} */ (["byte", "kilobyte", "megabyte"]);

/** Returns a size for people, such as 1.8 MB. @param {number} bytes @param {string} locale */
export function sizeOf(bytes, locale) {
  const power = Math.min(2, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const unitDisplay = power ? "short" : "long";
  const how = /** @type {const} */ ({
    style: "unit",
    unit: UNITS[power],
    unitDisplay,
    maximumFractionDigits: power && 1,
  });
  return (bytes / 1000 ** power).toLocaleString(locale, how);
}
