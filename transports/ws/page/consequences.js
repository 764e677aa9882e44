// @ts-check
/** What follows from an event of the engine, beside what it does to the conversation. */
import { errorMessage, upstreamMessage } from "./messages.js";
import { decode } from "./sound.js";

/** One entry for each. @type {Record<string, (page: import("./main.js").Page, event: any) => void>} */
export const consequences = {
  "engine.session": (page, { upstream, pinned, may_set }) => {
    if (upstream) page.entrance.answers(upstream);
    page.settings.lock(pinned ?? {}, may_set ?? "all");
  },
  "engine.upstream": (page, { state, retry_in, reason }) => {
    if (state === "connected") page.trouble.upstreamBack();
    else page.upstreamLost(upstreamMessage(retry_in ?? 0, reason ?? ""));
  },
  "session.created": (page, { session }) => {
    page.session = true;
    page.sessionIs(session);
    page.settings.begin(session);
    page.writing.send();
  },
  "session.updated": (page, { session }) => {
    page.sessionIs(session);
    page.settings.show(session);
  },
  "input_audio_buffer.speech_started": (page, { item_id, audio_start_ms }) => {
    page.voice.begins(item_id, audio_start_ms);
    page.figures.speaks();
    page.answering.expected = false;
    page.stage.know({ hearing: true });
  },
  "input_audio_buffer.speech_stopped": (page, { item_id, audio_end_ms }) => {
    page.keep(item_id, page.voice.ends(item_id, audio_end_ms), "user");
    if (page.responds) page.awaits(performance.now());
    page.stage.know({ hearing: false });
  },
  "input_audio_buffer.committed": (page, { item_id }) => {
    if (!page.conversation.get(item_id)?.ms) page.keep(item_id, page.voice.ends(item_id), "user");
    page.stage.know({ hearing: false });
  },
  "conversation.item.added": (page, { item }) => page.deleting.added(item),
  "conversation.item.deleted": (page, { item_id }) => page.deleting.gone(item_id),
  "response.created": (page, { response }) => {
    page.messages.hide("error");
    page.answering.begins(response.id);
    page.stage.know();
  },
  "response.done": (page, { response }) => {
    page.answering.ends(response);
    page.figures.used(response.usage);
    const again = () => page.ask();
    if (response.status === "failed") page.messages.show("error", errorMessage(response.status_details?.error ?? {}, again, "Ask again"));
    page.stage.know();
  },
  "response.output_audio.delta": (page, { item_id, content_index, response_id, delta }) => {
    if (page.mute) return;
    const samples = decode(delta);
    page.keep(item_id, samples, "assistant");
    page.speaker.add({ item: item_id, part: content_index ?? 0, response: response_id ?? "" }, samples);
  },
  "output_audio_buffer.cleared": (page, { event_id }) => page.speaker.clear(event_id),
  error: (page, { error }) => page.failedWith(error),
};
