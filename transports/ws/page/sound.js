// @ts-check
/** What all sound of the page shares: the audio context, PCM16 and its peaks. */

export const RATE = 24_000;

/** @type {AudioContext | null} */
let context = null;

/** The page's audio context, awake. It must first be asked for when the person has done something. */
export async function wake() {
  context ??= open();
  if (context.state !== "running") await context.resume();
  return context;
}

/** Let the sound card go until it is needed again. */
export function sleep() {
  if (context?.state === "running") void context.suspend();
}

function open() {
  try {
    return new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
  } catch {
    return new AudioContext({ latencyHint: "interactive" }); // the worklets resample
  }
}

/** PCM16 out of base64. @param {string} text @returns {Int16Array} */
export function decode(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length & ~1);
  for (let n = 0; n < bytes.length; n++) bytes[n] = binary.charCodeAt(n);
  return new Int16Array(bytes.buffer);
}

/** @param {Int16Array} samples */
export function toFloat(samples) {
  const out = new Float32Array(samples.length);
  for (let n = 0; n < samples.length; n++) out[n] = samples[n] / 32_768;
  return out;
}

/**
 * The lowest and highest sample of each of `count` equal parts, in turn; -1 to 1.
 * @param {Int16Array[]} pieces one after the other
 * @param {number} count
 */
export function peaks(pieces, count) {
  const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const out = new Float32Array(2 * count);
  let n = 0;
  for (const piece of pieces) {
    for (const sample of piece) {
      const column = 2 * Math.floor((n++ * count) / total);
      const value = sample / 32_768;
      if (value < out[column]) out[column] = value;
      else if (value > out[column + 1]) out[column + 1] = value;
    }
  }
  return out;
}

/** How loud peaks are, 0 to 1, on a scale on which speech moves. @param {ArrayLike<number>} pairs */
export function level(pairs) {
  let most = 0;
  for (let n = 0; n < pairs.length; n++) most = Math.max(most, Math.abs(pairs[n]));
  return Math.min(1, Math.sqrt(most) * 1.1);
}
