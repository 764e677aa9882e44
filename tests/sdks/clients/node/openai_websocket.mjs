// `OpenAIRealtimeWebSocket`: the browser's own socket, the key in a subprotocol. It dials wss: only.

import OpenAI from "openai";
import { OpenAIRealtimeWebSocket } from "openai/realtime/websocket";
import { hold } from "./openai.mjs";

export function converse({ http, token, speech }) {
  const client = new OpenAI({ apiKey: token, baseURL: `${http}/v1`, dangerouslyAllowBrowser: true });
  return hold(new OpenAIRealtimeWebSocket({ model: "gpt-realtime" }, client), speech);
}
