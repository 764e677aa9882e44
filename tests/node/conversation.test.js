import assert from "node:assert/strict";
import { test } from "node:test";
import { Conversation } from "./conversation.js";
import { heardAudio, heardText } from "./heard.js";

const message = (id, role, content = [], status = "completed") => ({ type: "message", id, role, content, status });
const added = (item, previous_item_id) => ({ type: "conversation.item.added", item, previous_item_id });
const order = (conversation) => conversation.turns.map((turn) => turn.id);
const feed = (...events) => {
  const conversation = new Conversation();
  events.forEach((event, n) => conversation.apply(event, n));
  return conversation;
};

test("turns stand in the server's order, whatever order their events come in", () => {
  const conversation = feed(
    added(message("a", "user"), null),
    added(message("c", "assistant"), "a"),
    { type: "input_audio_buffer.speech_started", item_id: "d" },
    added(message("b", "user"), "a"),
    { type: "input_audio_buffer.committed", item_id: "d", previous_item_id: "c" },
    added(message("root", "system"), null),
  );

  assert.deepEqual(order(conversation), ["root", "a", "b", "c", "d"]);
});

test("an item whose predecessor is unknown stays at the end", () => {
  assert.deepEqual(order(feed(added(message("a", "user"), null), added(message("b", "user"), "gone"))), ["a", "b"]);
});

test("a transcript grows, and is final when it is complete", () => {
  const words = { type: "response.output_audio_transcript.delta", item_id: "a" };
  const conversation = feed(added(message("a", "assistant", [], "in_progress"), null), { ...words, delta: "It is " }, { ...words, delta: "sun" });
  assert.deepEqual([conversation.get("a").text, conversation.get("a").final], ["It is sun", false]);

  conversation.apply({ type: "response.output_audio_transcript.done", item_id: "a", transcript: "It is sunny." }, 9);

  assert.deepEqual([conversation.get("a").text, conversation.get("a").final], ["It is sunny.", true]);
});

test("a user's transcript that comes after the answer ends up with the user", () => {
  const type = "conversation.item.input_audio_transcription";
  const conversation = feed(
    { type: "input_audio_buffer.committed", item_id: "u", previous_item_id: null },
    added(message("m", "assistant", [], "in_progress"), "u"),
    { type: `${type}.delta`, item_id: "u", delta: "How" },
    { type: `${type}.completed`, item_id: "u", transcript: "How are you?" },
  );

  assert.deepEqual(order(conversation), ["u", "m"]);
  assert.equal(conversation.get("u").text, "How are you?");
});

test("a transcript that is corrected while the turn is said is final when the server says so", () => {
  const type = "conversation.item.input_audio_transcription";
  const conversation = feed({ type: "input_audio_buffer.speech_started", item_id: "u" });
  const said = (kind, transcript, status) => {
    conversation.apply({ type: `${type}.${kind}`, item_id: "u", transcript, status }, 9);
    return [conversation.get("u").text, conversation.get("u").final];
  };

  assert.deepEqual(said("updated", "How a"), ["How a", false]);
  assert.deepEqual(said("completed", "How are", "in_progress"), ["How are", false]);
  assert.deepEqual(said("completed", "How are you?", "completed"), ["How are you?", true]);
  assert.deepEqual(said("updated", "How"), ["How are you?", true]);
});

test("a spoken turn whose predecessor nobody names stays at the end", () => {
  const conversation = feed(
    added(message("a", "user"), null),
    added(message("b", "assistant"), "a"),
    { type: "input_audio_buffer.speech_started", item_id: "u" },
    { type: "input_audio_buffer.committed", item_id: "u", previous_item_id: null },
  );

  assert.deepEqual(order(conversation), ["a", "b", "u"]);
});

test("an answer that was cut ends where it was heard, in words and in sound", () => {
  const conversation = feed(added(message("m", "assistant", [], "in_progress"), null));
  conversation.hear("m", new Int16Array(24_000), 1, "assistant");
  conversation.hear("m", new Int16Array(72_000), 1, "assistant");
  conversation.apply({ type: "response.output_audio_transcript.done", item_id: "m", transcript: "one two three four five six seven eight" }, 2);

  conversation.apply({ type: "conversation.item.truncated", item_id: "m", audio_end_ms: 2000 }, 3);

  const turn = conversation.get("m");
  assert.equal(heardText(turn), "one two three four");
  assert.equal(heardAudio(turn).reduce((sum, piece) => sum + piece.length, 0), 48_000);
});

