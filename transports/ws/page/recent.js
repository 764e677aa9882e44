// @ts-check
/** The microphone audio that was sent of late, by the server's milliseconds. No browser in this file. */

const KEPT = 120; // seconds
const MS = 24; // samples

export class Recent {
  /** @type {{from: number, samples: Int16Array}[]} */ #pieces = [];
  #sent = 0; // samples

  /** Milliseconds sent since the server began to count. */
  get ms() {
    return this.#sent / MS;
  }

  /** The server begins to count anew. */
  restart() {
    this.#pieces = [];
    this.#sent = 0;
  }

  /** @param {Int16Array} samples */
  add(samples) {
    this.#pieces.push({ from: this.#sent, samples });
    this.#sent += samples.length;
    while (this.#pieces[0].from < this.#sent - KEPT * 1000 * MS) this.#pieces.shift();
  }

  /** What was said between two times, as far as it is kept. @param {number} start ms @param {number} end ms @returns {Int16Array} */
  between(start, end) {
    const from = Math.max(Math.round(start * MS), this.#pieces[0]?.from ?? 0);
    const to = Math.min(Math.round(end * MS), this.#sent);
    const out = new Int16Array(Math.max(0, to - from));
    for (const { from: at, samples } of this.#pieces) {
      if (at + samples.length <= from || at >= to) continue;
      out.set(samples.subarray(Math.max(0, from - at), to - at), Math.max(0, at - from));
    }
    return out;
  }
}
