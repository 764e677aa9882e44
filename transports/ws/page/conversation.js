// @ts-check
/**
 * The conversation as the server tells it: turns in its order, their words as they come, what was heard of them.
 *
 * No browser in this file, so that Node can test it. Every change is an event; what it touches is given back by id.
 */

const MOST_TURNS = 1000; // as many as the engine keeps; the oldest go first
const MOST_AUDIO = 24 << 20; // bytes of sound kept for playing again: 8 minutes; the oldest goes first
export const BUCKET = 480; // samples that a pair of peaks stands for: 20 ms

/**
 * @typedef {object} Turn
 * @property {string} id
 * @property {"user" | "assistant" | "system" | "tool"} who
 * @property {number} at seconds since the conversation began
 * @property {string} text
 * @property {boolean} final whether the text is all there is
 * @property {boolean} spoken
 * @property {Int16Array[] | null} audio null: no longer kept
 * @property {number[]} peaks of all its sound: the lowest and highest sample of each bucket, in turn
 * @property {number} ms of audio that came
 * @property {number | null} heard milliseconds after which it was cut
 * @property {boolean} done
 * @property {boolean} old of an earlier conversation, which the model does not remember
 * @property {Call} [call]
 */

/** @typedef {{id: string, name: string, arguments: string, output: string | null, asked: number, took: number | null, failed: boolean}} Call */

const OUTPUT = "output "; // before the id of what a call gave, where calls are known by theirs
const TRANSCRIPT = "conversation.item.input_audio_transcription.";

export class Conversation {
  /** @type {Turn[]} */ turns = [];
  /** @type {Map<string, Turn>} */ #byId = new Map();
  /** @type {Map<string, Turn>} */ #byCall = new Map();
  /** @type {Set<string>} */ #deleted = new Set(); // ids, and `call …` for those of calls
  #kept = 0;
  transcribes = false; // whether what is spoken is written down

  /** @param {string} id */
  get(id) {
    return this.#byId.get(id);
  }

  /** Nothing more will come of what is there. @returns {Turn[]} those that were not done */
  end() {
    return this.#close(this.turns);
  }

  /** What is being said will not be said to its end; calls that were made are still answered. @returns {Turn[]} those that were not done */
  breakOff() {
    return this.#close(this.turns.filter((turn) => !turn.call || !turn.final));
  }

