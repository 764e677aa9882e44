// `@openai/agents-realtime`: a session over its own WebSocket transport, with a function of its own.
// Usage: node agents.mjs HOST PORT TOKEN

import { OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession, tool } from "@openai/agents-realtime";
import { z } from "zod";
import { question, report } from "./question.mjs";

const [host, port, token] = process.argv.slice(2);
const heard = { typed: "", spoken: 0, called: [], after: "" };

const weather = tool({
  name: "get_weather",
  description: "The weather of a city.",
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => `fine in ${city}`,
});
const agent = new RealtimeAgent({ name: "Assistant", instructions: "Be brief.", tools: [weather] });
const transport = new OpenAIRealtimeWebSocket({ url: `ws://${host}:${port}/v1/realtime?model=gpt-realtime` });
const session = new RealtimeSession(agent, { transport, model: "gpt-realtime" });

let bytes = 0;
let answered = () => {};
session.on("error", (error) => {
  throw new Error(JSON.stringify(error));
});
session.on("audio", (event) => (bytes += event.data.byteLength));
session.on("agent_tool_end", (_context, _agent, _tool, result) => heard.called.push(result));
session.on("agent_end", (_context, _agent, output) => answered(output));

function answer() {
  bytes = 0;
  return new Promise((resolve) => (answered = resolve));
}

await session.connect({ apiKey: token });

let turn = answer();
session.sendMessage("Hello?");
heard.typed = await turn;

turn = answer();
for (const piece of question) session.sendAudio(new Uint8Array(piece).buffer);
await turn;
heard.spoken = bytes / 48_000;

turn = answer();
session.sendMessage("How is the weather?");
heard.after = await turn;
if (!heard.after) heard.after = await answer(); // the first answer was the call alone

session.close();
report(heard);
