// @ts-check
/** The page: puts its parts together. What a part does is in its own file; what follows from what, here. */
import { Connection, about, signIn } from "./connection.js";
import { Conversation, heardAudio } from "./conversation.js";
import { Inspector } from "./events.js";
import { wireKeys, wireTalk } from "./keys.js";
import { Messages, closeMessage, errorMessage, failureMessage, microphoneMessage, upstreamMessage } from "./messages.js";
import { Microphone, MicrophoneError } from "./microphone.js";
import { clock, get, say, short } from "./page.js";
import { Recent } from "./recent.js";
import { Settings } from "./settings.js";
import { decode, level, peaks, sleep } from "./sound.js";
import { Speaker } from "./speaker.js";
import { hintFor, stateOf, wordFor } from "./talk.js";
import { Turns } from "./turns.js";
import { View } from "./view.js";
import { LiveWaveform } from "./waveform.js";

/** @typedef {import("./conversation.js").Turn} Turn */

const TAIL = 100; // milliseconds that the microphone is heard after the button is let go: a word's end
const SHORTEST = 150; // milliseconds: what is shorter was no turn

/** Errors that are races, and need nobody's attention. */
const HARMLESS = new Set([
  "response_cancel_not_active",
  "conversation_already_has_active_response",
  "input_audio_buffer_commit_empty",
  "item_truncate_invalid_item_id",
  "item_delete_invalid_item_id",
]);

class Page {
  /** @type {import("./talk.js").Facts} */
  facts = { connecting: false, connected: false, microphone: false, manual: false, held: false, hearing: false, answering: false, sounding: false };
  conversation = new Conversation();
  recent = new Recent();
  view = new View();
  messages = new Messages();
  inspector = new Inspector();
  /** @type {Set<string>} */ responses = new Set();
  /** @type {Map<string, number>} */ spans = new Map();
  /** @type {any[]} */ waiting = [];
  began = 0; // when the conversation began, in the page's milliseconds
  stopped = 0; // when the person stopped speaking, until the answer is heard
  tokens = { total: 0, input: 0, output: 0 };
  expecting = false;
  wantsMicrophone = false;
  session = false; // whether the model is there
  holding = 0; // since when, in the page's milliseconds
  heldFrom = 0; // since when, in sent milliseconds
  error = /** @type {any} */ (null); // the last that may explain a close

  constructor() {
    this.connection = new Connection({
      connecting: () => this.know({ connecting: true }),
      opened: () => this.opened(),
      said: (text) => this.said(text),
      sent: (text, bytes) => this.inspector.add(this.now(), "up", text === null ? { type: "microphone audio" } : JSON.parse(text), bytes),
      ended: (code, reason) => this.ended(code, reason),
      failed: (failure, seconds) => void this.failed(failure, seconds),
    });
    this.microphone = new Microphone(
      (samples) => this.heard(samples),
      () => this.microphoneLost(),
    );
    this.speaker = new Speaker({
      played: (item_id, content_index, audio_ms, cleared_event_id) => this.connection.send({ type: "output_audio_buffer.played", item_id, content_index, audio_ms, cleared_event_id }),
      began: (_item, _response, delay) => this.answerBegan(delay),
      sounding: (sounding) => this.know({ sounding }),
      peaks: (pairs) => this.loud(this.modelWave, pairs, this.facts.sounding),
      replayed: (ms) => this.turns.played(ms === null ? null : this.replaying, ms ?? 0),
    });
    this.settings = new Settings({
      update: (event_id, session) => this.session && this.connection.send({ type: "session.update", event_id, session }),
      turns: () => this.know({ manual: this.settings.manual }),
      microphone: () => this.microphone.on && void this.startMicrophone(),
      speaker: (deviceId) => void this.speaker?.use(deviceId),
    });
    this.turns = new Turns(this.conversation, { play: (turn) => void this.replay(turn), remove: (turn) => this.remove(turn) });
    this.myWave = new LiveWaveform(get("wave-you"));
    this.modelWave = new LiveWaveform(get("wave-model"));
    /** @type {Turn | null} */
    this.replaying = null;
    this.wire();
    this.know({ manual: this.settings.manual });
    void this.learn();
  }

