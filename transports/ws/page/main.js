// @ts-check
/** The page: puts its parts together. What a part does is in its own file; how they meet, here. */
import { Answering } from "./answering.js";
import { Connection } from "./connection.js";
import { consequences } from "./consequences.js";
import { Conversation } from "./conversation.js";
import { Deleting } from "./deleting.js";
import { Entrance } from "./entrance.js";
import { Inspector } from "./events.js";
import { Figures } from "./figures.js";
import { wireKeys, wireTalk } from "./keys.js";
import { Messages, failureMessage, formatMessage, heldBackMessage, microphoneMessage, speakerMessage } from "./messages.js";
import { get } from "./page.js";
import { Replay } from "./replay.js";
import { Settings } from "./settings.js";
import { sleep, wake, watch } from "./sound.js";
import { Speaker } from "./speaker.js";
import { Stage } from "./stage.js";
import { Trouble } from "./trouble.js";
import { Turns } from "./turns.js";
import { View } from "./view.js";
import { Voice } from "./voice.js";
import { Writing } from "./writing.js";

/** @typedef {import("./conversation.js").Turn} Turn */

export class Page {
  view = new View();
  figures = new Figures();
  messages = new Messages();
  inspector = new Inspector();
  conversation = new Conversation();
  answering = new Answering();
  stage = new Stage(this.view, this.answering);
  trouble = new Trouble(this.messages);
  responds = true; // whether the model answers when somebody pauses
  mute = false; // whether speech is in a format that is not the page's
  session = false; // whether the model is there

  constructor() {
    this.connection = new Connection({
      connecting: () => this.stage.know({ connecting: true }),
      opened: () => this.opened(),
      said: (text) => this.said(text),
      sent: (event, bytes) => this.inspector.add(this.figures.now(), "up", event, bytes),
      ended: (code, reason) => this.ended(code, reason),
      failed: (failure, seconds) => void this.failed(failure, seconds),
    });
    this.speaker = new Speaker({
      played: (item_id, content_index, audio_ms, cleared_event_id) =>
        this.connection.send({ type: "output_audio_buffer.played", item_id, content_index, audio_ms, cleared_event_id }),
      began: (delay) => this.figures.answered(delay),
      sounding: (sounding) => this.sounds(sounding),
      peaks: (pairs) => this.stage.loud("model", pairs),
      replayed: (ms) => this.replay.played(ms),
      gone: () => this.messages.show("speaker", speakerMessage()),
    });
    this.settings = new Settings({
      update: (event_id, session) => this.session && this.connection.send({ type: "session.update", event_id, session }),
      turns: () => this.stage.know({ manual: this.settings.manual }),
      microphone: () => this.voice.changed(),
      speaker: (deviceId) => void this.speaker.use(deviceId),
      speakerGone: () => void this.speaker.lose(),
    });
    this.voice = new Voice(this.connection, this.settings, this.messages, {
      peaks: (pairs) => this.stage.loud("you", pairs),
      know: (facts) => this.stage.know(facts),
      start: () => this.connect(),
      turn: (at) => this.ask(at),
    });
    this.turns = new Turns(this.conversation, { play: (turn) => void this.replay.toggle(turn), remove: (turn) => this.deleting.remove(turn) });
    this.deleting = new Deleting(this.conversation, this.connection, (turn) => this.removed(turn));
    this.replay = new Replay(this.speaker, { sounding: () => this.stage.facts.sounding, played: (turn, ms) => this.replayed(turn, ms) });
    this.entrance = new Entrance({
      known: ({ pinned, may_set, settings }) => {
        this.settings.lock(pinned ?? {}, may_set ?? "all");
        this.settings.expect(settings ?? {});
      },
      signedIn: () => this.signedIn(),
    });
    this.writing = new Writing({ locked: () => this.entrance.locked, written: () => this.written(), send: (text) => this.tell(text) });
    this.wire();
    this.settings.ready();
    this.stage.know({ manual: this.settings.manual });
    void this.entrance.learn();
  }

  wire() {
    watch((isHeldBack) => this.heldBack(isHeldBack));
    wireTalk({
      manual: () => this.stage.facts.connected && this.stage.facts.manual,
      press: () => this.pressed(),
      hold: () => this.hold(),
      release: () => this.voice.release(),
    });
    const keys = { m: () => this.toggleMicrophone(), "/": () => this.write(), e: () => this.view.toggleEvents(), "?": () => this.view.keys() };
    wireKeys(keys, () => this.view.close() || this.interrupt());
    get("mic").addEventListener("click", () => this.toggleMicrophone());
    get("interrupt").addEventListener("click", () => this.interrupt());
    get("end").addEventListener("click", () => this.end());
  }

  // --- the connection ------------------------------------------------------------------------------------------

