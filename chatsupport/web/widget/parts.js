import { make } from "./dom.js";

const LINK = new RegExp('(https?://[^\\s<>"]*[^\\s<>".,;:!?\')])', "i");

// Returns a text's parts, with links for the addresses in it.
export const linked = (text) =>
  text
    .split(LINK)
    .map((part, i) => (i % 2 ? make("a", { href: part, target: "_blank", rel: "noopener nofollow" }, part) : part));

// Makes a short sound.
export function chime() {
  const audio = new AudioContext();
  const tone = audio.createOscillator();
  const volume = audio.createGain();
  volume.gain.value = 0.1;
  tone.connect(volume).connect(audio.destination);
  tone.onended = () => audio.close();
  tone.start();
  tone.stop(audio.currentTime + 0.15);
}
