"""``engine inspect``, as it is called and as it ends."""

import json
import re
from pathlib import Path

import pytest

from tests.cli.fake import engine
from tests.recording.conversation import converse


def test_a_conversation_is_shown_as_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert engine("inspect", converse(tmp_path / "talk")) == 0

    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "talk: wav and local, 2026-11-20T19:31:07.000+00:00, 5.0 s",
        "at who words answered in",
        "1.00 s user Hello?",
        "1.70 s assistant Good morning. 0.70 s",
        "1.70 s resp_1 incomplete",
        "2.00 s error: odd: Never mind.",
        "1 response, 7 tokens: 0 in (0 text, 0 audio, 0 cached), 0 out (0 text, 0 audio)",
        "ended: the front has left",
    ]


def test_a_conversation_is_given_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert engine("inspect", converse(tmp_path / "talk"), "--json") == 0

    told = json.loads(capsys.readouterr().out)
    assert (told["name"], told["complete"], told["ended"]) == ("talk", True, "the front has left")
    assert told["story"]["turns"][1] == {
        "item_id": "item_2",
        "who": "assistant",
        "at": 1.7,
        "words": "Good morning.",
        "latency": 0.7,
        "speech_ms": 500,
    }


def test_all_events_are_shown_in_the_order_of_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = converse(tmp_path / "talk")
    assert engine("inspect", folder, "--events") == 0

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len((folder / "events.jsonl").read_bytes().splitlines())
    times = [float(line.split()[0]) for line in lines]
    assert times == sorted(times)
    assert lines[-1] == "    5.000000  the end: the front has left"
    assert (
        '    1.700000  upstream →           response.output_audio_transcript.delta  {"item_id":"item_2",'
        in lines[next(index for index, line in enumerate(lines) if "transcript.delta" in line)]
    )


def test_a_cut_off_conversation_is_shown_as_far_as_it_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = converse(tmp_path / "cut", complete=False)

    assert engine("inspect", folder) == 0
    assert engine("inspect", folder, "--events") == 0

    out = capsys.readouterr().out
    assert "Good morning." in out
    assert "incomplete: cut off" in out
    assert out.endswith("  cut off\n")


def test_a_damaged_conversation_is_shown_up_to_the_damage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = converse(tmp_path / "damaged")
    events = folder / "events.jsonl"
    events.write_bytes(events.read_bytes().replace(b'"from":"front","closed"', b'"from":"moon","closed"'))

    assert engine("inspect", folder) == 2

    streams = capsys.readouterr()
    assert "Good morning." in streams.out
    assert "damaged: line " in streams.err


def test_the_speech_of_a_user_whose_words_nobody_wrote_down_has_its_length(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = converse(tmp_path / "talk")
    events = folder / "events.jsonl"
    events.write_bytes(events.read_bytes().replace(b"response.output_audio_transcript.delta", b"response.unheard_of"))

    engine("inspect", folder)

    assert "(0.5 s of speech)" in capsys.readouterr().out


def test_an_interruption_is_told_with_what_was_heard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = converse(tmp_path / "talk")
    events = folder / "events.jsonl"
    truncated = b'{"type":"conversation.item.truncated","item_id":"item_2","content_index":0,"audio_end_ms":300}'
    error = b'{"type":"error","error":{"type":"server_error","code":"odd","message":"Never mind."}}'
    truncate = truncated.replace(b"truncated", b"truncate")
    stopped = rb'"to":"front","event":\{"type":"output_audio_buffer.stopped".*\}\}'
    whole = events.read_bytes()
    assert error in whole

    events.write_bytes(whole.replace(error, truncated))
    engine("inspect", folder)
    assert "interrupted: heard 300 of 500 ms" in capsys.readouterr().out

    assert re.search(stopped, whole)
    events.write_bytes(re.sub(stopped, b'"to":"upstream","event":' + truncate + b"}", whole))
    engine("inspect", folder)
    assert "interrupted at 2.20 s: heard 300 of 500 ms" in capsys.readouterr().out


def test_two_forms_at_once_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert engine("inspect", converse(tmp_path / "talk"), "--events", "--json") == 2
    assert "do not go together" in capsys.readouterr().err


def test_what_is_no_recording_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert engine("inspect", tmp_path) == 2
    assert "is no recording" in capsys.readouterr().err


def test_what_the_user_spoke_is_told_without_padding_and_silence(capsys: pytest.CaptureFixture[str]) -> None:
    golden = Path(__file__).parents[2] / "recordings" / "spoken-turn"

    engine("inspect", golden, "--json")
    turn = json.loads(capsys.readouterr().out)["story"]["turns"][0]
    engine("inspect", golden)

    start, end = (turn["start_ms"] + 300) / 1000, (turn["end_ms"] - 500) / 1000
    assert turn["speech"] == [start, end]
    assert turn["speech_ms"] == round(1000 * (end - start))
    assert f"spoken from {start:.2f} to {end:.2f} s" in capsys.readouterr().out


def test_several_recordings_are_shown_one_after_another_and_the_worst_status_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = converse(tmp_path / "first"), converse(tmp_path / "second")

    assert engine("inspect", first, tmp_path / "none", second) == 2

    told = capsys.readouterr()
    heads = [line for line in told.out.splitlines() if line.startswith("==>")]
    assert heads == [f"==> {folder} <==" for folder in (first, tmp_path / "none", second)]
    assert [line.split(":")[0] for line in told.out.splitlines() if ": wav and local" in line] == ["first", "second"]
    (line,) = told.err.splitlines()
    assert line.startswith(f"engine: {tmp_path / 'none'} is no recording")

    assert engine("inspect", first, second, "--events") == 0
    assert capsys.readouterr().out.count("the end: the front has left") == 2


def test_as_json_each_recording_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert engine("inspect", converse(tmp_path / "first"), converse(tmp_path / "second"), "--json") == 0

    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["first", "second"]
