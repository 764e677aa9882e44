// @ts-check
/** A turn is played again: one at a time, and none while the model speaks. */
import { heardAudio } from "./heard.js";

/** @typedef {import("./conversation.js").Turn} Turn */

export class Replay {
  /** @type {Turn | null} */ turn = null;

  /**
   * @param {import("./speaker.js").Speaker} speaker
   * @param {object} on
   * @param {() => boolean} on.sounding whether the model speaks
   * @param {(turn: Turn | null, ms: number) => void} on.played
   */
  constructor(speaker, on) {
    this.speaker = speaker;
    this.on = on;
  }

  /** Play it, or stop if it plays. @param {Turn} turn */
  async toggle(turn) {
    const isPlaying = this.turn === turn;
    this.speaker.stopReplay();
    this.turn = null;
    const pieces = heardAudio(turn);
    if (isPlaying || this.on.sounding() || !pieces.length) return;
    this.turn = turn;
    await this.speaker.replay(pieces);
  }

  /** @param {number | null} ms so far; null: it is over */
  played(ms) {
    if (ms === null) this.turn = null;
    this.on.played(this.turn, ms ?? 0);
  }
}
