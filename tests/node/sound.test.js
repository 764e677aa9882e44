import assert from "node:assert/strict";
import { test } from "node:test";
import { Recent } from "./recent.js";
import { Resampler } from "./resampler.js";
import { decode, peaks } from "./sound.js";

const tone = (hertz, rate, seconds) => Float32Array.from({ length: rate * seconds }, (_, n) => Math.sin((2 * Math.PI * hertz * n) / rate));
const loudness = (samples) => Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length) * Math.SQRT2;
const inPieces = (resampler, samples, size) => {
  const out = [];
  for (let n = 0; n < samples.length; n += size) out.push(...resampler.process(samples.subarray(n, n + size)));
  return Float32Array.from(out);
};

for (const from of [44_100, 48_000, 16_000, 96_000]) {
  test(`speech at ${from} Hz keeps its loudness and its length`, () => {
    const out = inPieces(new Resampler(from, 24_000), tone(1000, from, 1), 128);

    assert.ok(Math.abs(out.length - 24_000) < 200, `${out.length}`);
    assert.ok(Math.abs(loudness(out.subarray(2000, 20_000)) - 1) < 0.01);
  });
}

test("what is too high for the new rate does not come back as something else", () => {
  const out = inPieces(new Resampler(48_000, 24_000), tone(15_000, 48_000, 0.5), 128);

  assert.ok(loudness(out.subarray(1000)) < 0.001);
});

test("the pieces in which sound comes make no difference", () => {
  const sound = tone(440, 44_100, 0.5);

  const [small, large] = [128, 4410].map((size) => inPieces(new Resampler(44_100, 24_000), sound, size));

  assert.ok(Math.abs(small.length - large.length) <= 1);
  assert.ok(large.subarray(0, 11_900).every((sample, n) => Math.abs(sample - small[n]) < 0.002));
});

test("base64 becomes samples", () => {
  assert.deepEqual([...decode("AQD//wCA")], [1, -1, -32_768]);
});

test("peaks are the lowest and highest sample of each part", () => {
  const pieces = [Int16Array.of(0, 16_384, -16_384), Int16Array.of(0, 0, -32_768)];

  assert.deepEqual([...peaks(pieces, 2)], [-0.5, 0.5, -1, 0]);
});

test("what was said between two times is found again, across the pieces in which it was sent", () => {
  const recent = new Recent();
  for (let n = 0; n < 50; n++) recent.add(new Int16Array(480).fill(n));

  const found = recent.between(30, 70);

  assert.equal(recent.ms, 1000);
  assert.deepEqual([found.length, found[0], found[239], found[240], found[959]], [960, 1, 1, 2, 3]);
});

test("only the last two minutes are kept", () => {
  const recent = new Recent();
  for (let n = 0; n < 130; n++) recent.add(new Int16Array(24_000));

  assert.equal(recent.between(0, 130_000).length, 120 * 24_000);
});
