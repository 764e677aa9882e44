// @ts-check
/** Plays sound again where a page has no audio thread: browsers give it none over plain http from elsewhere. */
import { RATE, toFloat } from "./sound.js";

const EVERY = 50; // milliseconds between two words on how far it is

export class PlainPlayer {
  /** @type {AudioBufferSourceNode | null} */ #source = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #timer;

  /** @param {(ms: number | null) => void} on how far; null: it is over */
  constructor(on) {
    this.on = on;
  }

  /** @param {AudioContext} context @param {Int16Array[]} pieces */
  play(context, pieces) {
    this.stop();
    const source = context.createBufferSource();
    source.buffer = joined(context, pieces);
    source.connect(context.destination);
    source.onended = () => source === this.#source && this.stop();
    source.start();
    const began = context.currentTime;
    this.#source = source;
    this.#timer = setInterval(() => this.on((context.currentTime - began) * 1000), EVERY);
  }

  stop() {
    if (!this.#source) return;
    clearInterval(this.#timer);
    this.#source.disconnect();
    this.#source = null;
    this.on(null);
  }
}

/** @param {AudioContext} context @param {Int16Array[]} pieces */
function joined(context, pieces) {
  const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const buffer = context.createBuffer(1, total, RATE);
  let at = 0;
  for (const piece of pieces) {
    buffer.copyToChannel(toFloat(piece), 0, at);
    at += piece.length;
  }
  return buffer;
}
