import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Browser, anotherContext } from "./fakes.js";
import { Microphone } from "./microphone.js";
import { wake } from "./sound.js";

const choice = { deviceId: "", processing: true };
let browser, microphone, frames, lost;

beforeEach(async () => {
  browser = new Browser();
  await anotherContext();
  frames = [];
  lost = 0;
  microphone = new Microphone((samples) => frames.push(samples), () => lost++);
});

/** Until all that can happen now has happened. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("a start that is overtaken by switching it off leaves nothing on", async () => {
  browser.hold();
  const started = microphone.start(choice);
  await settled();
  await microphone.stop();
  browser.let();

  assert.equal(await started, false);
  assert.deepEqual([microphone.on, microphone.wanted, browser.live, browser.wired.length], [false, false, 0, 0]);
});

test("of two starts that overtake each other one microphone is left", async () => {
  browser.hold();
  const started = [microphone.start(choice), microphone.start({ ...choice, processing: false })];
  await settled();
  browser.let();

  assert.deepEqual(await Promise.all(started), [false, true]);
  await settled();
  assert.deepEqual([microphone.on, browser.live, browser.wired.length], [true, 1, 1]);
  assert.equal(browser.asked.at(-1).echoCancellation, false);
});

test("it can be told to be switched off while it is being switched on", async () => {
  browser.hold();
  const started = microphone.start(choice);

  assert.deepEqual([microphone.on, microphone.wanted], [false, true]);
  browser.let();
  await started;
  assert.deepEqual([microphone.on, microphone.wanted], [true, true]);
});

test("the person is asked only when every word can be heard", async () => {
  browser.hold();
  const started = microphone.start(choice);
  await settled();

  assert.deepEqual(browser.asked, []);
  browser.let();
  assert.equal(await started, true);
  assert.equal(browser.asked.length, 1);
});

test("a module that did not come is asked for again, of a context that has not failed", async () => {
  browser.failing.add("capture-worklet.js");
  const first = await wake();
  await assert.rejects(microphone.start(choice));
  assert.deepEqual([microphone.wanted, browser.live], [false, 0]);

  browser.failing.clear();
  assert.equal(await microphone.start(choice), true);
  assert.notEqual(await wake(), first);
});

test("its tracks stop at once, and what it has heard until then still comes", async () => {
  await microphone.start(choice);
  const stopped = microphone.stop();

  assert.deepEqual([microphone.on, browser.live, frames.length], [false, 0, 0]);
  await stopped;
  assert.deepEqual([frames.length, browser.wired.length], [1, 0]);
});

test("whoever waits for the rest gets it, however many wait", async () => {
  await microphone.start(choice);

  await Promise.all([microphone.flush(), microphone.flush(), microphone.stop()]);

  assert.equal(frames.length, 3);
});

test("an audio thread that stands still keeps nobody from switching it off and on", async () => {
  await microphone.start(choice);
  browser.answers = false;
  await microphone.stop();

  assert.equal(await microphone.start(choice), true);
  assert.deepEqual([browser.live, browser.wired.length], [1, 1]);
});

test("a chosen device that is not plugged in is replaced by the system's", async () => {
  browser.missing.add("headset");

  assert.equal(await microphone.start({ ...choice, deviceId: "headset" }), true);
  assert.deepEqual(browser.asked.map(({ deviceId }) => deviceId?.exact), ["headset", undefined]);
});

test("a device that is gone is missed once, with its last words", async () => {
  await microphone.start(choice);
  await browser.tracks[0].onended();

  assert.deepEqual([lost, frames.length, microphone.on], [1, 1, false]);
});
