import { options } from "./page.js";

// Pictures are drawn, because the policy of a page that allows only our scripts and calls does not let it load images.

/** Returns a file's address as this page reaches the server. @param {string} url */
export const addressOf = (url) => options.server + url.slice(url.indexOf("/api/files/"));

/** Reads a picture. Throws what it gets instead. @param {string} url */
export async function readPicture(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw answer;
  return answer.blob();
}

/**
 * Returns the size of a picture whose longest side has at most so many pixels.
 * @param {{ width?: number, height?: number }} picture
 * @param {number} most
 */
export function fitting({ width = 1, height = 1 }, most) {
  const scale = Math.min(1, most / Math.max(width, height));
  return { width: Math.ceil(width * scale), height: Math.ceil(height * scale) };
}

/**
 * Draws a picture, or the first one of an animation.
 * @param {HTMLCanvasElement} canvas
 * @param {Blob} blob
 * @param {number} most its longest side afterwards, in pixels: a device may draw nothing at all if there are too many
 */
export async function draw(canvas, blob, most) {
  const bitmap = await createImageBitmap(blob);
  Object.assign(canvas, fitting(bitmap, most));
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
}