  wire() {
    wireTalk({ manual: () => this.facts.connected && this.facts.manual, press: () => this.pressed(), hold: () => void this.hold(), release: () => void this.release() });
    const events = () => this.view.toggleEvents();
    wireKeys(
      { m: () => void this.toggleMicrophone(), "/": () => this.write(), e: events, "?": () => this.view.keys() },
      () => this.view.close() || this.interrupt(),
    );
    get("mic").addEventListener("click", () => void this.toggleMicrophone());
    get("interrupt").addEventListener("click", () => this.interrupt());
    get("end").addEventListener("click", () => this.end());
    get("compose").addEventListener("submit", (/** @type {Event} */ event) => this.submit(event));
    get("sign-in").addEventListener("submit", (/** @type {Event} */ event) => void this.signIn(event));
    for (const change of ["theme", "visibilitychange"]) document.addEventListener(change, () => this.refresh());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.refresh());
    setInterval(() => this.tick(), 1000);
  }

  // --- before the conversation ---------------------------------------------------------------------------------

  /** Ask the server who it is. */
  async learn() {
    const server = await about();
    if (!server) return;
    const needsToken = server.token_required && !server.signed_in;
    get("sign-in").hidden = !needsToken;
    document.body.toggleAttribute("data-locked", needsToken);
    if (needsToken) return;
    this.serverIs(server);
  }

  /** @param {import("./connection.js").About} server */
  serverIs({ version, upstream, recorded, pinned, may_set }) {
    if (version) say(get("version"), `Realtime engine ${version}`);
    if (upstream) this.upstreamIs(upstream);
    get("recorded").hidden = !recorded;
    this.settings.lock(pinned ?? {}, may_set ?? "all");
  }

  /** @param {string} name */
  upstreamIs(name) {
    const isInside = name === "local";
    say(get("upstream"), isInside ? "embedded model" : name);
    const model = isInside ? "the model that is embedded in it" : `the model at ${name}`;
    const recorded = get("recorded").hidden ? "" : " The conversation is recorded there.";
    say(get("where"), `Your voice goes to ${location.host} and from there to ${model}.${recorded}`);
  }

  /** @param {Event} event */
  async signIn(event) {
    event.preventDefault();
    const problem = await signIn(get("token").value);
    say(get("sign-in-problem"), problem);
    if (problem) {
      get("token").select();
      return;
    }
    get("token").value = "";
    await this.learn();
    get("talk").focus();
  }

  // --- the connection ------------------------------------------------------------------------------------------

  connect() {
    this.messages.hide();
    if (document.body.hasAttribute("data-locked")) {
      get("token").focus();
      return;
    }
    this.view.begin();
    this.connection.connect();
    this.speaker.open().catch(() => {}); // without a loudspeaker there are still words
  }

  opened() {
    this.messages.hide();
    this.began = performance.now();
    this.turns.divide();
    this.conversation.begin();
    this.recent.restart();
    this.spans.clear();
    this.speaker.forget();
    this.know({ connecting: false, connected: true });
    if (this.wantsMicrophone) void this.startMicrophone();
  }

  /** The person ends it. */
  end() {
    this.connection.disconnect();
    this.wantsMicrophone = false;
    this.parted();
  }

  /** Nothing is under way any more. */
  parted() {
    this.microphone.stop();
    this.speaker.clear();
    this.responses.clear();
    this.session = this.expecting = false;
    this.stopped = this.holding = 0;
    this.know({ connecting: false, connected: false, microphone: false, held: false, hearing: false, sounding: false });
    setTimeout(() => this.facts.connected || this.facts.connecting || this.replaying || sleep(), 1000);
  }

  /** @param {number} code @param {string} reason */
  ended(code, reason) {
    const again = () => this.start();
    const message = this.error ? errorMessage(this.error, again) : closeMessage(code, reason, again);
    this.error = null;
    this.wantsMicrophone = false;
    this.parted();
    this.messages.show("ended", message);
  }

  /** @param {import("./connection.js").Failure} failure @param {number} seconds */
  async failed(failure, seconds) {
    this.parted();
    if (failure.kind === "sign-in") {
      await this.learn();
      get("token").focus();
      return;
    }
    if (!seconds) this.wantsMicrophone &&= failure.kind === "full";
    this.messages.show(failure.kind, failureMessage(failure, seconds, () => this.connect()));
    if (seconds) this.know({ connecting: false });
  }

  // --- what the person does ------------------------------------------------------------------------------------

  /** The talk button, when it is not one to be held. */
  pressed() {
    if (this.facts.connecting) this.end();
    else if (this.facts.connected) void this.toggleMicrophone();
    else this.start();
  }

  start() {
    this.wantsMicrophone = !document.body.hasAttribute("data-locked");
    this.connect();
  }

  async toggleMicrophone() {
    if (!this.facts.connected) {
      if (!this.facts.connecting) this.start();
      return;
    }
    this.wantsMicrophone = !this.microphone.on;
    if (this.wantsMicrophone) await this.startMicrophone();
    else await this.stopMicrophone();
  }

  async startMicrophone() {
    this.messages.hide("microphone");
    try {
      const on = await this.microphone.start(this.settings.choice);
      if (!on) return;
      if (!this.facts.connected) this.microphone.stop();
      void this.settings.devices();
    } catch (error) {
      this.wantsMicrophone = false;
      const kind = error instanceof MicrophoneError ? error.kind : "busy";
      this.messages.show("microphone", microphoneMessage(kind, () => this.tryMicrophone()));
    }
    this.know({ microphone: this.microphone.on });
  }

  tryMicrophone() {
    this.wantsMicrophone = true;
    if (this.facts.connected) void this.startMicrophone();
    else this.start();
  }

  async stopMicrophone() {
    await this.microphone.flush();
    this.microphone.stop();
    this.connection.send({ type: "input_audio_buffer.stopped" });
    this.know({ microphone: false, hearing: false });
  }

  microphoneLost() {
    this.wantsMicrophone = false;
    this.connection.send({ type: "input_audio_buffer.stopped" });
    this.know({ microphone: false, hearing: false });
    this.messages.show("microphone", microphoneMessage("lost", () => this.tryMicrophone()));
  }

  /** Push-to-talk begins. */
  async hold() {
    this.holding = performance.now();
    this.heldFrom = this.recent.ms;
    this.silence();
    this.know({ held: true });
    if (this.microphone.on) return;
    this.wantsMicrophone = true;
    await this.startMicrophone();
  }

  /** Push-to-talk ends: what was said is a turn. */
  async release() {
    if (!this.facts.held) return;
    const held = performance.now() - this.holding;
    this.stopped = performance.now();
    await new Promise((resolve) => setTimeout(resolve, TAIL));
    await this.microphone.flush();
    this.know({ held: false });
    if (held < SHORTEST || this.recent.ms - this.heldFrom < SHORTEST) {
      this.stopped = 0;
      this.connection.send({ type: "input_audio_buffer.clear" });
      return;
    }
    this.connection.send({ type: "input_audio_buffer.commit" });
    this.ask();
  }

  /** The model is to answer. */
  ask() {
    this.expecting = true;
    this.connection.send({ type: "response.create" });
    this.know({});
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
    if (!text || document.body.hasAttribute("data-locked")) return;
    get("text").value = "";
    this.turns.follower.follow();
    this.waiting.push(text);
    if (this.session) this.sendText();
    else this.connect();
  }

  sendText() {
    for (const text of this.waiting.splice(0)) {
      this.interrupt();
      this.connection.send({ type: "conversation.item.create", item: { type: "message", role: "user", content: [{ type: "input_text", text }] } });
      this.ask();
    }
  }

  /** @param {Turn} turn */
  async replay(turn) {
    const isPlaying = this.replaying === turn;
    this.speaker.stopReplay();
    this.replaying = null;
    if (isPlaying || this.facts.sounding) return;
    const pieces = heardAudio(turn);
    if (!pieces.length) return;
    this.replaying = turn;
    await this.speaker.replay(pieces);
  }

  /** @param {Turn} turn */
  remove(turn) {
    if (turn.old || !this.facts.connected) this.gone(turn.id);
    else this.connection.send({ type: "conversation.item.delete", item_id: turn.id });
  }

  /** @param {string} id */
  gone(id) {
    const turn = this.conversation.remove(id);
    if (turn) this.turns.removed(turn);
  }

  // --- sound ---------------------------------------------------------------------------------------------------

  /** 20 ms of the microphone. @param {Int16Array<ArrayBuffer>} samples */
  heard(samples) {
    this.loud(this.myWave, peaks([samples], 2), !this.facts.sounding);
    if (!this.facts.connected || (this.facts.manual && !this.facts.held)) return;
    this.recent.add(samples);
    this.connection.sendAudio(samples);
  }

  /** @param {LiveWaveform} wave @param {ArrayLike<number>} pairs @param {boolean} ring whether the ring follows it */
  loud(wave, pairs, ring) {
    wave.push(pairs);
    if (ring) this.view.level(level(pairs));
  }

  /** @param {number} delay ms until it reaches the ear */
  answerBegan(delay) {
    if (!this.stopped) return;
    const ms = Math.round(performance.now() + delay - this.stopped);
    this.stopped = 0;
    get("latency").hidden = false;
    say(get("latency"), `${ms} ms`);
  }

  // --- what the engine says ------------------------------------------------------------------------------------

  /** @param {string} text */
  said(text) {
    if (typeof text !== "string") return; // a binary frame: the protocol has none in this direction
    const event = JSON.parse(text);
    const at = this.now();
    this.inspector.add(at, "down", event, text.length);
    this.turns.changed(this.conversation.apply(event, at));
    HANDLERS[event.type]?.(this, event);
  }

  /** What somebody said, kept for playing it again. @param {string} item @param {number} end ms */
  keepSpeech(item, end) {
    const start = this.spans.get(item);
    this.spans.delete(item);
    const samples = start === undefined ? null : this.recent.between(start, end);
    if (samples?.length) this.turns.changed(this.conversation.hear(item, samples, this.now(), "user"));
  }

  /** @param {any} usage */
  used(usage) {
    if (!usage) return;
    this.tokens.total += usage.total_tokens ?? 0;
    this.tokens.input += usage.input_tokens ?? 0;
    this.tokens.output += usage.output_tokens ?? 0;
    get("usage").hidden = false;
    say(get("usage"), `${short(this.tokens.total)} tokens`);
    get("usage").title = `${this.tokens.input} in, ${this.tokens.output} out`;
  }

  // --- what is shown -------------------------------------------------------------------------------------------

  /** Something is known now; the rest follows. @param {Partial<typeof this.facts>} news */
  know(news) {
    Object.assign(this.facts, news);
    this.facts.answering = this.responses.size > 0 || this.expecting;
    const state = stateOf(this.facts);
    const { connected, connecting, manual, microphone } = this.facts;
    this.view.state(state, wordFor(state, manual), hintFor(state, manual, microphone), manual && connected);
    get("end").disabled = !connected && !connecting;
    get("interrupt").disabled = !this.facts.sounding && !this.facts.answering;
    get("mic").setAttribute("aria-pressed", String(microphone));
    get("mic-icon").setAttribute("href", microphone ? "#i-listening" : "#i-muted");
    say(get("live-word"), connected ? "live" : connecting ? "connecting" : "not connected");
    if (!connected) say(get("clock"), "");
    if (state === "off" || state === "muted" || state === "thinking") this.view.level(0);
  }

  tick() {
    if (this.facts.connected) say(get("clock"), clock(this.now()));
  }

  refresh() {
    this.myWave.refresh();
    this.modelWave.refresh();
  }

  /** Seconds since the conversation began. */
  now() {
    return this.began ? (performance.now() - this.began) / 1000 : 0;
  }
}

