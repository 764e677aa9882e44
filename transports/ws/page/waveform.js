// @ts-check
/** Sound as a picture: two that flow while it sounds, and small still ones for what was said. Real samples, always. */
import { draw } from "./page.js";

const BUCKET = 10; // milliseconds that a pair of peaks stands for
const PER_PIXEL = 2; // pairs
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** A waveform that flows to the left. */
export class LiveWaveform {
  #low = new Float32Array(0);
  #high = new Float32Array(0);
  /** @type {number[]} */ #new = [];
  #last = 0; // when the last peaks came
  #silent = 0; // pixels of silence at the right end
  #running = false;
  #colour = "";

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    new ResizeObserver(() => this.#fit()).observe(canvas);
  }

  /** Peaks of 10 ms each. @param {ArrayLike<number>} pairs */
  push(pairs) {
    if (document.hidden) return; // nobody looks
    for (let n = 0; n < pairs.length; n++) this.#new.push(pairs[n]);
    this.#last = performance.now();
    this.#run();
  }

  /** Draw anew, in the colours of today. */
  refresh() {
    this.#colour = "";
    this.#draw();
  }

  #run() {
    if (this.#running || document.hidden) return;
    this.#running = true;
    this.#next();
  }

  #next() {
    if (still.matches) setTimeout(() => this.#step(), 500);
    else requestAnimationFrame(() => this.#step());
  }

  #step() {
    const waiting = performance.now() - this.#last;
    if (waiting > 100) this.#flow(waiting);
    const columns = Math.floor(this.#new.length / (2 * PER_PIXEL));
    if (columns) this.#shift(this.#new.splice(0, columns * 2 * PER_PIXEL));
    this.#draw();
    if (this.#silent < this.#low.length) this.#next();
    else this.#running = false;
  }

  /** Nothing comes: silence does. @param {number} waiting */
  #flow(waiting) {
    const pairs = Math.min(2 * this.#low.length, Math.floor(waiting / BUCKET));
    for (let n = 0; n < pairs; n++) this.#new.push(0, 0);
    this.#last += pairs * BUCKET;
  }

  /** @param {number[]} pairs */
  #shift(pairs) {
    const size = this.#low.length;
    const count = Math.min(size, pairs.length / (2 * PER_PIXEL));
    this.#low.copyWithin(0, count);
    this.#high.copyWithin(0, count);
    for (let column = size - count, at = pairs.length - count * 2 * PER_PIXEL; column < size; column++) {
      let low = 0;
      let high = 0;
      for (const end = at + 2 * PER_PIXEL; at < end; at += 2) {
        low = Math.min(low, pairs[at]);
        high = Math.max(high, pairs[at + 1]);
      }
      this.#low[column] = low;
      this.#high[column] = high;
      this.#silent = high - low > 0.004 ? 0 : this.#silent + 1;
    }
  }

  #fit() {
    const ratio = devicePixelRatio;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width) return;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    if (width !== this.#low.length) {
      this.#low = fitted(this.#low, width);
      this.#high = fitted(this.#high, width);
    }
    this.#draw();
  }

  #draw() {
    const { canvas, context } = this;
    const ratio = devicePixelRatio;
    const middle = canvas.height / 2;
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = this.#colour ||= getComputedStyle(canvas).color;
    for (let n = 0; n < this.#low.length; n++) {
      const top = middle - shape(this.#high[n]) * (middle - ratio);
      const bottom = middle - shape(this.#low[n]) * (middle - ratio);
      context.fillRect(Math.round(n * ratio), top - ratio / 2, Math.max(1, Math.floor(ratio)), bottom - top + ratio);
    }
  }
}

/** Quiet speech should be seen too. @param {number} value */
function shape(value) {
  return Math.sign(value) * Math.abs(value) ** 0.7;
}

/** The newest values, at the right end. @param {Float32Array} values @param {number} size */
function fitted(values, size) {
  const out = new Float32Array(size);
  out.set(values.slice(-size), Math.max(0, size - values.length));
  return out;
}

const WIDTH = 96;
const HEIGHT = 24;

/** A small picture of a turn's sound. */
export function smallWaveform() {
  const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "small-wave", "aria-hidden": "true" });
  svg.append(draw("path"), draw("path", { class: "played" }));
  return svg;
}

/** @param {SVGElement} svg @param {number[]} peaks the lowest and highest sample of each part, in turn @param {number} count of the parts that are shown */
export function drawSmall(svg, peaks, count) {
  const half = HEIGHT / 2 - 1;
  let path = "";
  for (let n = 0; n < WIDTH; n++) {
    const first = Math.floor((n * count) / WIDTH);
    const last = Math.max(first + 1, Math.floor(((n + 1) * count) / WIDTH));
    let [low, high] = [0, 0];
    for (let part = first; part < last; part++) {
      low = Math.min(low, peaks[2 * part] ?? 0);
      high = Math.max(high, peaks[2 * part + 1] ?? 0);
    }
    const top = HEIGHT / 2 - Math.max(0.5, shape(high / 32_768) * half);
    const bottom = HEIGHT / 2 - Math.min(-0.5, shape(low / 32_768) * half);
    path += `M${n + 0.5} ${top.toFixed(1)}V${bottom.toFixed(1)}`;
  }
  for (const each of svg.children) each.setAttribute("d", path);
}

/** @param {SVGElement} svg @param {number} share played, 0 to 1 */
export function showPlayed(svg, share) {
  const hidden = (1 - share) * 100;
  /** @type {SVGElement} */ (svg.lastElementChild).style.setProperty("clip-path", `inset(-10% ${hidden}% -10% 0)`);
}
