"""What is recorded is in the files when the call returns, in the format, for its owner only."""

import errno
import json
import os
import re
import stat
import sys
import wave
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
import soundfile
from msgspec import Raw

from realtime_engine.commands import FORWARD, Note, Send, Span, Step
from realtime_engine.errors import UsageError
from realtime_engine.inputs import Kind, Message, Opened, Side
from realtime_engine.options import SessionOptions
from realtime_engine.recording.about import About, read_about
from realtime_engine.recording.files import GrowingFile, beginning, is_held
from realtime_engine.recording.reader import Recording
from realtime_engine.recording.tape import Tape
from realtime_engine.recording.writer import Recorder, create_recording
from tests.recording.parrot import TALK, about, delta, record, speech, steps_of, text, unwarned

EXACTLY = """\
{"n":1,"at":0.0,"from":"front","opened":1}
{"n":1,"at":0.0,"to":"log","note":"something happened"}
{"n":2,"at":0.1,"from":"front","binary":"","audio":{"at":0,"file":"front.wav","from":0,"to":6}}
{"n":3,"at":0.2,"from":"front","binary":"","audio":{"at":0,"file":"front.wav","from":6,"to":12}}
{"n":3,"at":0.2,"to":"upstream","event":{"type":"input_audio_buffer.append","audio":""},"audio":{"at":45,"file":"front.wav","from":0,"to":8}}
{"n":4,"at":0.3,"from":"front","event":{"type":"hello"}}
{"n":4,"at":0.3,"to":"upstream","same":true}
{"n":5,"at":0.4,"from":"upstream","event":{"type":"response.output_audio.delta","delta":""},"audio":{"at":47,"file":"upstream.wav","from":0,"to":4}}
{"n":5,"at":0.4,"to":"front","same":true}
{"n":5,"at":1.3,"to":"front","event":{"type":"tick"}}
{"n":6,"at":2.0,"from":"front","event":{"type":"bye"}}
{"n":6,"at":2.0,"to":"upstream","same":true}
{"n":7,"at":2.5,"from":"front","closed":{"connection":1,"code":1000,"reason":""}}
{"n":7,"at":2.5,"to":"both","hang_up":{"code":1000,"reason":"the front has left"}}
{"n":7,"at":3.0,"end":"the front has left"}
"""


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_bytes().splitlines()]