  /** @param {Turn[]} turns */
  #close(turns) {
    const open = turns.filter((turn) => !turn.final || !turn.done);
    for (const turn of open) turn.final = turn.done = true;
    return open;
  }

  /** A new conversation begins below what is there. @returns {Turn[]} those that the model does not remember from now on */
  begin() {
    this.end();
    const last = this.turns.filter((turn) => !turn.old);
    for (const turn of last) turn.old = true;
    this.#byId.clear();
    this.#byCall.clear();
    this.#deleted.clear();
    return last;
  }

  /**
   * @param {any} event
   * @param {number} at seconds
   * @returns {Turn | null} the turn it changed
   */
  apply(event, at) {
    if (this.#isLate(event)) return null;
    switch (event.type) {
      case "input_audio_buffer.speech_started":
        return this.#turn(event.item_id, { who: "user", spoken: true, at });
      case "input_audio_buffer.committed":
        return this.#place(this.#committed(event.item_id, at), event.previous_item_id ?? undefined); // never to the front
      case "conversation.item.added":
      case "conversation.item.created":
        return this.#added(event.item, event.previous_item_id, at);
      case "conversation.item.done":
      case "response.output_item.done":
        return this.#item(event.item, at);
      case `${TRANSCRIPT}delta`:
        return this.#words(event, at, "user", event.delta ?? "");
      case `${TRANSCRIPT}updated`:
        return this.#finish(event.item_id, event.transcript, false);
      case `${TRANSCRIPT}completed`:
        return this.#finish(event.item_id, event.transcript, event.status !== "in_progress");
      case `${TRANSCRIPT}failed`:
        return this.#finish(event.item_id, "");
      case "response.output_audio_transcript.delta":
      case "response.output_text.delta":
        return this.#words(event, at, "assistant", event.delta);
      case "response.output_audio_transcript.done":
        return this.#finish(event.item_id, event.transcript);
      case "response.output_text.done":
        return this.#finish(event.item_id, event.text);
      case "response.function_call_arguments.delta":
        return this.#asks(event, at, event.delta, false);
      case "response.function_call_arguments.done":
        return this.#asks(event, at, event.arguments, true);
      case "engine.tool_failed":
        return this.#failed(event.call_id);
      case "conversation.item.truncated":
        return this.cut(event.item_id, event.audio_end_ms);
      default:
        return null;
    }
  }

  /** Take a turn out, for good. @param {string} id @param {Turn} [turn] if several have had this id @returns {Turn | null} */
  remove(id, turn = this.#byId.get(id) ?? this.turns.find((each) => each.id === id)) {
    if (!turn) return null;
    if (!turn.old) {
      this.#deleted.add(id);
      if (turn.call) this.#deleted.add(`call ${turn.call.id}`);
    }
    return this.#take(id, turn);
  }

  /** The items that a turn stands for: a call and what it gave are one turn; what it gave comes first. @param {Turn} turn @returns {string[]} */
  itemsOf(turn) {
    const outputs = [...this.#byCall].filter(([key, each]) => each === turn && key.startsWith(OUTPUT)).map(([key]) => key.slice(OUTPUT.length));
    return [...outputs.filter((id) => id !== turn.id), turn.id];
  }

  /** Whether an item is what a call gave that was deleted before. @param {any} item */
  isOrphan(item) {
    return item.type === "function_call_output" && this.#deleted.has(`call ${item.call_id}`);
  }

  /** @param {string} id @param {Turn} turn */
  #take(id, turn) {
    this.turns.splice(this.turns.indexOf(turn), 1);
    if (this.#byId.get(id) === turn) this.#byId.delete(id);
    for (const [call, each] of this.#byCall) if (each === turn) this.#byCall.delete(call);
    this.#drop(turn);
    return turn;
  }

  /** Let go of the oldest turns that are too many. @returns {Turn[]} */
  surplus() {
    const gone = this.turns.slice(0, Math.max(0, this.turns.length - MOST_TURNS));
    for (const turn of gone) this.#take(turn.id, turn);
    return gone;
  }

  /**
   * Keep sound of a turn.
   * @param {string} id @param {Int16Array} samples @param {number} at @param {"user" | "assistant"} who
   * @returns {Turn[]} those that it changes: the turn, unless it was deleted, and others whose sound has to go for it
   */
  hear(id, samples, at, who) {
    if (this.#deleted.has(id)) return [];
    const turn = this.#turn(id, { who, spoken: true, at });
    turn.spoken = true;
    addPeaks(turn.peaks, Math.round(turn.ms * 24), samples);
    turn.ms += samples.length / 24;
    if (!turn.audio) return [turn];
    turn.audio.push(samples);
    this.#kept += samples.byteLength;
    return [turn, ...this.#makeRoom()];
  }

  /** It was heard so far and no further: its words and its sound end there. @param {string} id @param {number} ms */
  cut(id, ms) {
    const turn = this.#byId.get(id);
    if (!turn || turn.who !== "assistant") return null;
    turn.heard = Math.min(ms, turn.ms || ms);
    turn.done = true;
    return turn;
  }

  /** Whether an event is about an item that was deleted; a server that adds it has it all the same. @param {any} event */
  #isLate({ type, item, item_id }) {
    if (!item) return this.#deleted.has(item_id);
    if (this.isOrphan(item)) return true;
    if (type === "conversation.item.added" || type === "conversation.item.created") this.#deleted.delete(item.id);
    return this.#deleted.has(item.id);
  }

  /** @param {string} id @param {Partial<Turn>} made how it is if it is new @returns {Turn} */
  #turn(id, made) {
    let turn = this.#byId.get(id);
    if (!turn) {
      turn = {
        ...{ id, who: "user", at: 0, text: "", final: false, spoken: false, audio: [], peaks: [], ms: 0, heard: null },
        ...{ done: false, old: false, ...made },
      };
      this.#byId.set(id, turn);
      this.turns.push(turn);
    }
    return turn;
  }

  /** What was said is complete; its words may follow. @param {string} id @param {number} at */
  #committed(id, at) {
    const turn = this.#turn(id, { who: "user", spoken: true, at });
    turn.final ||= !this.transcribes;
    return turn;
  }

  /** Put a turn behind another; null: before all others of this conversation. @param {Turn} turn @param {string | null | undefined} previous */
  #place(turn, previous) {
    if (previous === undefined) return turn;
    const before = previous === null ? null : this.#before(previous);
    if (before === undefined) return turn; // behind something unknown: it stays where it is
    const now = this.turns.indexOf(turn);
    this.turns.splice(now, 1);
    const first = this.turns.findIndex((each) => !each.old);
    const at = before ? this.turns.indexOf(before) + 1 : first < 0 ? this.turns.length : first;
    this.turns.splice(at, 0, turn);
    return turn;
  }

  /** @param {string} id */
  #before(id) {
    return this.#byId.get(id) ?? this.#byCall.get(OUTPUT + id);
  }

  /** @param {any} item @param {string | null | undefined} previous @param {number} at */
  #added(item, previous, at) {
    if (item.type === "function_call_output") return this.#answered(item, previous, at);
    const known = this.#byId.has(item.id);
    const turn = this.#item(item, at);
    if (!turn || (known && previous === null)) return turn;
    return this.#place(turn, previous);
  }

  /** What an item says about itself. @param {any} item @param {number} at */
  #item(item, at) {
    if (item.type === "function_call_output") return this.#answered(item, undefined, at);
    if (item.type === "function_call") return this.#called(item, at);
    if (item.type !== "message") return null;
    const turn = this.#turn(item.id, { who: item.role, at });
    const parts = item.content ?? [];
    turn.who = item.role;
    turn.spoken ||= parts.some((/** @type {any} */ part) => part.type?.endsWith("audio"));
    const text = parts.map((/** @type {any} */ part) => part.text ?? part.transcript ?? "").join(" ").trim();
    const isDone = item.status !== "in_progress" && parts.length > 0;
    if (isDone && (item.role === "assistant" || !turn.spoken || !this.transcribes)) turn.final = true;
    if (text && turn.heard === null) turn.text = text;
    if (item.status === "completed" || item.status === "incomplete") turn.done = true;
    return turn;
  }

  /** @param {any} event @param {number} at @param {"user" | "assistant"} who @param {string} delta */
  #words(event, at, who, delta) {
    const turn = this.#turn(event.item_id, { who, at, spoken: !event.type.includes("output_text") });
    if (!turn.final) turn.text += delta;
    return turn;
  }

  /** All its words are known, or all there are so far. @param {string} id @param {string} text @param {boolean} [whole] */
  #finish(id, text, whole = true) {
    const turn = this.#byId.get(id);
    if (!turn || (turn.final && !whole)) return null;
    turn.text = text.trim();
    turn.final = whole;
    return turn;
  }

  /** @param {any} item @param {number} at */
  #called(item, at) {
    const turn = this.#turn(item.id, { who: "tool", at });
    turn.who = "tool";
    turn.call ??= { id: item.call_id, name: item.name, arguments: "", output: null, asked: at, took: null, failed: false };
    if (item.arguments) turn.call.arguments = item.arguments;
    if (item.status === "completed") turn.final = true;
    this.#byCall.set(item.call_id, turn);
    return turn;
  }

  /** @param {any} event @param {number} at @param {string} text @param {boolean} whole */
  #asks(event, at, text, whole) {
    const call = this.#byId.get(event.item_id)?.call;
    if (!call) return null;
    call.arguments = whole ? text : call.arguments + text;
    if (whole) call.asked = at;
    return /** @type {Turn} */ (this.#byId.get(event.item_id));
  }

  /** The output of a call belongs to the call. @param {any} item @param {string | null | undefined} previous @param {number} at */
  #answered(item, previous, at) {
    let turn = this.#byCall.get(item.call_id);
    if (!turn) {
      turn = this.#place(this.#turn(item.id, { who: "tool", at, final: true, done: true }), previous);
      turn.call = { id: item.call_id, name: "", arguments: "", output: null, asked: at, took: null, failed: false };
      this.#byCall.set(item.call_id, turn);
    }
    const call = /** @type {Call} */ (turn.call);
    this.#byCall.set(OUTPUT + item.id, turn);
    if (call.output === null) call.took = at - call.asked;
    call.output = item.output ?? "";
    turn.done = true;
    return turn;
  }

  /** The engine has run a function in vain; what the model is told of that comes as its output. @param {string} call_id */
  #failed(call_id) {
    const turn = this.#byCall.get(call_id);
    if (!turn?.call) return null;
    turn.call.failed = true;
    return turn;
  }

  /** Let go of the oldest sound that is too much. @returns {Turn[]} those that can no longer be played */
  #makeRoom() {
    const mute = [];
    for (const turn of this.turns) {
      if (this.#kept <= MOST_AUDIO) break;
      if (turn.audio?.length) mute.push(turn);
      this.#drop(turn);
    }
    return mute;
  }

  /** @param {Turn} turn */
  #drop(turn) {
    for (const piece of turn.audio ?? []) this.#kept -= piece.byteLength;
    turn.audio = turn.audio?.length ? null : turn.audio;
  }
}

/** @param {number[]} peaks @param {number} before samples that came before @param {Int16Array} samples */
function addPeaks(peaks, before, samples) {
  for (let n = 0; n < samples.length; ) {
    const at = 2 * Math.floor((before + n) / BUCKET);
    const end = Math.min(samples.length, (at / 2 + 1) * BUCKET - before);
    let low = peaks[at] ?? 0;
    let high = peaks[at + 1] ?? 0;
    for (; n < end; n++) {
      if (samples[n] < low) low = samples[n];
      else if (samples[n] > high) high = samples[n];
    }
    peaks[at] = low;
    peaks[at + 1] = high;
  }
}