/** What follows from an event, beside what it does to the conversation. @type {Record<string, (page: Page, event: any) => void>} */
const HANDLERS = {
  "engine.session": (page, { upstream, pinned, may_set }) => {
    if (upstream) page.upstreamIs(upstream);
    page.settings.lock(pinned ?? {}, may_set ?? "all");
  },
  "session.created": (page, { session }) => {
    page.session = true;
    page.settings.begin(session);
    page.sendText();
  },
  "session.updated": (page, { session }) => page.settings.show(session),
  "input_audio_buffer.speech_started": (page, { item_id, audio_start_ms }) => {
    page.spans.set(item_id, audio_start_ms);
    page.stopped = 0;
    page.expecting = false;
    page.know({ hearing: true });
  },
  "input_audio_buffer.speech_stopped": (page, { item_id, audio_end_ms }) => {
    page.stopped = performance.now();
    page.expecting = true;
    page.keepSpeech(item_id, audio_end_ms);
    page.know({ hearing: false });
  },
  "input_audio_buffer.committed": (page, { item_id }) => {
    if (page.facts.manual && !page.spans.has(item_id)) page.spans.set(item_id, page.heldFrom);
    page.keepSpeech(item_id, page.recent.ms);
    page.know({ hearing: false });
  },
  "conversation.item.deleted": (page, { item_id }) => page.gone(item_id),
  "response.created": (page, { response }) => {
    page.messages.hide("error");
    page.expecting = false;
    page.responses.add(response.id);
    page.know({});
  },
  "response.done": (page, { response }) => {
    page.responses.delete(response.id);
    page.expecting = response.status === "completed" && response.output?.some((/** @type {any} */ item) => item.type === "function_call");
    page.used(response.usage);
    if (response.status === "failed") page.messages.show("error", errorMessage(response.status_details?.error ?? {}, () => page.ask(), "Ask again"));
    page.know({});
  },
  "response.output_audio.delta": (page, { item_id, content_index, response_id, delta }) => {
    const samples = decode(delta);
    page.turns.changed(page.conversation.hear(item_id, samples, page.now(), "assistant"));
    page.speaker.add({ item: item_id, part: content_index ?? 0, response: response_id ?? "" }, samples);
  },
  "output_audio_buffer.cleared": (page, { event_id }) => page.speaker.clear(event_id),
  "engine.upstream": (page, { state, retry_in }) => {
    if (state === "connected") {
      page.messages.hide("upstream");
      return;
    }
    page.recent.restart(); // the next connection counts from its own beginning
    page.messages.show("upstream", upstreamMessage(retry_in ?? 0));
  },
  error: (page, { error }) => {
    page.expecting = false;
    page.know({});
    if (HARMLESS.has(error.code) || page.settings.refused(error.event_id, error.message)) return;
    page.error = error;
    setTimeout(() => (page.error = null), 2000); // a close that comes later has another reason
    page.messages.show("error", { ...errorMessage(error, () => page.start()), act: undefined });
  },
};

new Page();
performance.mark("ready");
