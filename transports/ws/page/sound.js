// @ts-check
/** What all sound of the page shares: the audio context, PCM16 and its peaks. */

export const RATE = 24_000;

const PATIENCE = 2000; // milliseconds that a context may take to wake up

/** @type {AudioContext | null} */
let context = null;
let isWanted = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let patience;
/** @type {(isHeldBack: boolean) => void} */
let tell = () => {};

/** The page's audio context: it wakes up as soon as it may. It must first be asked for when the person has done something. */
export async function wake() {
  isWanted = true;
  context ??= open();
  resume();
  return context;
}

/** Let the sound card go until it is needed again. */
export function sleep() {
  isWanted = false;
  tell(false);
  if (context?.state === "running") void context.suspend();
}

/**
 * Be told when the browser or the system holds the sound back, as in a telephone call, and when it is let go.
 *
 * What the person does next may be what the browser waits for, so it is tried again then.
 * @param {(isHeldBack: boolean) => void} heldBack
 */
export function watch(heldBack) {
  tell = heldBack;
  for (const gesture of ["pointerdown", "pointerup", "keydown", "visibilitychange"]) document.addEventListener(gesture, resume, true);
}

function resume() {
  if (!context || !isWanted || context.state === "running") return;
  context.resume().catch(() => {}); // not yet
  clearTimeout(patience);
  patience = setTimeout(() => isWanted && context?.state !== "running" && tell(true), PATIENCE);
}

/** @param {AudioContext} changed */
function changes(changed) {
  if (changed !== context) return;
  if (changed.state === "running") tell(false);
  else resume();
}

/** @type {WeakMap<BaseAudioContext, Map<string, Promise<void>>>} */
const loaded = new WeakMap();

/**
 * Have a worklet's module in a context. A context never asks again for one that did not come: then the next is another.
 * @param {BaseAudioContext} into @param {string} module
 */
export async function load(into, module) {
  const modules = loaded.get(into) ?? new Map();
  loaded.set(into, modules);
  if (!modules.has(module)) modules.set(module, into.audioWorklet.addModule(module));
  try {
    await modules.get(module);
  } catch (error) {
    if (into === context) context = null;
    throw error;
  }
}

/** Let go of a context, unless it is the page's. @param {BaseAudioContext} left */
export function leave(left) {
  if (left !== context) void (/** @type {AudioContext} */ (left).close());
}

function open() {
  const opened = make();
  opened.onstatechange = () => changes(opened);
  return opened;
}

function make() {
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
