import assert from "node:assert/strict";
import { test } from "node:test";
import { MOST, Runs, lines, shown } from "./runs.js";

const runsOf = (...events) => {
  const runs = new Runs();
  events.forEach(([way, event], n) => runs.add(n, way, event, 10));
  return runs;
};
const counts = (runs) => runs.rows.map((row) => [row.type, row.count]);
const everything = { text: "", hideAudio: false, onlyErrors: false };
const audio = ["down", { type: "response.output_audio.delta", delta: "AAAA".repeat(100) }];
const mic = ["up", { type: "microphone audio" }];

test("what repeats is counted, also where streams interleave", () => {
  const created = ["down", { type: "response.created" }];

  assert.deepEqual(counts(runsOf(created, audio, mic, audio, mic, audio, created, audio)), [
    ["response.created", 1],
    ["response.output_audio.delta", 3],
    ["microphone audio", 2],
    ["response.created", 1],
    ["response.output_audio.delta", 1],
  ]);
});

test("what the page notes itself is nobody's to send or to receive", () => {
  const runs = runsOf(mic, ["page", { type: "a new session", began: "2026-11-25" }], mic);

  assert.deepEqual(counts(runs), [["microphone audio", 1], ["a new session", 1], ["microphone audio", 1]]);
  assert.equal(lines(runs.rows)[1], '{"at":1,"event":{"type":"a new session","began":"2026-11-25"}}');
});

test("audio is shortened to what it is", () => {
  assert.match(runsOf(audio).rows[0].events[0], /0\.3 kB of audio, 0\.01 s/);
});

test("long words are not taken for audio", () => {
  const words = "Well, ".repeat(100);

  assert.ok(runsOf(["down", { type: "response.output_text.delta", delta: words }]).rows[0].events[0].includes(words));
});

test("the newest events are kept, and it is known how many went", () => {
  const runs = new Runs();
  for (let n = 0; n < MOST + 10; n++) runs.add(n, "down", { type: `kind ${n}` }, 1);

  assert.equal(runs.rows.length, MOST);
  assert.equal(runs.forgotten, 10);
  assert.equal(runs.rows[0].type, "kind 10");
});

test("long events count by their length", () => {
  const runs = new Runs();
  for (let n = 0; n < 20; n++) runs.add(n, "down", { type: `kind ${n}`, text: "Well, ".repeat(200_000) }, 1);

  assert.equal(runs.rows.length, 6);
});

test("endless audio takes no room", () => {
  const runs = new Runs();
  for (let n = 0; n < 10 * MOST; n++) runs.add(n, ...mic, 960);

  assert.deepEqual([runs.rows.length, runs.rows[0].count, runs.rows[0].events.length, runs.forgotten], [1, 10 * MOST, 3, 0]);
});

test("rows are found by their text, without audio, or only where something failed", () => {
  const { rows } = runsOf(audio, ["down", { type: "error", error: { message: "No Such Item" } }], ["down", { type: "response.done", response: { status: "failed" } }], ["up", { type: "session.update" }]);
  const types = (filter) => rows.filter((row) => shown(row, { ...everything, ...filter })).map((row) => row.type);

  assert.deepEqual(types({ text: "such item" }), ["error"]);
  assert.deepEqual(types({ hideAudio: true }), ["error", "response.done", "session.update"]);
  assert.deepEqual(types({ onlyErrors: true }), ["error", "response.done"]);
});

test("a tool that failed is as red as a transcription that did, whatever stands before the word", () => {
  const failures = ["engine.tool_failed", "conversation.item.input_audio_transcription.failed"];
  const { rows } = runsOf(...[...failures, "response.created"].map((type) => ["down", { type }]));

  assert.deepEqual(rows.filter((row) => row.failed).map((row) => row.type), failures);
});

test("saved lines are JSON: each event, and of audio how much there was", () => {
  const saved = lines(runsOf(["up", { type: "response.create" }], audio, audio).rows).map((line) => JSON.parse(line));

  assert.deepEqual(saved, [
    { at: 0, to: "engine", event: { type: "response.create" } },
    { at: 1, from: "engine", type: "response.output_audio.delta", count: 2, bytes: 20 },
  ]);
});
