// `OpenAIRealtimeWS` of the `openai` package. It dials wss: only, so it is given a plain socket.
// Usage: node openai.mjs HOST PORT TOKEN

import net from "node:net";
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { question, report } from "./question.mjs";

const [host, port, token] = process.argv.slice(2);
const client = new OpenAI({ apiKey: token, baseURL: `http://${host}:${port}/v1` });
const createConnection = () => net.connect(Number(port), host);
const realtime = new OpenAIRealtimeWS({ model: "gpt-realtime", options: { createConnection } }, client);

const heard = { typed: "", spoken: 0, called: [], after: "" };
const turns = [typed, spoken, call, answerCall];
let said = "";
let bytes = 0;
let pending = null;

realtime.on("error", (error) => {
  throw error;
});
realtime.on("session.created", next);
realtime.on("response.output_audio_transcript.delta", (event) => (said += event.delta));
realtime.on("response.output_audio.delta", (event) => (bytes += Buffer.from(event.delta, "base64").length));
realtime.on("response.function_call_arguments.done", (event) => (pending = event));
realtime.on("response.done", (event) => {
  if (event.response.status !== "completed") throw new Error(`the response is ${event.response.status}`);
  finish();
  next();
});

function next() {
  said = "";
  bytes = 0;
  const turn = turns.shift();
  if (turn) turn();
  else {
    realtime.close();
    report(heard);
  }
}

function finish() {
  if (turns.length === 3) heard.typed = said;
  if (turns.length === 2) heard.spoken = bytes / 48_000;
  if (turns.length === 1) heard.called.push(`${pending.name} ${pending.arguments}`);
  if (turns.length === 0) heard.after = said;
}

function write(text) {
  const content = [{ type: "input_text", text }];
  realtime.send({ type: "conversation.item.create", item: { type: "message", role: "user", content } });
  realtime.send({ type: "response.create" });
}

function typed() {
  write("Hello?");
}

function spoken() {
  for (const piece of question) realtime.send({ type: "input_audio_buffer.append", audio: piece.toString("base64") });
}

function call() {
  const parameters = { type: "object", properties: { city: { type: "string" } } };
  const tools = [{ type: "function", name: "get_weather", description: "The weather of a city.", parameters }];
  realtime.send({ type: "session.update", session: { type: "realtime", tools } });
  write("How is the weather?");
}

function answerCall() {
  const item = { type: "function_call_output", call_id: pending.call_id, output: "fine in Paris" };
  realtime.send({ type: "conversation.item.create", item });
  realtime.send({ type: "response.create" });
}