def test_a_recording_is_exactly_this(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk")

    assert (folder / "events.jsonl").read_text() == EXACTLY
    assert (folder / "front.wav").read_bytes()[44:] == b"abcdefghijkl"
    assert (folder / "upstream.wav").read_bytes()[44:] == b"xyz!"
    told = json.loads((folder / "recording.json").read_bytes())
    assert told["ended"] == {"complete": True, "n": 7, "at": 3.0, "reason": "the front has left"}
    assert {key: told[key] for key in ("version", "front", "upstream")} == {
        "version": 1,
        "front": "wav",
        "upstream": "local",
    }


def test_a_recording_is_named_by_the_engine_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "recordings"

    with create_recording(root, SessionOptions(), front="../wav", upstream="local", warn=unwarned) as recorder:
        recorder.record_all(steps_of(TALK))
        folder = recorder.folder

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-[0-9a-f]{6}", folder.name)
    assert folder.parent == root
    assert stat.S_IMODE(root.stat().st_mode) == stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == dict.fromkeys(["recording.json", "events.jsonl", "front.wav", "upstream.wav"], 0o600)


def test_a_place_that_cannot_be_written_is_the_users_business(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match=r"cannot record in .*file"):
        create_recording(tmp_path / "file" / "sub", SessionOptions(), front="wav", upstream="local", warn=unwarned)


def test_every_step_is_in_the_files_when_record_returns(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, about(), unwarned)
    for count, step in enumerate(steps_of(TALK[:4]), 1):
        recorder.record(step)
        assert max(int(str(line["n"])) for line in lines(tmp_path)) == count
        if count > 1:
            sizes = soundfile.info(tmp_path / "front.wav").frames, (tmp_path / "front.wav").stat().st_size
            assert sizes == (3 * min(count - 1, 2), 44 + 6 * min(count - 1, 2))
    recorder.close()


def test_a_closed_recorder_takes_nothing_more(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk", end=None)
    before = (folder / "events.jsonl").read_bytes()
    recorder = Recorder(tmp_path, about(), unwarned)
    recorder.close()

    recorder.record(Step(0.0, Opened(Side.FRONT), []))
    recorder.end(1.0, "over")
    recorder.stop("over")

    assert not recorder.recording
    assert (tmp_path / "events.jsonl").read_bytes() == b""
    assert (folder / "events.jsonl").read_bytes() == before


def session_event(name: bytes, config: bytes) -> Message:
    return text(b'{"type":"session.%b","session":{"type":"realtime","audio":%b}}' % (name, config), Side.UPSTREAM)


def test_a_change_of_format_starts_another_file_and_g711_stays_g711(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, about(), unwarned)
    pcmu = b'{"input":{"format":{"type":"audio/pcmu"}},"output":{"format":{"type":"audio/pcma"}}}'
    raw = b'{"type":"input_audio_buffer.append","audio":"%b"}'
    inputs = [
        (0.1, speech(b"abcd")),
        (0.2, session_event(b"created", b'{"input":{},"output":{"format":{"type":"audio/pcm","rate":24000}}}')),
        (0.3, session_event(b"updated", pcmu)),
        (0.4, speech(b"efg")),
        (0.5, delta(b"hij")),
        (0.6, session_event(b"updated", pcmu)),
        (0.7, speech(b"k")),
    ]
    recorder.record_all(Step(at, given, []) for at, given in inputs)
    recorder.record_all(
        [
            Step(0.8, None, [Send(Side.UPSTREAM, raw % b"ZWZn", audio=Span(4, 7))]),
            Step(0.9, None, [Send(Side.UPSTREAM, raw % b"YWI=", audio=Span(0, 2))]),
            Step(1.0, None, [Send(Side.UPSTREAM, raw % b"ZGU=", audio=Span(3, 5))]),
        ]
    )
    recorder.close()

    first, second, answer = (soundfile.info(tmp_path / f"{name}.wav") for name in ("front", "front-2", "upstream"))
    assert (first.subtype, first.samplerate, first.frames) == ("PCM_16", 24000, 2)
    assert (second.subtype, second.samplerate, second.frames) == ("ULAW", 8000, 4)
    assert (answer.subtype, answer.samplerate, answer.frames) == ("ALAW", 8000, 3)
    assert (tmp_path / "front-2.wav").read_bytes().endswith(b"efgk")
    sent = [line for line in lines(tmp_path) if "to" in line]
    assert sent[0]["audio"] == {"at": 45, "file": "front-2.wav", "from": 0, "to": 3}
    assert "audio" not in sent[1]  # the file of the format before is closed
    assert "audio" not in sent[2]
    with Recording(tmp_path) as recording:
        assert [step.input for step in recording.steps() if step.input] == [given for _, given in inputs]


def test_the_format_that_is_asked_for_holds_from_the_beginning(tmp_path: Path) -> None:
    settings = Raw(b'{"type":"realtime","audio":{"input":{"format":{"type":"audio/pcmu"}}}}')

    folder = record(tmp_path / "talk", options=SessionOptions(settings=settings))

    assert soundfile.info(folder / "front.wav").subtype == "ULAW"
    assert soundfile.info(folder / "upstream.wav").subtype == "PCM_16"


@pytest.mark.parametrize(
    "raw",
    [b'{"type":"session.updated","session":7}', b'{"type":"session.updated', b"[" * 100_000, b'{"type":"session.'],
)
def test_a_session_event_in_an_unknown_shape_changes_no_format(tmp_path: Path, raw: bytes) -> None:
    recorder = Recorder(tmp_path, about(), unwarned)

    recorder.record_all([Step(0.0, text(raw, Side.UPSTREAM), [FORWARD]), Step(0.1, delta(b"ab"), [FORWARD])])
    recorder.close()

    assert soundfile.info(tmp_path / "upstream.wav").subtype == "PCM_16"


def test_sent_audio_that_is_not_what_its_span_says_stays_in_the_frame(tmp_path: Path) -> None:
    raw = b'{"type":"input_audio_buffer.append","audio":"YWJjZA=="}'
    recorder = Recorder(tmp_path, about(), unwarned)
    recorder.record(Step(0.0, None, [Send(Side.UPSTREAM, raw, audio=Span(0, 4))]))
    recorder.record(Step(0.1, speech(b"abcd"), []))
    recorder.record(
        Step(0.2, None, [Send(Side.UPSTREAM, raw, audio=span) for span in (Span(0, 4), Span(2, 6), Span(0, 2), None)])
    )
    recorder.close()

    events = [line["event"] for line in lines(tmp_path) if "event" in line]
    assert [str(event).count("YWJjZA==") for event in events] == [1, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("mode", "side", "kept"),
    [("managed", Side.FRONT, True), ("managed", Side.UPSTREAM, False), ("transparent", Side.FRONT, False)],
)
def test_only_a_managed_fronts_binary_frames_are_audio(tmp_path: Path, mode: str, side: Side, *, kept: bool) -> None:
    options = msgspec.convert({"mode": mode}, SessionOptions)
    with Recorder(tmp_path, about(options), unwarned) as recorder:
        recorder.record(Step(0.0, Message(side, Kind.BINARY, b"ab"), []))

    assert list(tmp_path.glob("*.wav")) == ([tmp_path / "front.wav"] if kept else [])


def test_options_are_written_without_their_secrets_and_otherwise_byte_for_byte(tmp_path: Path) -> None:
    settings = b'{ "type":"realtime",\n "tools":[{"type":"mcp","authorization":"Bearer x"}], "speed":1.50 }'

    folder = record(tmp_path / "talk", options=SessionOptions(settings=Raw(settings), lead=0.2))

    with Recording(folder) as recording:
        assert bytes(recording.about.options.settings) == settings.replace(b"Bearer x", b"[redacted]")
        assert recording.about.options.lead == 0.2


def test_settings_that_were_not_given_are_not_given_again(tmp_path: Path) -> None:
    with Recording(record(tmp_path / "talk")) as recording:
        assert recording.about.options == SessionOptions()


# --- a disk that is full --------------------------------------------------------------------------------------


class Disk:
    """Stands in for the disk: so many bytes fit in all files together, counted from now on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        self._write = os.pwrite
        monkeypatch.setattr(os, "pwrite", self.pwrite)

    def pwrite(self, file: int, content: bytes, at: int) -> int:
        grows = max(at + len(content) - os.fstat(file).st_size, 0)
        fits = min(grows, self.room)
        if grows and not fits:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= fits
        return self._write(file, bytes(content)[: len(content) - grows + fits], at)


@pytest.mark.parametrize("room", range(0, 1300, 29))
def test_a_full_disk_ends_the_recording_with_one_warning_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    warnings: list[str] = []
    recorder = Recorder(tmp_path, about(), warnings.append)
    size = (tmp_path / "recording.json").stat().st_size
    Disk(monkeypatch, room)
    everything = steps_of(TALK)

    for step in everything:
        recorder.record(step)
    recorder.end(3.0, "the front has left")
    recorder.close()

    assert (tmp_path / "recording.json").stat().st_size == size
    content = (tmp_path / "events.jsonl").read_bytes()
    assert not content or content.endswith(b"\n")
    last = json.loads(content.splitlines()[-1]) if content else {"n": 0, "at": 0.0}
    told = read_about((tmp_path / "recording.json").read_bytes(), "it").ended
    assert told is not None
    with Recording(tmp_path) as recording:
        steps = list(recording.steps())
    if "end" in last:
        assert (warnings, told.complete) == ([], True)
        assert len(steps) == len(everything)
    else:
        assert len(warnings) == 1
        assert "No space left on device" in warnings[0]
        assert (told.complete, told.n, told.at) == (False, last["n"], last["at"])
        assert told.reason == "No space left on device"
        assert [step.input for step in steps] == [step.input for step in everything[: len(steps)]]


@pytest.mark.parametrize("room", range(0, 1300, 29))
def test_a_disk_that_is_full_within_many_steps_takes_no_line_without_its_audio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    warnings: list[str] = []
    recorder = Recorder(tmp_path, about(), warnings.append)
    Disk(monkeypatch, room)
    everything = steps_of(TALK)

    recorder.record_all(everything, headers=False)
    recorder.close()

    with Recording(tmp_path) as recording:
        steps = list(recording.steps())
    assert [step.input for step in steps] == [step.input for step in everything[: len(steps)]]
    written = (tmp_path / "events.jsonl").read_text().count("\n")
    assert len(warnings) == (written < EXACTLY.count("\n") - 1)
    for side in Side:
        if (file := tmp_path / f"{side.value}.wav").exists() and file.stat().st_size > 44:
            with wave.open(str(file)) as audio:
                assert 44 + 2 * audio.getnframes() == file.stat().st_size // 2 * 2


def test_the_talk_needs_more_room_than_the_smallest_disk_and_less_than_the_largest(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk")
    need = sum(path.stat().st_size for path in folder.iterdir() if path.name != "recording.json")

    assert 7 < need < 1300


def test_a_disk_that_takes_nothing_at_all_any_more_is_no_reason_to_raise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    warnings: list[str] = []
    recorder = Recorder(tmp_path, about(), warnings.append)
    recorder.record_all(steps_of(TALK[:3]))
    for name in ("pwrite", "ftruncate", "pread"):
        monkeypatch.setattr(os, name, broken)

    recorder.record(Step(3.0, None, [Note("x")]))
    recorder.end(4.0, "over")
    recorder.close()

    assert warnings == [f"the recording {tmp_path} ends at 0.200 s: Input/output error"]


def test_a_fault_of_the_engine_ends_the_recording_with_what_is_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(tape: Tape) -> None:
        raise ZeroDivisionError

    warnings: list[str] = []
    recorder = Recorder(tmp_path, about(), warnings.append)
    recorder.record_all(steps_of(TALK[:3]))
    monkeypatch.setattr(Tape, "flush", fail)
    with pytest.raises(ZeroDivisionError):
        recorder.record(Step(3.0, speech(b"ab"), []))
    recorder.stop("a fault")
    recorder.close()

    assert warnings == [f"the recording {tmp_path} ends at 0.200 s: a fault"]
    told = read_about((tmp_path / "recording.json").read_bytes(), "it").ended
    assert told is not None
    assert (told.n, told.at) == (3, 0.2)


def test_the_room_for_the_end_is_enough_for_any_reason(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, about(), unwarned)
    size = (tmp_path / "recording.json").stat().st_size

    recorder.end(1e6, "\x01" * 1000)
    recorder.close()

    assert (tmp_path / "recording.json").stat().st_size == size
    told = read_about((tmp_path / "recording.json").read_bytes(), "it")
    assert told.ended is not None
    assert told.ended.reason == "\x01" * 300


def test_files_are_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")

    with pytest.raises(FileExistsError):
        GrowingFile(tmp_path / "file")


def test_a_file_is_closed_once_whoever_has_its_number_by_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[int] = []
    file = GrowingFile(tmp_path / "file")
    close = os.close

    def fail(number: int) -> None:
        closed.append(number)
        close(number)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "close", fail)
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            file.close()
        file.close()

    assert len(closed) == 1


def test_about_survives_being_written(tmp_path: Path) -> None:
    told = read_about((record(tmp_path / "talk") / "recording.json").read_bytes(), "talk")

    assert isinstance(told, About)
    assert told == msgspec.structs.replace(about(), ended=told.ended, options=told.options)


def open_in(folder: Path) -> list[str]:
    """What this process has open there; elsewhere other tests may still be letting go of something."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the list's own
            found.append(str(descriptor.readlink()))
    return [path for path in found if path.startswith(str(folder))]


def test_a_recording_that_cannot_begin_leaves_nothing_behind_and_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Disk(monkeypatch, 50)

    with pytest.raises(UsageError, match="No space left on device"):
        create_recording(tmp_path, SessionOptions(), front="ws", upstream="local", warn=unwarned)

    assert list(tmp_path.iterdir()) == []
    assert open_in(tmp_path) == []


def test_a_file_is_held_until_it_is_closed_and_where_there_are_no_locks_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = GrowingFile(tmp_path / "file")
    seen = os.open(tmp_path / "file", os.O_RDONLY)
    assert not is_held(seen)
    file.hold()
    assert is_held(seen)
    file.close()
    assert not is_held(seen)

    monkeypatch.setitem(sys.modules, "fcntl", None)
    assert not is_held(seen)
    with beginning(tmp_path / "no folder"):
        pass
    os.close(seen)