test("the peaks of a sound are those of each 20 ms, in whatever pieces it comes", () => {
  const sound = Int16Array.from({ length: 2400 }, (_, n) => (n % 480 === 100 ? -n : n % 480 === 200 ? n : 0));
  const conversation = feed(added(message("m", "assistant"), null));
  for (const [from, to] of [[0, 150], [150, 1000], [1000, 2400]]) conversation.hear("m", sound.subarray(from, to), 1, "assistant");

  assert.deepEqual(conversation.get("m").peaks, [-100, 200, -580, 680, -1060, 1160, -1540, 1640, -2020, 2120]);
});

test("nothing of an answer that was wholly unheard is shown", () => {
  const conversation = feed(added(message("m", "assistant", [], "in_progress"), null), { type: "response.output_audio_transcript.delta", item_id: "m", delta: "Never mind" });
  conversation.hear("m", new Int16Array(24_000), 1, "assistant");

  assert.equal(heardText(conversation.cut("m", 0)), "");
});

test("a call has its arguments, its result and the time it took, on one turn", () => {
  const item = { type: "function_call", id: "f", call_id: "c", name: "weather", arguments: "", status: "in_progress" };
  const conversation = new Conversation();
  conversation.apply(added(item, null), 1);
  conversation.apply({ type: "response.function_call_arguments.delta", item_id: "f", delta: '{"city":' }, 1.5);
  conversation.apply({ type: "response.function_call_arguments.done", item_id: "f", arguments: '{"city":"Paris"}' }, 2);
  conversation.apply(added({ type: "function_call_output", id: "o", call_id: "c", output: "sunny" }, "f"), 2.5);
  conversation.apply(added(message("m", "assistant"), "o"), 3);

  assert.deepEqual(order(conversation), ["f", "m"]);
  assert.deepEqual(conversation.get("f").call, { id: "c", name: "weather", arguments: '{"city":"Paris"}', output: "sunny", asked: 2, took: 0.5, failed: false });
});

test("a call that the engine has run in vain is known as one that failed", () => {
  const call = { type: "function_call", id: "f", call_id: "c", name: "weather", arguments: "{}", status: "completed" };
  const conversation = feed(added(call, null));

  const turn = conversation.apply({ type: "engine.tool_failed", call_id: "c", name: "weather", message: "no sky" }, 1);

  assert.equal(turn.call.failed, true);
  assert.equal(turn.call.output, null);
  assert.equal(conversation.apply({ type: "engine.tool_failed", call_id: "unknown", name: "weather", message: "no sky" }, 1), null);
});

test("an answer is broken off with the model's connection, a call that was made is not", () => {
  const call = (id, status) => ({ type: "function_call", id, call_id: `${id}_call`, name: "look", arguments: "{}", status });
  const conversation = feed(added(call("made", "completed"), null), added(message("m", "assistant", [], "in_progress"), "made"), added(call("half", "in_progress"), "m"));

  assert.deepEqual(conversation.breakOff().map((turn) => turn.id), ["m", "half"]);
  assert.deepEqual(conversation.end().map((turn) => turn.id), ["made"]);
});

test("what was said before a new connection stays above it", () => {
  const conversation = feed(added(message("a", "user"), null));
  conversation.begin();
  conversation.apply(added(message("a", "user"), null), 1);

  assert.deepEqual(conversation.turns.map((turn) => turn.old), [true, false]);
});

test("sound is kept up to a bound; the oldest goes first, and its turn can no longer be played", () => {
  const conversation = feed(added(message("a", "assistant"), null), added(message("b", "assistant"), "a"));
  const changed = ["a", "b"].map((id) => conversation.hear(id, new Int16Array(8 << 20), 0, "assistant"));

  assert.deepEqual(changed.map((turns) => turns.map(({ id }) => id)), [["a"], ["b", "a"]]); // so that it is drawn without its button
  assert.equal(conversation.get("a").audio, null);
  assert.equal(conversation.get("b").audio.length, 1);
});

