// A conversation over any of the four classes of the `openai` package: each sends and emits the events as they are.

import { ASKED, HELLO, WEATHER, nothingYet } from "./turns.mjs";

/** What is called differently in the two generations of the API. */
export const GA = {
  words: "response.output_audio_transcript.delta",
  sound: "response.output_audio.delta",
  session: { type: "realtime", tools: [WEATHER] },
};
export const BETA = {
  words: "response.audio_transcript.delta",
  sound: "response.audio.delta",
  session: { modalities: ["text", "audio"], voice: "alloy", temperature: 0.8, tools: [WEATHER] },
};

/** Hold it in the words of a generation; `speech` is PCM16 in pieces of base64. */
export async function hold(realtime, generation, speech) {
  const heard = nothingYet();
  let words = "";
  let sound = [];
  realtime.on("error", (error) => heard.errors.push(error.message));
  realtime.on(generation.words, (event) => (words += event.delta));
  realtime.on(generation.sound, (event) => sound.push(event.delta));

  async function answered() {
    words = "";
    sound = [];
    const { response } = await realtime.emitted("response.done");
    if (response.status !== "completed") throw new Error(`the response is ${response.status}`);
    return response;
  }

  function create(item) {
    realtime.send({ type: "conversation.item.create", item });
    realtime.send({ type: "response.create" });
    return answered();
  }

  function write(text) {
    return create({ type: "message", role: "user", content: [{ type: "input_text", text }] });
  }

  await realtime.emitted("session.created");
  await write(HELLO);
  heard.typed = words;
  heard.voiced = sound;

  for (const audio of speech) realtime.send({ type: "input_audio_buffer.append", audio });
  await answered();
  heard.spoken = sound;

  realtime.send({ type: "session.update", session: generation.session });
  const { output } = await write(ASKED);
  const { city } = JSON.parse(output[0].arguments);
  heard.called.push(city);
  await create({ type: "function_call_output", call_id: output[0].call_id, output: `fine in ${city}` });
  heard.after = words;

  realtime.close();
  return heard;
}