  connect() {
    if (this.entrance.locked) {
      this.askIn();
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
    this.inspector.begin();
    this.turns.divide();
    for (const turn of this.conversation.begin()) this.turns.changed(turn);
    this.speaker.forget();
    this.speaker.open().catch(() => {}); // without a loudspeaker there are still words
    if (isSecureContext) this.voice.begin();
    this.stage.know({ connecting: false, connected: true });
    if (!isSecureContext) this.messages.show("microphone", microphoneMessage("insecure", () => {}));
  }

  /** The person ends it. */
  end() {
    this.messages.hide();
    this.connection.disconnect();
    this.voice.wanted = false;
    this.parted();
  }

  /** @param {number} code @param {string} reason */
  ended(code, reason) {
    const message = this.trouble.close(code, reason, () => this.start());
    this.voice.wanted = false;
    this.parted();
    this.messages.show("ended", message);
  }

  /** @param {import("./connection.js").Failure} failure @param {number} seconds until another try; 0: there is none */
  async failed(failure, seconds) {
    this.parted();
    if (failure.kind === "sign-in") await this.entrance.learn();
    if (this.entrance.locked) this.askIn();
    else this.messages.show(failure.kind, failureMessage(failure, seconds, () => this.connect(), () => this.end()));
  }

  askIn() {
    this.messages.hide();
    this.view.tab("talk");
    this.entrance.ask();
  }

  /** What was begun before goes on. */
  signedIn() {
    this.turns.follower.follow();
    if (this.writing.waits || this.voice.wanted) this.connect();
  }

  /** Nothing is under way any more. */
  parted() {
    this.trouble.stop();
    this.speaker.clear();
    this.figures.end();
    this.answering.stop();
    for (const turn of this.conversation.end()) this.turns.changed(turn);
    this.session = this.mute = false;
    this.stage.know({ connecting: false, connected: false });
    this.sounds(false);
    this.voice.end();
    this.rest();
  }

  /** @param {boolean} isHeldBack whether the browser or the system keeps the page from sounding and hearing */
  heldBack(isHeldBack) {
    if (isHeldBack) this.messages.show("held-back", heldBackMessage(() => void wake()));
    else this.messages.hide("held-back");
  }

  /** Let the sound card go, once what is in it has been heard. */
  rest() {
    const { facts } = this.stage;
    setTimeout(() => facts.connected || facts.connecting || this.replay.turn || sleep(), 1000);
  }

  // --- what the person does ------------------------------------------------------------------------------------

  /** The talk button, when it is not one to be held. */
  pressed() {
    if (this.stage.facts.connecting) this.end();
    else this.toggleMicrophone();
  }

  start() {
    this.voice.wanted = true;
    this.connect();
  }

  toggleMicrophone() {
    if (this.mute) return;
    if (this.stage.facts.connected) void this.voice.toggle();
    else if (!this.stage.facts.connecting) this.start();
  }

  hold() {
    if (this.mute) return;
    this.interrupt();
    void this.voice.hold();
  }

  /** The person cuts the answer short: the loudspeaker is silent at once, and the engine hears of it. */
  interrupt() {
    const { sounding, answering } = this.stage.facts;
    this.speaker.stopReplay();
    if (sounding) this.speaker.mute(this.answering.responses);
    if (sounding || answering) this.connection.send({ type: "output_audio_buffer.clear" });
  }

  write() {
    this.view.tab("talk");
    get("text").focus();
  }

  written() {
    this.turns.follower.follow();
    if (this.session) this.writing.send();
    else this.connect();
  }

  /** @param {string} text */
  tell(text) {
    this.interrupt();
    const item = { type: "message", role: "user", content: [{ type: "input_text", text }] };
    this.connection.send({ type: "conversation.item.create", item });
    this.ask();
  }

  /** The model is to answer. @param {number} [at] since when, by `performance.now()` */
  ask(at = performance.now()) {
    if (!this.connection.open) return; // nobody would
    this.awaits(at);
    this.connection.send({ type: "response.create" });
    this.stage.know();
  }

  /** An answer is to come. @param {number} at since when */
  awaits(at) {
    this.answering.expected = true;
    this.figures.asked(at);
  }

  /** @param {Turn | null} turn @param {number} ms */
  replayed(turn, ms) {
    this.turns.played(turn, ms);
    if (!turn) this.rest();
  }

  /** @param {Turn} turn */
  removed(turn) {
    if (this.replay.turn === turn) this.speaker.stopReplay();
    this.turns.removed(turn);
  }

  // --- what the engine says ------------------------------------------------------------------------------------

  /** @param {string} text */
  said(text) {
    if (typeof text !== "string") return; // a binary frame: the protocol has none in this direction
    const event = JSON.parse(text);
    const at = this.figures.now();
    this.inspector.add(at, "down", event, text.length);
    this.turns.changed(this.conversation.apply(event, at));
    for (const turn of this.conversation.surplus()) this.removed(turn);
    consequences[event.type]?.(this, event);
  }

  /** @param {boolean} sounding whether speech of the model is heard */
  sounds(sounding) {
    if (sounding === this.stage.facts.sounding) return;
    this.stage.know({ sounding });
    this.turns.modelSpeaks(sounding);
  }

  /** What somebody said, kept for playing it again. @param {string} item @param {Int16Array | null} samples @param {"user" | "assistant"} who */
  keep(item, samples, who) {
    if (!samples?.length) return;
    for (const turn of this.conversation.hear(item, samples, this.figures.now(), who)) this.turns.changed(turn);
  }

  /** What was half said is heard again by the model's next connection. @param {import("./messages.js").Message} message */
  upstreamLost(message) {
    for (const item of this.voice.restart()) this.deleting.gone(item);
    for (const turn of this.conversation.breakOff()) this.turns.changed(turn);
    this.stage.know({ hearing: false });
    this.trouble.upstreamLost(message);
  }

  /** The session is so now. @param {any} session */
  sessionIs({ audio }) {
    this.conversation.transcribes = Boolean(audio?.input?.transcription);
    this.responds = audio?.input?.turn_detection?.create_response !== false;
    const formats = [audio?.input?.format?.type, audio?.output?.format?.type];
    const other = formats.find((format) => format && format !== "audio/pcm");
    if (other && !this.mute) this.messages.show("format", formatMessage(other));
    this.mute = Boolean(other);
    if (this.mute) this.voice.end();
  }

  /** @param {any} error */
  failedWith(error) {
    this.answering.expected = false;
    this.stage.know();
    this.deleting.failed(error);
    if (!this.settings.refused(error)) this.trouble.error(error);
  }
}

new Page();
performance.mark("ready");
