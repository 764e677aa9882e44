// @ts-check
/** What the person may choose: how turns are taken, transcript, voice, instructions, devices. What is pinned is locked. */
import { get, icon, make, recall, remember, say, sentence } from "./page.js";
import { Speaker } from "./speaker.js";

const VOICES = ["alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse"];
const SPOKEN = "cannot_update_voice"; // once there is speech of the model
const TRANSCRIBER = "gpt-4o-mini-transcribe";
const BY_OPERATOR = "set by the operator"; // where no reason is given

/** The fields of the form, and where each stands in the session. */
const PATHS = {
  turns: "audio.input.turn_detection",
  transcription: "audio.input.transcription",
  voice: "audio.output.voice",
  instructions: "instructions",
};

/** @typedef {keyof typeof PATHS} Field */

export class Settings {
  /** @type {Map<Field, object>} */ #wishes = new Map();
  /** @type {any} */ #session = {};
  #locked = new Set();
  /** @type {string | null} */ #awaited = null; // whose turn it shall be, as long as the server has not said so

  /**
   * @param {object} on
   * @param {(id: string, session: object) => void} on.update
   * @param {() => void} on.turns whose turn it is has changed
   * @param {() => void} on.microphone
   * @param {(deviceId: string) => void} on.speaker
   * @param {() => void} on.speakerGone the one that was chosen is no longer plugged in
   */
  constructor(on) {
    this.on = on;
    this.form = get("wishes");
    this.form.addEventListener("submit", (/** @type {Event} */ event) => event.preventDefault());
    this.form.addEventListener("change", (/** @type {any} */ event) => this.#changed(event.target));
    this.form.addEventListener("input", () => this.#tell());
    get("voice").append(...VOICES.map((voice) => make("option", {}, voice)));
    get("processing").checked = recall("processing") !== "off";
    const canChoose = Speaker.selectable;
    get("speaker").disabled = !canChoose;
    get("no-speakers").hidden = canChoose;
    navigator.mediaDevices?.addEventListener("devicechange", () => this.devices());
    this.#tell();
  }

  /** All that is told of choices is there: those of the last time count. */
  ready() {
    void this.devices();
  }

  /** Push-to-talk. */
  get manual() {
    return this.form.elements.turns.value === "none";
  }

  /** Which microphone, and how it should sound. */
  get choice() {
    const deviceId = get("microphone").value || recall("microphone-id") || ""; // which is not listed before one was allowed
    return { deviceId, processing: get("processing").checked };
  }

  /** Lock what the operator has pinned or not opened. @param {Record<string, string>} pinned @param {"all" | "none" | string[]} maySet */
  lock(pinned, maySet) {
    for (const [field, path] of Object.entries(PATHS)) {
      const reason = reasonFor(path, pinned, maySet);
      const box = this.#box(path);
      box.disabled = reason !== null;
      box.querySelector(".lock")?.remove();
      if (reason === null) this.#locked.delete(field);
      else this.#locked.add(field);
      const later = make("span", { className: "later" }, " It is shown here once you are connected.");
      if (reason !== null) box.append(make("p", { className: "lock" }, icon("lock"), make("span", {}, sentence(reason || BY_OPERATOR), later)));
    }
  }

  /** The session has begun: what was wished for is asked for. @param {any} session */
  begin(session) {
    if (!this.#wishes.has("transcription") && get("transcribe").checked && !session.audio?.input?.transcription) {
      this.#wishes.set("transcription", transcription(true));
    }
    for (const [field, wish] of this.#wishes) this.#ask(field, wish);
    this.show(session);
  }

  /** The session is so now. @param {any} session */
  show(session) {
    this.#session = session;
    const { input = {}, output = {} } = session.audio ?? {};
    this.expect({
      [PATHS.turns]: input.turn_detection,
      [PATHS.transcription]: input.transcription ?? null,
      [PATHS.voice]: output.voice,
      [PATHS.instructions]: session.instructions ?? "",
    });
    for (const later of this.form.querySelectorAll(".later")) later.remove(); // what the session leaves out does not come
  }

  /** Some fields are so, or will be. @param {Record<string, any>} fields by path; undefined: it is not known */
  expect(fields) {
    for (const path of Object.values(PATHS)) if (fields[path] !== undefined) this.#box(path).dataset.known = "";
    const { [PATHS.turns]: turns, [PATHS.transcription]: transcript, [PATHS.voice]: voice, [PATHS.instructions]: instructions } = fields;
    this.#showTurns(turns);
    if (transcript !== undefined && this.#follows("transcription")) get("transcribe").checked = Boolean(transcript);
    if (voice && this.#follows("voice")) this.#showVoice(voice.id ?? voice);
    if (instructions !== undefined && document.activeElement !== get("instructions") && this.#follows("instructions")) get("instructions").value = instructions;
    this.#tell();
  }

  /** Whether a field shows what holds, rather than what is wished for. @param {Field} field */
  #follows(field) {
    return this.#locked.has(field) || !this.#wishes.has(field);
  }

  /** @param {string} path */
  #box(path) {
    return this.form.querySelector(`[data-path="${path}"]`);
  }

  /** The server refused a wish: what is shown is what holds. @param {any} error @returns {boolean} whether it was one */
  refused({ event_id, code, message }) {
    const field = /** @type {Field} */ (/^page_(\w+)_/.exec(event_id ?? "")?.[1]);
    if (!(field in PATHS)) return false;
    const isSpoken = code === SPOKEN;
    if (!isSpoken) this.#wishes.delete(field);
    if (field === "turns") this.#awaited = null;
    if (!isSpoken && field !== "instructions") this.show(this.#session);
    this.#problem(field, isSpoken ? "From the next conversation on: the model has already spoken." : message);
    return true;
  }

  /** The devices there are; their names only once a microphone was allowed. */
  async devices() {
    const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
    const speaker = get("speaker");
    const before = speaker.value;
    fill(get("microphone"), devices.filter((each) => each.kind === "audioinput"), "microphone-id");
    fill(speaker, devices.filter((each) => each.kind === "audiooutput"), "speaker-id");
    if (before && !speaker.value) this.on.speakerGone();
    else if (speaker.value !== before) this.on.speaker(speaker.value);
  }

  /** @param {any} target */
  #changed(target) {
    const { id, name } = target;
    if (id === "microphone" || id === "processing") {
      remember("microphone-id", get("microphone").value);
      remember("processing", get("processing").checked ? "on" : "off");
      this.on.microphone();
    } else if (id === "speaker") {
      remember("speaker-id", target.value);
      this.on.speaker(target.value);
    } else if (id === "transcribe") {
      this.#wish("transcription", transcription(target.checked));
    } else if (id === "voice") {
      this.#wish("voice", { audio: { output: { voice: target.value } } });
    } else if (id === "instructions") {
      this.#wish("instructions", { instructions: target.value });
    } else if (name || ["silence", "threshold", "eagerness", "interrupts"].includes(id)) {
      this.#wish("turns", { audio: { input: { turn_detection: this.#turnDetection() } } });
      this.on.turns();
    }
    this.#tell();
  }

  /** @param {Field} field @param {object} session */
  #wish(field, session) {
    this.#problem(field, "");
    this.#wishes.set(field, session);
    this.#ask(field, session);
  }

  /** @param {Field} field @param {object} session */
  #ask(field, session) {
    if (this.#locked.has(field)) return;
    if (field === "turns") this.#awaited = /** @type {any} */ (session).audio.input.turn_detection?.type ?? "none";
    this.on.update(`page_${field}_${Date.now()}`, { type: "realtime", ...session });
  }

  #turnDetection() {
    const type = this.form.elements.turns.value;
    const interrupts = get("interrupts").checked;
    if (type === "none") return null;
    if (type === "semantic_vad") return { type, eagerness: get("eagerness").value, create_response: true, interrupt_response: interrupts };
    return {
      type,
      threshold: Number(get("threshold").value),
      silence_duration_ms: Number(get("silence").value),
      create_response: true,
      interrupt_response: interrupts,
    };
  }

  /** @param {any} detection */
  #showTurns(detection) {
    if (detection === undefined) return;
    const type = detection?.type ?? "none";
    if (this.#awaited !== null && this.#awaited !== type) return; // said before the wish was heard: who holds a button is not to be heard without
    this.#awaited = null;
    this.form.elements.turns.value = type;
    if (detection?.silence_duration_ms !== undefined) get("silence").value = detection.silence_duration_ms;
    if (detection?.threshold !== undefined) get("threshold").value = detection.threshold;
    if (detection?.eagerness) get("eagerness").value = detection.eagerness;
    if (detection) get("interrupts").checked = detection.interrupt_response ?? true;
    this.on.turns();
  }

  /** @param {string} voice */
  #showVoice(voice) {
    const select = get("voice");
    if (![...select.options].some((option) => option.value === voice)) select.append(make("option", {}, voice));
    select.value = voice;
  }

  #tell() {
    const type = this.form.elements.turns.value;
    for (const part of this.form.querySelectorAll("[data-for]")) part.hidden = !part.dataset.for.includes(type);
    say(get("silence-told"), `${(get("silence").value / 1000).toFixed(2)} s`);
    say(get("threshold-told"), Number(get("threshold").value).toFixed(2));
  }

