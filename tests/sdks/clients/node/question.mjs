// A spoken question, and the silence after it: PCM16 at 24 kHz, in pieces of 100 ms.

import { readFileSync } from "node:fs";

const wav = readFileSync(new URL("../../../../examples/question.wav", import.meta.url));
const speech = wav.subarray(wav.indexOf("data") + 8);
const sound = Buffer.concat([speech, Buffer.alloc(48_000)]);

export const question = [];
for (let at = 0; at < sound.length; at += 4800) question.push(sound.subarray(at, at + 4800));

/** Print what was heard, as one line for `tests/sdks/others.py`, and end. */
export function report(heard) {
  process.stdout.write(`${JSON.stringify(heard)}\n`, () => process.exit(0));
}
