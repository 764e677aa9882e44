import assert from "node:assert/strict";
import { test } from "node:test";
import { reasonFor } from "./settings.js";
import { stateOf, wordFor } from "./talk.js";

const quiet = { connecting: false, connected: true, microphone: true, asking: false, manual: false, held: false, hearing: false, answering: false, sounding: false };
const off = { ...quiet, connected: false, microphone: false };

for (const [facts, state] of [
  [off, "off"],
  [{ ...off, connecting: true }, "connecting"],
  [quiet, "listening"],
  [{ ...quiet, microphone: false }, "muted"],
  [{ ...quiet, hearing: true, answering: true, sounding: true }, "hearing"],
  [{ ...quiet, answering: true }, "thinking"],
  [{ ...quiet, answering: true, sounding: true }, "speaking"],
  [{ ...quiet, sounding: true }, "speaking"],
  [{ ...quiet, manual: true, microphone: false }, "listening"],
  [{ ...quiet, manual: true, held: true }, "hearing"],
  [{ ...quiet, manual: true, held: true, microphone: false }, "listening"],
  [{ ...quiet, manual: true, held: true, microphone: false, asking: true }, "connecting"],
  [{ ...quiet, manual: true, microphone: false, asking: true }, "listening"],
  [{ ...quiet, microphone: false, asking: true }, "connecting"],
  [{ ...quiet, microphone: false, asking: true, sounding: true }, "speaking"],
]) {
  test(`the state is ${state} for ${JSON.stringify(facts)}`, () => assert.equal(stateOf(facts), state));
}

test("in push-to-talk the button says that it is held", () => {
  assert.deepEqual([wordFor("listening", { ...quiet, manual: true }), wordFor("listening", quiet)], ["Hold to talk", "Listening"]);
});

test("what is connecting has a word: the page, and later the microphone", () => {
  assert.deepEqual([wordFor("connecting", off), wordFor("connecting", quiet)], ["Connecting", "One moment"]);
});

test("a field is locked by a pin on it, above it or under it, with the reason", () => {
  assert.equal(reasonFor("audio.output.voice", { "audio.output.voice": "house style" }, "all"), "house style");
  assert.equal(reasonFor("audio.output.voice", { audio: "all sound" }, "all"), "all sound");
  assert.equal(reasonFor("audio.input.turn_detection", { "audio.input.turn_detection.type": "our turns" }, "all"), "our turns");
  assert.equal(reasonFor("audio.output.voice", { "audio.output.speed": "slow" }, "all"), null);
});

test("a field that is not on the list of those that may be set is locked", () => {
  assert.equal(reasonFor("instructions", {}, ["audio.input"]), "");
  assert.equal(reasonFor("audio.input.transcription", {}, ["audio.input"]), null);
  assert.equal(reasonFor("instructions", {}, "none"), "");
});
