"""What was recorded is read as it was, as far as it goes; what is damaged is named."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime_engine.audio import encode_base64
from realtime_engine.commands import FORWARD, Command, Connect, HangUp, Note, RunTool, Send, Span, Step
from realtime_engine.errors import RecordingError
from realtime_engine.inputs import Closed, Input, Kind, Message, Opened, Side, Stop, ToolResult
from realtime_engine.recording.reader import End, Recording
from realtime_engine.recording.replay import replay
from realtime_engine.recording.writer import Recorder
from tests.recording.parrot import TALK, Parrot, about, record, steps_of, unwarned

EVENTS = "events.jsonl"

base64 = st.binary(min_size=1, max_size=20).map(lambda audio: encode_base64(audio).decode())
frames = (
    st.binary(max_size=30)
    | base64.map(lambda audio: json.dumps({"type": "input_audio_buffer.append", "audio": audio}).encode())
    | base64.map(lambda audio: json.dumps({"type": "response.output_audio.delta", "delta": audio}).encode())
)
inputs: st.SearchStrategy[Input] = (
    st.builds(Message, st.sampled_from(Side), st.sampled_from(Kind), frames)
    | st.builds(Opened, st.sampled_from(Side), st.integers(1, 9))
    | st.builds(Closed, st.sampled_from(Side), st.integers(1, 9), st.integers(1000, 4999), st.text(max_size=9))
    | st.builds(ToolResult, st.text(max_size=5), st.text(max_size=20), st.booleans())
    | st.builds(Stop, st.text(max_size=5), st.floats(0, 10))
)
spans = st.none() | st.builds(Span, st.integers(0, 50), st.integers(0, 50))
commands: st.SearchStrategy[Command] = (
    st.just(FORWARD)
    | st.builds(Send, st.sampled_from(Side), frames, st.sampled_from(Kind), spans)
    | st.builds(Connect, st.integers(1, 9))
    | st.builds(RunTool, st.text(max_size=5), st.text(max_size=5), st.text(max_size=5))
    | st.builds(Note, st.text(max_size=20))
    | st.builds(HangUp, st.integers(1000, 4999), st.text(max_size=9))
)
talks = st.lists(st.tuples(st.integers(1, 10**7), inputs, st.lists(commands, max_size=4)), max_size=12)


def without_spans(command: Command) -> Command:
    return Send(command.side, command.raw, command.kind) if isinstance(command, Send) else command


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(talk=talks)
def test_all_that_was_recorded_comes_back_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, talk: list[tuple[int, Input, list[Command]]]
) -> None:
    folder = tmp_path_factory.mktemp("talk")
    steps, at = [], 0
    for later, came, done in talk:
        at += later
        steps.append(Step(at / 1e6, came, done))

    with Recorder(folder, about(), unwarned) as recorder:
        recorder.record_all(steps)
        recorder.end(at / 1e6, "over")

    with Recording(folder) as recording:
        assert recording.end == End(at / 1e6, "over")
        assert list(recording.steps()) == [
            Step(step.at, step.input, [without_spans(command) for command in step.commands]) for step in steps
        ]


def test_a_complete_recording_says_so(tmp_path: Path) -> None:
    with Recording(record(tmp_path / "talk")) as recording:
        assert (recording.end, recording.cut) == (End(3.0, "the front has left"), None)
        assert recording.name == "talk"


def test_timers_come_as_steps_of_their_own(tmp_path: Path) -> None:
    with Recording(record(tmp_path / "talk")) as recording:
        steps = list(recording.steps())

    assert [(step.at, step.input is None) for step in steps] == [
        *((0.0, False), (0.1, False), (0.2, False), (0.3, False), (0.4, False)),
        *((1.3, True), (2.0, False), (2.5, False)),
    ]


def test_wherever_it_was_cut_off_it_replays_as_far_as_it_goes(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk", end=None)
    whole = (folder / EVENTS).read_bytes()
    seen = set()

    for size in (*range(0, len(whole), 3), len(whole)):
        (folder / EVENTS).write_bytes(whole[:size])
        with Recording(folder) as recording:
            steps = list(recording.steps())
            assert (recording.end, recording.cut) == (None, "cut off")
            assert replay(Parrot(), recording.steps()) is None
        inputs = [step.input for step in steps if step.input is not None]
        assert inputs == [given for _, given in TALK[: len(inputs)]]
        seen.add(len(inputs))

    assert seen == set(range(len(TALK) + 1))


def test_a_recording_that_ended_early_says_why(tmp_path: Path) -> None:
    warnings: list[str] = []
    with Recorder(tmp_path, about(), warnings.append) as recorder:
        recorder.record_all(steps_of(TALK))
        recorder.stop("the disk is 8 MiB behind")

    with Recording(tmp_path) as recording:
        assert recording.cut == "ended early: the disk is 8 MiB behind"
    assert warnings == [f"the recording {tmp_path} ends at 2.500 s: the disk is 8 MiB behind"]


def test_a_complete_recording_that_has_lost_its_end_says_so(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk")
    whole = (folder / EVENTS).read_bytes()

    for size in (len(whole) // 2, len(whole) - 1):
        (folder / EVENTS).write_bytes(whole[:size])
        with Recording(folder) as recording:
            assert recording.cut == "events.jsonl is cut off"
            assert replay(Parrot(), recording.steps()) is None


def test_a_header_that_is_older_than_its_file_does_not_matter(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk")
    wav = folder / "front.wav"
    wav.write_bytes(wav.read_bytes()[:40] + b"\0\0\0\0" + wav.read_bytes()[44:] + b"more than any line names")

    with Recording(folder) as recording:
        assert [step.input for step in recording.steps() if step.input] == [given for _, given in TALK]


# --- damage ---------------------------------------------------------------------------------------------------


def changed(line: int, change: Callable[[bytes], bytes]) -> Callable[[list[bytes]], None]:
    def apply(lines: list[bytes]) -> None:
        lines[line - 1] = change(lines[line - 1])

    return apply


def without(line: int) -> Callable[[list[bytes]], None]:
    return lambda lines: lines.__delitem__(line - 1)


def twice(line: int) -> Callable[[list[bytes]], None]:
    return lambda lines: lines.insert(line, lines[line - 1])


@pytest.mark.parametrize(
    ("damage", "line", "why"),
    [
        (changed(8, lambda text: text[:-9]), 8, "Input data was truncated"),
        (changed(8, lambda text: b"\xff" + text), 8, "malformed"),
        (changed(8, lambda text: b""), 8, "truncated"),
        (changed(8, lambda text: text.replace(b'"from":"', b'"form":"')), 8, "not exactly one of"),
        (changed(8, lambda text: text.replace(b'"event"', b'"evnt"')), 8, "neither a frame"),
        (changed(8, lambda text: text.replace(b'"at":0.4', b'"at":0.2')), 8, r"its time 0\.2 is before"),
        (changed(8, lambda text: text.replace(b'"to":4', b'"to":5')), 8, r"upstream\.wav ends before byte 5"),
        (changed(8, lambda text: text.replace(b'"to":4', b'"to":0')), 8, r"upstream\.wav ends before byte 0"),
        (changed(8, lambda text: text.replace(b"upstream.wav", b"upstream-2.wav")), 8, r"upstream-2\.wav is not there"),
        (changed(8, lambda text: text.replace(b"upstream.wav", b"../upstream.wav")), 8, "is not there"),
        (changed(9, lambda text: text.replace(b'"same":true', b'"same":false')), 9, "Invalid enum value|false"),
        (without(6), 6, "it has the number 4 where 3 is due: lines are missing"),
        (without(8), 8, "it has the number 5 where 4 is due: lines are missing"),
        (twice(8), 9, "it has the number 5 where 6 is due"),
        (twice(15), 16, "it comes after the end"),
    ],
)
def test_damage_is_named_with_its_line_and_with_what_is_left(
    tmp_path: Path, damage: Callable[[list[bytes]], None], line: int, why: str
) -> None:
    folder = record(tmp_path / "talk")
    lines = (folder / EVENTS).read_bytes().splitlines()
    damage(lines)
    (folder / EVENTS).write_bytes(b"\n".join(lines) + b"\n")

    with Recording(folder) as recording, pytest.raises(RecordingError, match=why) as caught:
        assert replay(Parrot(), recording.steps(), 3.0) is None

    assert caught.value.line == line
    assert f"talk: line {line} of events.jsonl cannot be used: " in str(caught.value)
    assert f"the {line - 1} lines before it, up to " in str(caught.value)
    assert str(caught.value).endswith(" s, can still be replayed")


def test_damage_in_the_first_line_leaves_nothing(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk")
    (folder / EVENTS).write_bytes(b"?\n")

    with Recording(folder) as recording, pytest.raises(RecordingError, match="line 1 of") as caught:
        list(recording.steps())

    assert "can still" not in str(caught.value)


def test_a_difference_before_the_damage_is_a_difference(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk")
    lines = (folder / EVENTS).read_bytes().splitlines()
    (folder / EVENTS).write_bytes(b"\n".join([*lines[:11], b"?", b""]))

    with Recording(folder) as recording:
        assert replay(Parrot(tick=b'{"type":"tock"}'), recording.steps(), 3.0) is not None


def test_a_file_that_is_no_wav_is_named(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk")
    (folder / "front.wav").write_bytes(b"no sound")

    with Recording(folder) as recording, pytest.raises(RecordingError, match=r"front\.wav: it is no WAV file"):
        list(recording.steps())


def test_a_newer_version_is_refused_and_both_versions_are_named(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk")
    (folder / "recording.json").write_text('{"version":2,"engine":"9.1","options":"who knows"}')

    with pytest.raises(RecordingError, match=r"talk is in version 2 .* engine 9\.1; .* reads version 1"):
        Recording(folder)


@pytest.mark.parametrize("text", ["", "{", '{"version":1}', "[]", '{"version":"1"}', "[" * 100_000])
def test_a_damaged_recording_json_is_named(tmp_path: Path, text: str) -> None:
    folder = record(tmp_path / "talk")
    (folder / "recording.json").write_text(text)

    with pytest.raises(RecordingError, match=r"talk: recording\.json cannot be read: "):
        Recording(folder)


def test_a_folder_without_a_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"is no recording: recording\.json: No such file"):
        Recording(tmp_path)


def test_a_file_is_no_recording(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk")

    with pytest.raises(RecordingError, match=r"events\.jsonl is no recording: it is no folder$"):
        Recording(folder / EVENTS)


def test_a_folder_of_recordings_is_told_from_one_of_them(tmp_path: Path) -> None:
    record(tmp_path / "talk")

    with pytest.raises(RecordingError, match=r"holds recordings and is none itself: name one of them, or .*/\*"):
        Recording(tmp_path)


def test_a_recording_without_events_is_named(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk")
    (folder / EVENTS).unlink()

    with pytest.raises(RecordingError, match=r"talk: events\.jsonl cannot be read: No such file"):
        Recording(folder)


def test_reading_takes_no_more_memory_for_a_longer_conversation(tmp_path: Path) -> None:
    def recorded(count: int) -> Path:
        return record(tmp_path / str(count), [(at / 10, TALK[1][1]) for at in range(count)], end=count / 10)

    def peak(folder: Path) -> int:
        with Recording(folder) as recording:
            tracemalloc.start()
            try:
                read = sum(1 for _ in recording.steps())
                return read and tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    def least(folder: Path) -> int:
        return min(peak(folder) for _ in range(3))  # of what other threads take meanwhile, as little as possible

    peak(recorded(10))  # what is loaded and cached once
    assert least(recorded(2000)) < least(recorded(200)) + 10_000
