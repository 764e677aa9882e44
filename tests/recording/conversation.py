"""A conversation with the real session, recorded on the virtual clock."""

from pathlib import Path

from realtime_engine.machine import Close
from realtime_engine.options import SessionOptions
from realtime_engine.recording.writer import Recorder
from realtime_engine.session import Session
from realtime_engine.simulate import simulate
from tests.recording.parrot import about, unwarned
from tests.script import Script, created, done, speech


def converse(folder: Path, *, complete: bool = True) -> Path:
    """A typed question, a spoken answer, an error, and two seconds of the microphone."""
    folder.mkdir(parents=True)
    options = SessionOptions(upstream="local")
    item = {"id": "item_1", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello?"}]}
    answer = {"id": "item_2", "type": "message", "role": "assistant", "status": "completed"}
    front = Script().at(1.0, {"type": "conversation.item.create", "item": item}, {"type": "response.create"})
    for tenth in range(20, 40):
        front.at(tenth / 10, bytes(4800))
    upstream = (
        Script()
        .on("conversation.item.create", {"type": "conversation.item.added", "item": item})
        .on("response.create", created())
        .at(1.5, {"type": "conversation.item.added", "item": answer, "previous_item_id": "item_1"})
        .at(1.6, {"type": "response.output_item.added", "response_id": "resp_1", "item": answer})
        .at(1.7, {"type": "response.output_audio_transcript.delta", "item_id": "item_2", "delta": "Good morning."})
        .at(1.7, speech(0.5, item="item_2"), done(status="incomplete", tokens=7))
        .at(2.0, {"type": "error", "error": {"type": "server_error", "code": "odd", "message": "Never mind."}})
    )
    with Recorder(folder, about(options), unwarned) as recorder:
        run = simulate(Session(options), front=front.at(5.0, Close()), connect=lambda: upstream, record=recorder.record)
        if complete:
            recorder.end(run.at, run.reason)
    return folder
