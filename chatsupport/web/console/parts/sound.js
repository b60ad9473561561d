// Short sounds, made here: nothing is loaded.

/** @typedef {readonly number[]} Sound the frequencies of its notes, in Hz */

/** @type {Sound} */
export const NEW_CHAT = [660, 880, 1100];
/** @type {Sound} */
export const NEW_MESSAGE = [880];

const APART = 0.14; // seconds between the beginnings of two notes
const LONG = 0.4;

/**
 * Plays a sound. Browsers allow it once the agent has clicked or typed in the page; before that, nothing is heard.
 * @param {Sound} sound
 * @param {number} volume from 0 to 1
 */
export function play(sound, volume) {
  if (navigator.userActivation?.hasBeenActive === false) return;
  const context = new AudioContext();
  let at = context.currentTime;
  for (const frequency of sound) {
    const note = context.createOscillator();
    const gain = context.createGain();
    note.frequency.value = frequency;
    gain.gain.setValueAtTime(volume ** 2, at); // Ears hear a quarter as a half.
    gain.gain.linearRampToValueAtTime(0, at + LONG);
    note.connect(gain).connect(context.destination);
    note.start(at);
    note.stop(at + LONG);
    if (frequency === sound.at(-1)) note.onended = () => context.close();
    at += APART;
  }
}
