// What every client is made to do: to write, to speak, and to answer a function call; and how it tells what it has heard.

export const HELLO = "Hello?";
export const ASKED = "How is the weather?";
export const WEATHER = {
  type: "function",
  name: "get_weather",
  description: "The weather of a city.",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false },
};

/** What `tests/sdks/heard.py` judges: words, and sound as pieces of PCM16 in base64. */
export function nothingYet() {
  return { typed: "", voiced: [], spoken: [], called: [], after: "", errors: [] };
}

export function toBase64(buffer) {
  return btoa(String.fromCharCode(...new Uint8Array(buffer)));
}

export function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer;
}