test("a turn that is deleted is gone, and so is the bound it took up", () => {
  const conversation = feed(added(message("a", "assistant"), null), added(message("b", "assistant"), "a"));
  conversation.hear("a", new Int16Array(8 << 20), 0, "assistant");
  conversation.remove("a");
  conversation.hear("b", new Int16Array(8 << 20), 0, "assistant");

  assert.deepEqual(order(conversation), ["b"]);
  assert.equal(conversation.get("b").audio.length, 1);
});

test("late events of an item that was deleted do not bring it back; only the server's word that there is one does", () => {
  const conversation = feed(added(message("m", "assistant", [], "in_progress"), null), added(message("u", "user"), "m"));
  conversation.remove("m");

  const late = { item_id: "m", response_id: "r", content_index: 0 };
  for (const event of [
    { type: "response.output_audio_transcript.delta", ...late, delta: "more" },
    { type: "response.output_audio_transcript.done", ...late, transcript: "more of it" },
    { type: "conversation.item.truncated", ...late, audio_end_ms: 100 },
    { type: "conversation.item.done", item: message("m", "assistant", [{ type: "output_audio", transcript: "more of it" }]) },
    { type: "response.output_item.done", item: message("m", "assistant") },
  ]) assert.equal(conversation.apply(event, 1), null, event.type);
  assert.deepEqual(conversation.hear("m", new Int16Array(480), 1, "assistant"), []);
  assert.deepEqual(order(conversation), ["u"]);

  conversation.apply(added(message("m", "assistant"), "u"), 2);
  assert.deepEqual(order(conversation), ["u", "m"]);
});

test("with a new connection an id may come again, whatever was deleted before", () => {
  const conversation = feed(added(message("a", "user"), null));
  conversation.remove("a");
  conversation.begin();
  conversation.apply({ type: "input_audio_buffer.speech_started", item_id: "a" }, 1);

  assert.deepEqual(order(conversation), ["a"]);
});

test("a call stands for its output too, and what comes of a deleted one is nobody's", () => {
  const call = (id, call_id) => ({ type: "function_call", id, call_id, name: "weather", arguments: "{}", status: "completed" });
  const output = (id, call_id) => ({ type: "function_call_output", id, call_id, output: "sunny" });
  const conversation = feed(added(call("f", "c"), null), added(output("o", "c"), "f"), added(call("g", "d"), "o"));
  assert.deepEqual(conversation.itemsOf(conversation.get("f")), ["o", "f"]);
  assert.deepEqual(conversation.itemsOf(conversation.get("g")), ["g"]);

  conversation.remove("g");

  assert.equal(conversation.isOrphan(output("p", "d")), true);
  assert.equal(conversation.isOrphan(output("o", "c")), false);
  assert.equal(conversation.apply(added(output("p", "d"), "g"), 1), null);
  assert.deepEqual(order(conversation), ["f"]);
});

test("without transcription a spoken turn is complete when it is committed; with it, when it is written down", () => {
  const spoken = [
    { type: "input_audio_buffer.speech_started", item_id: "u" },
    { type: "input_audio_buffer.committed", item_id: "u", previous_item_id: null },
    added(message("u", "user", [{ type: "input_audio", transcript: null }]), null),
  ];
  assert.equal(feed(...spoken).get("u").final, true);

  const written = new Conversation();
  written.transcribes = true;
  for (const event of spoken) written.apply(event, 0);
  assert.equal(written.get("u").final, false);
  written.apply({ type: "conversation.item.input_audio_transcription.failed", item_id: "u" }, 1);
  assert.equal(written.get("u").final, true);
});

test("no more turns are kept than the engine keeps; the oldest go first", () => {
  const conversation = new Conversation();
  let previous = null;
  const gone = [];
  for (let n = 0; n < 1010; n++) {
    conversation.apply(added(message(`i${n}`, "user"), previous), n);
    gone.push(...conversation.surplus().map((turn) => turn.id));
    previous = `i${n}`;
  }

  assert.equal(conversation.turns.length, 1000);
  assert.deepEqual([gone[0], gone.length, conversation.get("i0")], ["i0", 10, undefined]);
});

test("an event that is not about a turn changes nothing", () => {
  assert.equal(feed().apply({ type: "rate_limits.updated", rate_limits: [] }, 0), null);
});
