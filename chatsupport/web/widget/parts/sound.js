// The sound of a new message. It is loaded if the visitor wants one.

/** @type {AudioContext | undefined} */
let audio;

// A browser allows sound once the visitor has done something on a page, and asks for that again on the next page.
async function wake() {
  audio ??= new AudioContext();
  await audio.resume();
}
for (const type of ["pointerdown", "keydown"]) addEventListener(type, wake, true);

export async function chime() {
  const asked = Date.now();
  await wake();
  if (!audio || Date.now() - asked > 1_000) return; // Too late.
  const tone = new OscillatorNode(audio);
  tone.connect(new GainNode(audio, { gain: 0.1 })).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + 0.15);
}
