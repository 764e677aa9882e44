// @ts-check
/** The page: puts its parts together. What a part does is in its own file; how they meet, here. */
import { Connection } from "./connection.js";
import { consequences } from "./consequences.js";
import { Conversation, heardAudio } from "./conversation.js";
import { Entrance } from "./entrance.js";
import { Inspector } from "./events.js";
import { Figures } from "./figures.js";
import { wireKeys, wireTalk } from "./keys.js";
import { Messages, closeMessage, errorMessage, failureMessage, formatMessage, microphoneMessage } from "./messages.js";
import { get, say } from "./page.js";
import { Settings } from "./settings.js";
import { level, sleep, wake } from "./sound.js";
import { Speaker } from "./speaker.js";
import { hintFor, stateOf, wordFor } from "./talk.js";
import { Turns } from "./turns.js";
import { View } from "./view.js";
import { Voice } from "./voice.js";
import { LiveWaveform } from "./waveform.js";

/** @typedef {import("./conversation.js").Turn} Turn */

const PATIENCE = 700; // milliseconds for which a renewed connection is nobody's concern
const RELATED = 2000; // milliseconds after which a close has another reason than the error before it

/** Errors that are races, and need nobody's attention. */
const HARMLESS = new Set([
  "response_cancel_not_active",
  "conversation_already_has_active_response",
  "input_audio_buffer_commit_empty",
  "item_truncate_invalid_item_id",
  "item_delete_invalid_item_id",
]);

export class Page {
  /** @type {import("./talk.js").Facts} */
  facts = {
    ...{ connecting: false, connected: false, microphone: false, manual: false },
    ...{ held: false, hearing: false, answering: false, sounding: false },
  };
  view = new View();
  figures = new Figures();
  messages = new Messages();
  inspector = new Inspector();
  conversation = new Conversation();
  myWave = new LiveWaveform(get("wave-you"));
  modelWave = new LiveWaveform(get("wave-model"));
  /** @type {Set<string>} */ responses = new Set(); // that are under way
  /** @type {string[]} */ unsent = []; // written before the model was there
  /** @type {Turn | null} */ replaying = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ patience;
  mute = false; // whether speech is in a format that is not the page's
  session = false; // whether the model is there
  expecting = false; // an answer that has not begun
  error = /** @type {any} */ (null); // the last that may explain a close

  constructor() {
    this.connection = new Connection({
      connecting: () => this.know({ connecting: true }),
      opened: () => this.opened(),
      said: (text) => this.said(text),
      sent: (text, bytes) => this.inspector.add(this.figures.now(), "up", text === null ? { type: "microphone audio" } : JSON.parse(text), bytes),
      ended: (code, reason) => this.ended(code, reason),
      failed: (failure, seconds) => void this.failed(failure, seconds),
    });
    this.speaker = new Speaker({
      played: (item_id, content_index, audio_ms, cleared_event_id) =>
        this.connection.send({ type: "output_audio_buffer.played", item_id, content_index, audio_ms, cleared_event_id }),
      began: (delay) => this.figures.answered(delay),
      sounding: (sounding) => sounding !== this.facts.sounding && this.know({ sounding }),
      peaks: (pairs) => this.loud(this.modelWave, pairs, this.facts.sounding),
      replayed: (ms) => this.replayed(ms),
    });
    this.settings = new Settings({
      update: (event_id, session) => this.session && this.connection.send({ type: "session.update", event_id, session }),
      turns: () => this.know({ manual: this.settings.manual }),
      microphone: () => this.voice.changed(),
      speaker: (deviceId) => void this.speaker.use(deviceId),
    });
    this.voice = new Voice(this.connection, this.settings, this.messages, {
      peaks: (pairs) => this.loud(this.myWave, pairs, !this.facts.sounding),
      know: (facts) => this.know(facts),
      start: () => this.connect(),
      spoke: () => this.figures.spoke(),
      turn: () => this.ask(),
    });
    this.turns = new Turns(this.conversation, { play: (turn) => void this.replay(turn), remove: (turn) => this.remove(turn) });
    this.entrance = new Entrance(({ pinned, may_set }) => this.settings.lock(pinned ?? {}, may_set ?? "all"));
    this.wire();
    this.settings.ready();
    this.know({ manual: this.settings.manual });
    void this.entrance.learn();
  }

