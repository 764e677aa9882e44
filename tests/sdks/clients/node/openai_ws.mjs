// `OpenAIRealtimeWS`: a socket of the `ws` package, the key in a header. It dials wss: only, whatever the address says:
// where the server speaks no TLS it is given a plain socket.

import net from "node:net";
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { hold } from "./openai.mjs";

export function converse({ http, token, speech }) {
  const { protocol, hostname, port } = new URL(http);
  const createConnection = () => net.connect(Number(port), hostname);
  const options = protocol === "http:" ? { createConnection } : {};
  const client = new OpenAI({ apiKey: token, baseURL: `${http}/v1` });
  return hold(new OpenAIRealtimeWS({ model: "gpt-realtime", options }, client), speech);
}
