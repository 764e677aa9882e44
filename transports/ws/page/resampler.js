// @ts-check
/**
 * Another sample rate, without aliases: a windowed sinc, in phases. No browser in this file, so that Node can test it.
 *
 * What comes in pieces comes out as one sound: the end of each piece is kept for the next.
 */

const ZEROS = 16; // of the sinc on either side: -80 dB beyond the passband
const PHASES = 256;
const BETA = 8; // of the Kaiser window

export class Resampler {
  /** @param {number} from samples a second @param {number} to samples a second */
  constructor(from, to) {
    this.step = from / to;
    this.half = Math.ceil(ZEROS * Math.max(1, this.step));
    this.table = phases(this.half, Math.min(1, to / from));
    this.kept = new Float32Array(2 * this.half); // silence before the beginning
    this.at = this.half; // where the next sample stands in what is kept
  }

  /** @param {Float32Array} samples @returns {Float32Array} as many as are complete by now */
  process(samples) {
    const all = new Float32Array(this.kept.length + samples.length);
    all.set(this.kept);
    all.set(samples, this.kept.length);
    const count = Math.max(0, Math.ceil((all.length - this.half - this.at) / this.step));
    const out = new Float32Array(count);
    for (let n = 0; n < count; n++) out[n] = this.#sample(all, this.at + n * this.step);
    this.at += count * this.step;
    const gone = Math.max(0, Math.floor(this.at) - this.half);
    this.kept = all.slice(gone);
    this.at -= gone;
    return out;
  }

  /** @param {Float32Array} all @param {number} at */
  #sample(all, at) {
    const whole = Math.floor(at);
    const taps = this.table[Math.round((at - whole) * PHASES)];
    let sum = 0;
    for (let n = 0, from = whole - this.half + 1; n < taps.length; n++) sum += taps[n] * all[from + n];
    return sum;
  }
}

/** The filter for each place between two samples. @param {number} half taps a side @param {number} ratio */
function phases(half, ratio) {
  const cutoff = ratio * 0.94; // room for the filter's slope
  return Array.from({ length: PHASES + 1 }, (_, phase) => {
    const taps = Float64Array.from({ length: 2 * half }, (_, n) => {
      const x = n - half + 1 - phase / PHASES;
      return cutoff * sinc(cutoff * x) * kaiser(x / half);
    });
    const sum = taps.reduce((a, b) => a + b);
    return Float32Array.from(taps, (tap) => tap / sum);
  });
}

/** @param {number} x */
function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** @param {number} x -1 to 1 */
function kaiser(x) {
  return Math.abs(x) >= 1 ? 0 : bessel(BETA * Math.sqrt(1 - x * x)) / bessel(BETA);
}

/** The modified Bessel function of the first kind, order 0. @param {number} x */
function bessel(x) {
  let sum = 1;
  for (let term = 1, n = 1; term > sum * 1e-12; n++) {
    term *= (x / (2 * n)) ** 2;
    sum += term;
  }
  return sum;
}