  /** @param {Field} field @param {string} text */
  #problem(field, text) {
    const box = this.#box(PATHS[field]);
    box.querySelector(".problem")?.remove();
    if (text) box.append(make("p", { className: "problem", role: "status" }, text));
  }
}

/** @param {boolean} on */
function transcription(on) {
  return { audio: { input: { transcription: on ? { model: TRANSCRIBER } : null } } };
}

/** Why a field is locked; null: it is not. @param {string} path @param {Record<string, string>} pinned @param {"all" | "none" | string[]} maySet */
export function reasonFor(path, pinned, maySet) {
  const covers = (/** @type {string} */ one, /** @type {string} */ other) => other === one || other.startsWith(`${one}.`);
  const pin = Object.keys(pinned).find((each) => covers(each, path) || covers(path, each));
  if (pin) return pinned[pin];
  if (maySet === "all" || (maySet !== "none" && maySet.some((each) => covers(each, path)))) return null;
  return "";
}

/** @param {any} select @param {MediaDeviceInfo[]} devices @param {string} key under which the choice is remembered */
function fill(select, devices, key) {
  const named = devices.filter((each) => each.deviceId && each.deviceId !== "default");
  const chosen = recall(key) ?? "";
  const options = named.map((each, n) => make("option", { value: each.deviceId }, each.label || `Device ${n + 1}`));
  select.replaceChildren(make("option", { value: "" }, "As the system says"), ...options);
  select.value = named.some((each) => each.deviceId === chosen) ? chosen : "";
}
