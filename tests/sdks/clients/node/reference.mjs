// `openai-realtime-api`: the reference client of the beta API, which npm has only in this TypeScript of it, a drop-in
// replacement. Its key is in a header, or in a subprotocol where it finds a browser's WebSocket.

import { RealtimeClient } from "openai-realtime-api";
import { ASKED, HELLO, WEATHER, fromBase64, nothingYet, toBase64 } from "./turns.mjs";

function open({ http, token }) {
  return new RealtimeClient({
    url: `${http.replace("http", "ws")}/v1/realtime`,
    apiKey: token,
    dangerouslyAllowAPIKeyInBrowser: true,
  });
}

async function hold(given, turnDetection) {
  const heard = nothingYet();
  const client = open(given);
  let answered = () => {};
  client.realtime.on("server.error", ({ error }) => heard.errors.push(error.message));
  client.on("conversation.item.completed", ({ item }) => item.role === "assistant" && answered(item));

  function answer() {
    return new Promise((resolve) => (answered = resolve));
  }

  client.updateSession({ turn_detection: turnDetection });
  client.addTool(WEATHER, async ({ city }) => {
    heard.called.push(city);
    return `fine in ${city}`;
  });
  await client.connect();
  await client.waitForSessionCreated();

  let turn = answer();
  client.sendUserMessageContent([{ type: "input_text", text: HELLO }]);
  const typed = await turn;
  heard.typed = typed.formatted.transcript;
  heard.voiced = inPieces(typed.formatted.audio);

  turn = answer();
  for (const piece of given.speech) client.appendInputAudio(fromBase64(piece));
  if (!turnDetection) client.createResponse();
  const spoken = await turn;
  heard.spoken = inPieces(spoken.formatted.audio);

  turn = answer();
  client.sendUserMessageContent([{ type: "input_text", text: ASKED }]);
  const after = await turn;
  heard.after = after.formatted.transcript;

  client.disconnect();
  return heard;
}

/** Stop an answer of which 100 ms were heard, and take it out of the conversation; what is told of it on the way. */
export async function cancel(given) {
  const client = open(given);
  await client.connect();
  await client.waitForSessionCreated();

  const speaking = new Promise((resolve) => {
    client.on("conversation.updated", ({ item, delta }) => delta?.audio && resolve(item));
  });
  client.sendUserMessageContent([{ type: "input_text", text: "Tell me of all that you know. ".repeat(20) }]);
  const { id } = await speaking;
  const truncated = client.realtime.waitForNext("server.conversation.item.truncated");
  const done = client.realtime.waitForNext("server.response.done");
  client.cancelResponse(id, 2400);
  const told = { status: (await done).response.status, heard_ms: (await truncated).audio_end_ms };

  const deleted = client.realtime.waitForNext("server.conversation.item.deleted");
  client.deleteItem(id);
  told.deleted = (await deleted).item_id === id;
  told.left = client.conversation.getItems().map((item) => item.role);

  client.disconnect();
  return told;
}

function inPieces(samples) {
  const pieces = [];
  for (let at = 0; at < samples.length; at += 2400) pieces.push(toBase64(samples.slice(at, at + 2400).buffer));
  return pieces;
}

export const converse = (given) => hold(given, { type: "server_vad" });
export const converseByHand = (given) => hold(given, null);
