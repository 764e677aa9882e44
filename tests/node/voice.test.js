import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { Browser } from "./fakes.js";
import { Voice } from "./voice.js";

let browser, voice, facts, sent, samples, turns, letGo, settings, messages, now;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  mock.method(performance, "now", () => now);
  browser = new Browser();
  [facts, sent, messages] = [{}, [], []];
  now = samples = turns = 0;
  settings = { manual: true, choice: { deviceId: "", processing: true }, devices: () => {} };
  const connection = { open: true, send: ({ type }) => sent.push(type), sendAudio: (frame) => (samples += frame.length) };
  const told = { hide: () => {}, show: (kind) => messages.push(kind) };
  voice = new Voice(connection, settings, told, {
    ...{ peaks: () => {}, start: () => {} },
    know: (news) => Object.assign(facts, news),
    turn: (at) => (turns++, (letGo = at)),
  });
});

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Speak into the microphone. */
function say(ms) {
  for (let n = 0; n < ms; n += 20) browser.worklets.at(-1).says({ samples: new Int16Array(480) });
  pass(ms);
}

function pass(ms) {
  now += ms;
  mock.timers.tick(ms);
}

test("what is said while the button is held, and a moment longer, is a turn", async () => {
  await voice.hold();
  say(400);
  voice.release();
  say(80);
  assert.deepEqual([sent, facts.held], [[], true]);
  pass(20);
  await settled();

  assert.deepEqual([sent, turns, facts.held, letGo], [["input_audio_buffer.commit"], 1, false, 400]);
  assert.equal(samples, 480 * 24 + 7);
  assert.equal(voice.ends("item").length, samples);
});

test("a button that was let go for a moment only goes on with the turn, and nothing is lost", async () => {
  await voice.hold();
  say(200);
  voice.release();
  say(60);
  void voice.hold();
  say(200);
  voice.release();
  pass(100);
  await settled();

  assert.deepEqual([sent, turns, facts.held, letGo], [["input_audio_buffer.commit"], 1, false, 460]);
  assert.equal(voice.ends("item").length, 460 * 24 + 7);
});

test("a button that is held again while the last word is fetched goes on with the turn too", async () => {
  await voice.hold();
  say(200);
  voice.release();
  pass(100);
  void voice.hold();
  await settled();
  assert.deepEqual([sent, facts.held], [[], true]);
  say(200);
  voice.release();
  pass(100);
  await settled();

  assert.deepEqual([sent, turns], [["input_audio_buffer.commit"], 1]);
});

test("the sound of a turn is its own, also when the next is held before the server has taken it", async () => {
  await voice.hold();
  say(400);
  voice.release();
  pass(100);
  await settled();
  void voice.hold();
  say(300);

  assert.equal(voice.ends("item").length, 400 * 24 + 7);
});

test("a tap is no turn", async () => {
  await voice.hold();
  say(100);
  voice.release();
  say(100);
  await settled();

  assert.deepEqual([sent, turns], [["input_audio_buffer.clear"], 0]);
});

test("held while the microphone is being switched on, it is asked for once", async () => {
  browser.hold();
  void voice.start();
  void voice.hold();
  assert.deepEqual([facts.asking, facts.held, facts.microphone], [true, true, undefined]);
  browser.let();
  await settled();

  assert.deepEqual([browser.asked.length, facts.asking, facts.microphone], [1, false, true]);
});

test("the microphone can be switched off while it is being switched on", async () => {
  browser.hold();
  void voice.toggle();
  assert.equal(facts.asking, true);
  void voice.toggle();
  browser.let();
  await settled();

  assert.deepEqual([facts.asking, facts.microphone, voice.wanted, browser.live], [false, false, false, 0]);
  assert.deepEqual([sent, messages], [[], []]);
});

test("switched off and on again at once, it ends before it begins", async () => {
  await voice.toggle();
  void voice.toggle();
  await voice.toggle();

  assert.deepEqual([facts.microphone, browser.live, browser.wired.length], [true, 1, 1]);
  assert.deepEqual(sent, ["input_audio_buffer.stopped"]);
});

test("a turn that is held when the model is lost begins anew with what is said from then on", async () => {
  await voice.hold();
  say(1000);
  voice.restart();
  say(300);
  voice.release();
  pass(100);
  await settled();

  assert.deepEqual([sent, turns], [["input_audio_buffer.commit"], 1]);
  assert.equal(voice.ends("item").length, 300 * 24 + 7);
});

test("nothing is held any more once the connection is gone", async () => {
  await voice.hold();
  say(400);
  voice.release();
  voice.end();
  pass(100);
  await settled();

  assert.deepEqual([sent, turns, facts.held, facts.microphone, browser.live], [[], 0, false, false, 0]);
});
