// @ts-check
/**
 * The events of a conversation as rows: what repeats is counted, audio is shortened, and no more is kept than said.
 *
 * No browser in this file, so that Node can test it.
 */

export const MOST = 4000; // events kept; the oldest go first
const MOST_TEXT = 8e6; // characters of them all
const SAMPLE = 3; // events kept of a run of audio, newest
const LONG = 200; // characters of a string that may be audio

/** Events that come many times a second. They stand between others, and yet belong together. */
const STREAMS = /append$|\.played$|delta$|^microphone/;
const AUDIO = /append$|\.played$|output_audio\.delta$|^microphone/;

/** Up to the engine, down from it, or what the page itself notes. @typedef {"up" | "down" | "page"} Way */

/**
 * @typedef {object} Row
 * @property {number} at seconds since the conversation began
 * @property {Way} way
 * @property {string} type
 * @property {number} count
 * @property {number} bytes of them all
 * @property {string[]} events the newest, as JSON with audio shortened
 * @property {boolean} audio
 * @property {boolean} failed
 * @property {string} words what it can be found by
 */

export class Runs {
  /** @type {Row[]} */ rows = [];
  #events = 0;
  #text = 0;
  forgotten = 0;

  /**
   * Take an event.
   * @param {number} at
   * @param {Way} way
   * @param {any} event
   * @param {number} bytes
   * @returns {{row: Row, gone: Row[]}} the row it stands in, and those that had to go
   */
  add(at, way, event, bytes) {
    const type = String(event.type);
    const text = JSON.stringify(event, shorten);
    const row = this.#run(way, type) ?? this.#begin(at, way, type, event);
    row.count++;
    row.bytes += bytes;
    row.events.push(text);
    this.#events++;
    this.#text += text.length;
    if (row.audio && row.events.length > SAMPLE) this.#shift(row);
    if (!row.audio && row.words.length < 10_000) row.words += `\n${text.slice(0, 10_000).toLowerCase()}`;
    return { row, gone: this.#forget() };
  }

  /** The run that an event goes on with: the last of its kind that only streams have come after. @param {string} way @param {string} type */
  #run(way, type) {
    for (let n = this.rows.length - 1; n >= 0; n--) {
      const row = this.rows[n];
      if (row.type === type && row.way === way) return row;
      if (!STREAMS.test(row.type) || !STREAMS.test(type)) return null;
    }
    return null;
  }

  /** @param {number} at @param {Way} way @param {string} type @param {any} event @returns {Row} */
  #begin(at, way, type, event) {
    const failed = type === "error" || /[._]failed$/.test(type) || event.response?.status === "failed";
    const row = { at, way, type, count: 0, bytes: 0, events: [], audio: AUDIO.test(type), failed, words: type };
    this.rows.push(row);
    return row;
  }

  /** @param {Row} row */
  #shift(row) {
    this.#text -= row.events.shift()?.length ?? 0;
    this.#events--;
  }

  #forget() {
    const gone = [];
    while (this.rows.length > 1 && (this.#events > MOST || this.#text > MOST_TEXT)) {
      const [row] = this.rows;
      this.#shift(row);
      this.forgotten += 1;
      if (!row.events.length) gone.push(/** @type {Row} */ (this.rows.shift()));
    }
    return gone;
  }
}

/**
 * Which rows are shown.
 * @param {Row} row
 * @param {{text: string, hideAudio: boolean, onlyErrors: boolean}} filter
 */
export function shown(row, { text, hideAudio, onlyErrors }) {
  if (hideAudio && row.audio) return false;
  if (onlyErrors && !row.failed) return false;
  return !text || row.words.includes(text.toLowerCase());
}

const SIDES = { up: { to: "engine" }, down: { from: "engine" }, page: {} };

/** Rows as JSON lines: every event kept; of a run of audio, how many there were. @param {Row[]} rows */
export function lines(rows) {
  return rows.flatMap((row) => {
    const at = Math.round(row.at * 1000) / 1000;
    const side = { at, ...SIDES[row.way] };
    if (row.audio) return [JSON.stringify({ ...side, type: row.type, count: row.count, bytes: row.bytes })];
    return row.events.map((text) => `${JSON.stringify(side).slice(0, -1)},"event":${text}}`);
  });
}

/** A replacer for JSON.stringify: audio says how long it is. @param {string} key @param {unknown} value */
function shorten(key, value) {
  if (typeof value !== "string" || value.length < LONG) return value;
  if (key === "audio" || (key === "delta" && /^[A-Za-z0-9+/=]+$/.test(value))) {
    const bytes = Math.floor((value.length * 3) / 4);
    return `… ${(bytes / 1000).toFixed(1)} kB of audio, ${(bytes / 48_000).toFixed(2)} s`;
  }
  return value;
}
