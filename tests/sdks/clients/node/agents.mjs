// `@openai/agents-realtime`: a session over its own WebSocket transport, with a function of its own. The key is in a header,
// or in a subprotocol where it is in a browser.

import { OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession, tool } from "@openai/agents-realtime";
import { z } from "zod";
import { ASKED, HELLO, fromBase64, nothingYet, toBase64 } from "./turns.mjs";

export async function converse({ http, token, speech }) {
  const heard = nothingYet();
  const weather = tool({
    name: "get_weather",
    description: "The weather of a city.",
    parameters: z.object({ city: z.string() }),
    execute: async ({ city }) => {
      heard.called.push(city);
      return `fine in ${city}`;
    },
  });
  const agent = new RealtimeAgent({ name: "Assistant", instructions: "Be brief.", tools: [weather] });
  const url = `${http.replace("http", "ws")}/v1/realtime?model=gpt-realtime`;
  const transport = new OpenAIRealtimeWebSocket({ url, useInsecureApiKey: true });
  const session = new RealtimeSession(agent, { transport, model: "gpt-realtime" });

  let sound = [];
  let answered = () => {};
  session.on("error", (error) => heard.errors.push(JSON.stringify(error)));
  session.on("audio", (event) => sound.push(toBase64(event.data)));
  session.on("agent_end", (_context, _agent, output) => answered(output));

  function answer() {
    sound = [];
    return new Promise((resolve) => (answered = resolve));
  }

  await session.connect({ apiKey: token });

  let turn = answer();
  session.sendMessage(HELLO);
  heard.typed = await turn;
  heard.voiced = sound;

  turn = answer();
  for (const piece of speech) session.sendAudio(fromBase64(piece));
  await turn;
  heard.spoken = sound;

  turn = answer();
  session.sendMessage(ASKED);
  heard.after = await turn;
  if (!heard.after) heard.after = await answer(); // the first answer was the call alone

  session.close();
  return heard;
}
