import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Browser, anotherContext } from "./fakes.js";
import { wake } from "./sound.js";
import { Speaker } from "./speaker.js";

let browser, speaker, played, replayed, gone;

beforeEach(async () => {
  browser = new Browser();
  await anotherContext();
  [played, replayed, gone] = [[], [], 0];
  speaker = new Speaker({
    ...{ began: () => {}, sounding: () => {}, peaks: () => {} },
    played: (...place) => played.push(place),
    replayed: (ms) => replayed.push(ms),
    gone: () => gone++,
  });
});

/** Until all that waits has come. */
const settled = () => new Promise((resolve) => setTimeout(resolve));

const track = { item: "answer", part: 0, response: "r" };
const speech = (seconds) => new Int16Array(24_000 * seconds);
const worklet = () => browser.worklets.at(-1);
const heard = () => worklet().told.filter(({ audio }) => audio).length;

/** The audio thread says how far it is, in seconds: of the sound, and by its own clock. */
function sounds(seconds, at, more = {}) {
  worklet().says({ at, places: [[0, seconds * 24_000]], began: [], peaks: [], sounding: true, ...more });
}

test("what was played is reported in each tenth of a second of the sound's own clock", async () => {
  await speaker.open();
  speaker.add(track, speech(6));
  for (let n = 0; n < 6000; n += 21) {
    sounds(n / 1000, n / 1000);
    await settled();
  }

  assert.equal(played.length, 60);
});

test("a page that was late reports once, and how far it is by then", async () => {
  await speaker.open();
  speaker.add(track, speech(2));
  for (let n = 20; n <= 1000; n += 20) sounds(n / 1000, n / 1000);
  await settled();

  assert.deepEqual(played, [["answer", 0, 1000]]);
});

test("no report follows the last word on what was heard", async () => {
  await speaker.open();
  speaker.add(track, speech(1));
  sounds(0.5, 0.5);
  sounds(0.52, 0.52, { cleared: "event_1" });
  await settled();

  assert.deepEqual(played, [["answer", 0, 520, "event_1"]]);
});

test("speech that comes before the loudspeaker is ready is heard all the same, in order", async () => {
  browser.hold();
  const opened = speaker.open();
  await settled();
  speaker.add(track, speech(1));
  speaker.add(track, speech(2));
  browser.let();
  await opened;
  speaker.add(track, speech(3));

  assert.deepEqual(worklet().told.map(({ audio }) => audio.length / 24_000), [1, 2, 3]);
});

test("speech that is cut before the loudspeaker is ready was not heard", async () => {
  browser.hold();
  const opened = speaker.open();
  await settled();
  speaker.add(track, speech(1));
  speaker.clear("event_1");
  browser.let();
  await opened;

  assert.deepEqual(played, [["answer", 0, 0, "event_1"]]);
  assert.equal(heard(), 0);
});

test("a module that did not come is asked for again", async () => {
  browser.failing.add("playback-worklet.js");
  await assert.rejects(speaker.open());

  browser.failing.clear();
  await speaker.open();
  speaker.add(track, speech(1));
  assert.equal(heard(), 1);
});

test("where there is no audio thread a turn is played again without one", async () => {
  browser.failing.add("playback-worklet.js");
  await speaker.replay([speech(1), speech(1)]);

  const [source] = browser.sources;
  assert.deepEqual([source.buffer.duration, source.isConnected], [2, true]);
  source.onended();
  assert.deepEqual([replayed.at(-1), source.isConnected], [null, false]);
});

test("a turn that is stopped before it could be played stays silent", async () => {
  browser.hold();
  const playing = speaker.replay([speech(1)]);
  await settled();
  speaker.stopReplay();
  browser.let();
  await playing;

  assert.deepEqual([replayed, heard()], [[null], 0]);
});

test("a loudspeaker that cannot be used is replaced by the system's, and that is said", async () => {
  browser.missing.add("headset");
  await speaker.use("headset");
  await speaker.open();

  assert.deepEqual([(await wake()).sinks, gone], [["headset", ""], 1]);
});

test("a loudspeaker that fails while it plays is replaced as well", async () => {
  await speaker.open();
  await speaker.use("headset");
  (await wake()).dispatchEvent(new Event("error"));
  await settled();

  assert.deepEqual([(await wake()).sinks, gone], [["headset", ""], 1]);
});
