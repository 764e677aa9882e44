// `OpenAIRealtimeWebSocket`: the browser's own socket, the key in a subprotocol. It dials wss: only.

import OpenAI from "openai";
import { OpenAIRealtimeWebSocket as Beta } from "openai/beta/realtime/websocket";
import { OpenAIRealtimeWebSocket } from "openai/realtime/websocket";
import { BETA, GA, hold } from "./openai.mjs";

function open(Client, { http, token }) {
  const client = new OpenAI({ apiKey: token, baseURL: `${http}/v1`, dangerouslyAllowBrowser: true });
  return new Client({ model: "gpt-realtime" }, client);
}

export const converse = (given) => hold(open(OpenAIRealtimeWebSocket, given), GA, given.speech);
export const converseInBeta = (given) => hold(open(Beta, given), BETA, given.speech);
