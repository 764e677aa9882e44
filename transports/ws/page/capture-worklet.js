// @ts-check
/**
 * The microphone, on the audio thread: mono, 24 kHz, PCM16, in frames of 20 ms.
 *
 * Told `flush`, it gives what there is, with `last` set, so that no word's end is lost.
 */
import { Resampler } from "./resampler.js";

const RATE = 24_000;
const FRAME = 480;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = sampleRate === RATE ? null : new Resampler(sampleRate, RATE);
    this.frame = new Int16Array(FRAME);
    this.filled = 0;
    this.port.onmessage = () => this.#give(true);
  }

  /** @param {Float32Array[][]} inputs */
  process([channels]) {
    if (channels.length) {
      const mono = mix(channels);
      for (const sample of this.resampler ? this.resampler.process(mono) : mono) {
        const clipped = Math.max(-1, Math.min(1, sample));
        this.frame[this.filled++] = Math.round(clipped * (clipped < 0 ? 32_768 : 32_767));
        if (this.filled === FRAME) this.#give(false);
      }
    }
    return true;
  }

  /** @param {boolean} last */
  #give(last) {
    const samples = this.frame.slice(0, this.filled);
    this.filled = 0;
    this.port.postMessage({ samples, last }, [samples.buffer]);
  }
}

/** @param {Float32Array[]} channels */
function mix(channels) {
  if (channels.length === 1) return channels[0];
  return channels[0].map((_, n) => channels.reduce((sum, channel) => sum + channel[n], 0) / channels.length);
}

registerProcessor("capture", Capture);
