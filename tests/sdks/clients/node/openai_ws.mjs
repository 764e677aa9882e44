// `OpenAIRealtimeWS`: a socket of the `ws` package, the key in a header. It dials wss: only, whatever the address says:
// where the server speaks no TLS it is given a plain socket.

import net from "node:net";
import OpenAI from "openai";
import { OpenAIRealtimeWS as Beta } from "openai/beta/realtime/ws";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { BETA, GA, hold } from "./openai.mjs";

function open(Client, { http, token }) {
  const { protocol, hostname, port } = new URL(http);
  const createConnection = () => net.connect(Number(port), hostname);
  const options = protocol === "http:" ? { createConnection } : {};
  return new Client({ model: "gpt-realtime", options }, new OpenAI({ apiKey: token, baseURL: `${http}/v1` }));
}

export const converse = (given) => hold(open(OpenAIRealtimeWS, given), GA, given.speech);
export const converseInBeta = (given) => hold(open(Beta, given), BETA, given.speech);
