// @ts-check
/**
 * The loudspeaker, on the audio thread: a queue of speech, and to the sample what of it has gone out.
 *
 * In: `{audio, track}`: 24 kHz samples of a track (a number); `{clear}`: fall silent, by a short fade.
 * Out: `{at, places, began, peaks, sounding, cleared?}`: at a time, how many samples of which tracks have gone out, in
 * order; when the first of a new track did; the lowest and highest sample of every 10 ms. Times are the context's seconds.
 */
import { Resampler } from "./resampler.js";

const RATE = 24_000;
const FADE = Math.round(sampleRate * 0.008);
const BUCKET = Math.round(sampleRate * 0.01);
const REPORT = Math.round(sampleRate * 0.02); // no more often than this while it plays

class Playback extends AudioWorkletProcessor {
  constructor() {
    super();
    /** @type {{samples: Float32Array, at: number, track: number}[]} */
    this.queue = [];
    /** @type {typeof this.queue} */
    this.fading = [];
    this.faded = 0;
    /** @type {Map<number, number>} */
    this.heard = new Map();
    this.track = -1;
    /** @type {[number, number][]} */
    this.began = [];
    this.unreported = 0;
    /** @type {number[]} */
    this.peaks = [];
    this.low = this.high = this.bucket = 0;
    this.sounding = false;
    this.resampler = null;
    this.resampled = -1;
    this.port.onmessage = ({ data }) => this.#take(data);
  }

  /** @param {{audio?: Float32Array, track: number, clear?: unknown}} data */
  #take({ audio, track, clear }) {
    if (audio) {
      this.queue.push({ samples: this.#fit(audio, track), at: 0, track });
    } else {
      const [first] = this.queue;
      if (first) this.heard.set(first.track, this.heard.get(first.track) ?? 0); // the first that nobody hears
      this.fading = this.queue;
      this.faded = this.fading.length ? FADE : 0;
      this.queue = [];
      this.#report({ cleared: clear });
    }
  }

  /** @param {Float32Array} audio @param {number} track */
  #fit(audio, track) {
    if (sampleRate === RATE) return audio;
    if (!this.resampler || this.resampled !== track) this.resampler = new Resampler(RATE, sampleRate);
    this.resampled = track;
    return this.resampler.process(audio);
  }

  /** @param {Float32Array[][]} _inputs @param {Float32Array[][]} outputs */
  process(_inputs, [channels]) {
    const out = channels[0];
    let n = 0;
    for (; n < out.length && this.faded; n++) out[n] = this.#fade();
    while (n < out.length && this.queue.length) n = this.#play(out, n);
    for (const channel of channels.slice(1)) channel.set(out);
    this.#measure(out, n > 0);
    return true;
  }

  #fade() {
    const first = this.fading[0];
    const sample = first.samples[first.at++] * (--this.faded / FADE);
    if (first.at === first.samples.length) this.fading.shift();
    if (!this.fading.length) this.faded = 0;
    if (!this.faded) this.fading = [];
    return sample;
  }

  /** @param {Float32Array} out @param {number} n */
  #play(out, n) {
    const first = this.queue[0];
    if (this.track !== first.track) {
      this.track = first.track;
      this.began.push([first.track, currentTime + n / sampleRate]);
    }
    const count = Math.min(out.length - n, first.samples.length - first.at);
    out.set(first.samples.subarray(first.at, first.at + count), n);
    first.at += count;
    this.heard.set(first.track, (this.heard.get(first.track) ?? 0) + count);
    if (first.at === first.samples.length) this.queue.shift();
    return n + count;
  }

  /** @param {Float32Array} out @param {boolean} sounds */
  #measure(out, sounds) {
    if (!sounds && !this.sounding) return;
    for (const sample of out) {
      this.low = Math.min(this.low, sample);
      this.high = Math.max(this.high, sample);
      if (++this.bucket === BUCKET) {
        this.peaks.push(this.low, this.high);
        this.low = this.high = this.bucket = 0;
      }
    }
    this.unreported += out.length;
    if (sounds !== this.sounding || this.unreported >= REPORT) {
      this.sounding = sounds;
      this.#report({});
    }
  }

  /** @param {{cleared?: unknown}} more */
  #report(more) {
    const places = [...this.heard].map(([track, samples]) => [track, (samples * RATE) / sampleRate]);
    this.port.postMessage({ at: currentTime, places, began: this.began, peaks: this.peaks, sounding: this.sounding, ...more });
    const last = [...this.heard].at(-1);
    this.heard = new Map(last && [last]); // its count goes on
    this.began = [];
    this.peaks = [];
    this.unreported = 0;
  }
}

registerProcessor("playback", Playback);