  wire() {
    wireTalk({
      manual: () => this.facts.connected && this.facts.manual,
      press: () => this.pressed(),
      hold: () => this.hold(),
      release: () => void this.voice.release(),
    });
    const keys = { m: () => this.toggleMicrophone(), "/": () => this.write(), e: () => this.view.toggleEvents(), "?": () => this.view.keys() };
    wireKeys(keys, () => this.view.close() || this.interrupt());
    get("mic").addEventListener("click", () => this.toggleMicrophone());
    get("interrupt").addEventListener("click", () => this.interrupt());
    get("end").addEventListener("click", () => this.end());
    get("compose").addEventListener("submit", (/** @type {Event} */ event) => this.submit(event));
    for (const change of ["theme", "visibilitychange"]) document.addEventListener(change, () => this.redraw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  // --- the connection ------------------------------------------------------------------------------------------

  connect() {
    if (this.entrance.locked) {
      this.entrance.ask();
      return;
    }
    this.messages.hide();
    this.view.begin();
    this.connection.connect();
    wake().catch(() => {}); // now, while the browser sees that somebody has asked for it
  }

  opened() {
    this.messages.hide();
    this.figures.begin();
    this.turns.divide();
    for (const turn of this.conversation.begin()) this.turns.changed(turn);
    this.speaker.forget();
    this.speaker.open().catch(() => {}); // without a loudspeaker there are still words
    this.know({ connecting: false, connected: true });
    if (isSecureContext) this.voice.begin();
    else this.messages.show("microphone", microphoneMessage("insecure", () => {}));
  }

  /** The person ends it. */
  end() {
    this.connection.disconnect();
    this.voice.wanted = false;
    this.parted();
  }

  /** @param {number} code @param {string} reason */
  ended(code, reason) {
    const again = () => this.start();
    const message = this.error ? errorMessage(this.error, again) : closeMessage(code, reason, again);
    this.voice.wanted = false;
    this.parted();
    this.messages.show("ended", message);
  }

  /** @param {import("./connection.js").Failure} failure @param {number} seconds until another try; 0: there is none */
  async failed(failure, seconds) {
    this.parted();
    if (failure.kind === "sign-in") {
      await this.entrance.learn();
      this.entrance.ask();
      return;
    }
    this.messages.show(failure.kind, failureMessage(failure, seconds, () => this.connect(), () => this.end()));
  }

  /** Nothing is under way any more. */
  parted() {
    clearTimeout(this.patience);
    this.speaker.clear();
    this.figures.end();
    this.responses.clear();
    for (const turn of this.conversation.end()) this.turns.changed(turn);
    this.session = this.expecting = this.mute = false;
    this.error = null;
    this.know({ connecting: false, connected: false, sounding: false });
    this.voice.end();
    this.rest();
  }

  /** Let the sound card go, once what is in it has been heard. */
  rest() {
    setTimeout(() => this.facts.connected || this.facts.connecting || this.replaying || sleep(), 1000);
  }

  // --- what the person does ------------------------------------------------------------------------------------

  /** The talk button, when it is not one to be held. */
  pressed() {
    if (this.facts.connecting) this.end();
    else this.toggleMicrophone();
  }

  start() {
    this.voice.wanted = true;
    this.connect();
  }

  toggleMicrophone() {
    if (this.mute) return;
    if (this.facts.connected) void this.voice.toggle();
    else if (!this.facts.connecting) this.start();
  }

  hold() {
    if (this.mute) return;
    this.silence();
    void this.voice.hold();
  }

  /** The person cuts the answer short. */
  interrupt() {
    if (!this.facts.sounding && !this.facts.answering) return;
    this.silence();
    this.connection.send({ type: "output_audio_buffer.clear" });
  }

  /** The loudspeaker is silent at once; the engine hears of it. */
  silence() {
    this.speaker.stopReplay();
    if (this.facts.sounding) this.speaker.mute(this.responses);
  }

  write() {
    this.view.tab("talk");
    get("text").focus();
  }

  /** @param {Event} event */
  submit(event) {
    event.preventDefault();
    const text = get("text").value.trim();
    if (!text || this.entrance.locked) return;
    get("text").value = "";
    this.turns.follower.follow();
    this.unsent.push(text);
    if (this.session) this.sendText();
    else this.connect();
  }

  sendText() {
    for (const text of this.unsent.splice(0)) {
      this.interrupt();
      const item = { type: "message", role: "user", content: [{ type: "input_text", text }] };
      this.connection.send({ type: "conversation.item.create", item });
      this.ask();
    }
  }

  /** The model is to answer. */
  ask() {
    this.expecting = true;
    this.connection.send({ type: "response.create" });
    this.know({});
  }

  /** @param {Turn} turn */
  async replay(turn) {
    const isPlaying = this.replaying === turn;
    this.speaker.stopReplay();
    this.replaying = null;
    const pieces = heardAudio(turn);
    if (isPlaying || this.facts.sounding || !pieces.length) return;
    this.replaying = turn;
    await this.speaker.replay(pieces);
  }

  /** @param {number | null} ms so far; null: it is over */
  replayed(ms) {
    if (ms === null) this.replaying = null;
    this.turns.played(this.replaying, ms ?? 0);
    if (ms === null) this.rest();
  }

  /** @param {Turn} turn */
  remove(turn) {
    if (turn.old || !this.facts.connected) this.gone(turn.id, turn);
    else this.connection.send({ type: "conversation.item.delete", item_id: turn.id });
  }

  /** @param {string} id @param {Turn} [turn] if several have had this id */
  gone(id, turn) {
    const removed = this.conversation.remove(id, turn);
    if (removed) this.turns.removed(removed);
  }

  // --- what the engine says ------------------------------------------------------------------------------------

  /** @param {string} text */
  said(text) {
    if (typeof text !== "string") return; // a binary frame: the protocol has none in this direction
    const event = JSON.parse(text);
    const at = this.figures.now();
    this.inspector.add(at, "down", event, text.length);
    this.turns.changed(this.conversation.apply(event, at));
    for (const turn of this.conversation.surplus()) this.turns.removed(turn);
    consequences[event.type]?.(this, event);
  }

  /** What somebody said, kept for playing it again. @param {string} item @param {Int16Array | null} samples */
  keep(item, samples) {
    if (samples?.length) this.turns.changed(this.conversation.hear(item, samples, this.figures.now(), "user"));
  }

  /** The model's connection is lost, or renewed: what was half said is heard again by the next one. @param {import("./messages.js").Message} message */
  upstreamLost(message) {
    for (const item of this.voice.restart()) this.gone(item);
    for (const turn of this.conversation.end()) this.turns.changed(turn);
    this.know({ hearing: false });
    clearTimeout(this.patience);
    this.patience = setTimeout(() => this.messages.show("upstream", message), this.messages.shown ? 0 : PATIENCE);
  }

  upstreamBack() {
    clearTimeout(this.patience);
    this.messages.hide("upstream");
  }

  /** The session is so now. @param {any} session */
  sessionIs({ audio }) {
    const formats = [audio?.input?.format?.type, audio?.output?.format?.type];
    const other = formats.find((format) => format && format !== "audio/pcm");
    if (other && !this.mute) this.messages.show("format", formatMessage(other));
    this.mute = Boolean(other);
    if (this.mute) this.voice.end();
  }

  /** @param {any} error */
  failedWith(error) {
    this.expecting = false;
    this.know({});
    if (HARMLESS.has(error.code) || this.settings.refused(error.event_id, error.message)) return;
    this.error = error;
    setTimeout(() => this.error === error && (this.error = null), RELATED);
    this.messages.show("error", { ...errorMessage(error, () => {}), act: undefined });
  }

  // --- what is shown -------------------------------------------------------------------------------------------

  /** Something is known now; the rest follows. @param {Partial<import("./talk.js").Facts>} news */
  know(news) {
    Object.assign(this.facts, news);
    this.facts.answering = this.responses.size > 0 || this.expecting;
    const state = stateOf(this.facts);
    const { connected, connecting, manual, microphone, sounding, answering } = this.facts;
    this.view.state(state, wordFor(state, manual), hintFor(state, manual, microphone), manual && connected);
    get("end").disabled = !connected && !connecting;
    get("interrupt").disabled = !sounding && !answering;
    get("mic").setAttribute("aria-pressed", String(microphone));
    get("mic-icon").setAttribute("href", microphone ? "#i-listening" : "#i-muted");
    say(get("live-word"), connected ? "live" : connecting ? "connecting" : "not connected");
    if (state === "off" || state === "muted" || state === "thinking") this.view.level(0);
  }

  /** @param {LiveWaveform} wave @param {ArrayLike<number>} pairs of peaks @param {boolean} ring whether the ring follows them */
  loud(wave, pairs, ring) {
    wave.push(pairs);
    if (ring) this.view.level(level(pairs));
  }

  redraw() {
    this.myWave.refresh();
    this.modelWave.refresh();
  }
}

new Page();
performance.mark("ready");
