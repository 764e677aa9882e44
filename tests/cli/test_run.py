"""``engine run``: a conversation, from flags to exit status."""

import json
import signal
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import Any

import pytest
import trio

from cli.collecting import COLLECT_AFTER
from cli.options import RunOptions
from realtime_engine.errors import Stalled, UpstreamError
from realtime_engine.machine_link import MachineLink
from tests.cli.fake import Broken, Fake, FakeOptions, Phone, engine, fake_plugins, polite
from tests.script import Script, created, done, session_created, speech_started, speech_stopped
from tests.transports.wav_script import called, loud, loud_stretches, samples_of, speech_file, spoken, written
from transports.wav.front import WavFront

FAST = ("--speed", "max")


@pytest.fixture(autouse=True)
def _fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_plugins(monkeypatch)
    monkeypatch.chdir(tmp_path)


def scripted(monkeypatch: pytest.MonkeyPatch, model: Script) -> Script:
    monkeypatch.setattr(Fake, "model", staticmethod(lambda: model))
    return model


def the_recording(folder: Path) -> dict[str, Any]:
    """What `recording.json` of the only recording says."""
    (recording,) = folder.iterdir()
    about: dict[str, Any] = json.loads((recording / "recording.json").read_text())
    return about


def test_an_upstream_that_lives_in_real_time_answers_in_real_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert engine("run", "--upstream", "wired", "--text", "Hello?") == 0
    assert "Good day." in capsys.readouterr().out


def test_without_an_upstream_the_embedded_model_answers_which_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert engine("run", "--text", "Hello?", *FAST, "--speech", "tones") == 0

    told = capsys.readouterr()
    assert told.err == "engine: no --upstream was named: 'local' answers, the embedded model; it needs no key\n"
    assert "model  You said: Hello?" in told.out


def test_nobody_to_move_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stall(*args: object, **more: object) -> None:
        front = more["front"]
        assert isinstance(front, WavFront)
        raise Stalled(f"the front waits for {front.waits_for}")

    monkeypatch.setattr("cli.talk.simulate", stall)

    assert engine("run", "--upstream", "fake", "--text", "Hello?", *FAST) == 3
    assert capsys.readouterr().err == "engine: the front waits for the session\n"


@pytest.mark.parametrize("speed", ["max", "realtime"])
def test_a_typed_question_is_answered_and_shown(speed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert engine("run", "--upstream", "fake", "--text", "Hello?", "--speed", speed) == 0

    told = capsys.readouterr()
    assert [line.split(maxsplit=2)[2] for line in told.out.splitlines()] == ["you    Hello?", "model  Good day."]
    assert told.err == ""


def test_a_spoken_question_is_answered_into_files_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    question = speech_file(tmp_path / "question.wav", 1.0)
    model = scripted(monkeypatch, Script().on("connected", session_created()))
    model.at(0.3, speech_started()).at(1.2, speech_stopped(), {"type": "input_audio_buffer.committed", "item_id": "u"})
    model.at(1.5, created(), loud(2.0), spoken(words="Well."))
    wav = ("--transport", "wav", "--input", question, "--output", "answer.wav", "--mix", "mix.wav")

    assert engine("run", *wav, "--upstream", "fake", "--record", "recordings", *FAST) == 0

    assert loud_stretches(samples_of(tmp_path / "answer.wav")[:, 0]) == [(0.0, 2.0)]
    assert loud_stretches(samples_of(tmp_path / "mix.wav")[:, 1]) == [(1.5, 3.5)]
    about = the_recording(tmp_path / "recordings")
    assert (about["front"], about["upstream"], about["ended"]["complete"]) == ("wav", "fake", True)
    assert about["options"]["mode"] == "managed"
    assert about["options"]["lead"] == 1.0
    assert about["options"]["reports"] is True
    (folder,) = (tmp_path / "recordings").iterdir()
    assert capsys.readouterr().out.splitlines()[-1] == f"recorded: engine inspect recordings/{folder.name}"


def test_a_front_that_lives_in_real_time_gets_the_session_that_it_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert engine("run", "--transport", "phone", "--upstream", "fake", "--record", "recordings") == 0

    about = the_recording(tmp_path / "recordings")
    assert (about["front"], about["ended"]["complete"]) == ("phone", True)
    assert (about["options"]["detects_speech"], about["options"]["lead"]) == (True, 0.2)
    assert "you    rings" in capsys.readouterr().out


def test_nobody_looks_long_for_garbage_while_a_front_lives_in_real_time() -> None:
    assert engine("run", "--transport", "phone", "--upstream", "fake") == 0

    assert Phone.collecting == COLLECT_AFTER


def test_what_goes_wrong_at_the_end_of_such_a_front_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Phone, "problem", UpstreamError("the line is dead"))

    assert engine("run", "--transport", "phone", "--upstream", "fake", "--record", "recordings") == 3

    assert capsys.readouterr().err == "engine: the line is dead\n"
    assert the_recording(tmp_path / "recordings")["ended"]["complete"] is True


def test_turns_come_in_the_order_of_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    speech_file(tmp_path / "b.wav", 0.1)

    engine("run", "--upstream", "fake", "--text", "one", "--input", "b.wav", "--text", "three", *FAST)

    said = [line.split()[3] for line in capsys.readouterr().out.splitlines() if "you" in line.split()[:3]]
    assert said == ["one", "♪", "three"]


def test_a_turn_without_an_answer_is_status_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted(monkeypatch, Script().on("connected", session_created()))

    assert engine("run", "--upstream", "fake", "--text", "Hello?", *FAST) == 3

    told = capsys.readouterr()
    assert "no answer to turn 1 within 10 s" in told.out
    assert told.err == "engine: no answer to turn 1 within 10 s\n"


def test_a_conversation_in_which_nobody_moves_is_status_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted(monkeypatch, Script().on("response.create", created()).on("connected", session_created()))

    assert engine("run", "--upstream", "fake", "--text", "Hello?", *FAST) == 3
    assert "stopped" in capsys.readouterr().err


def test_flags_and_file_set_the_session_and_the_flags_count_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "session.toml").write_text(
        'instructions = "Be long."\nmax_output_tokens = 100\n[audio.output]\nvoice = "alloy"\nspeed = 1.2\n'
    )
    (tmp_path / "house.py").write_text('def lamp(on: bool) -> None:\n    """Switch the lamp."""\n')
    model = scripted(monkeypatch, polite())
    flags = ("--model", "gpt-realtime", "--voice", "marin", "--instructions", "Be short.", "--tools", "house.py")

    assert engine("run", "--upstream", "fake", "--text", "x", "--session", "session.toml", *flags, *FAST) == 0

    assert model.all("session.update")[0]["session"] == {
        "type": "realtime",
        "model": "gpt-realtime",
        "instructions": "Be short.",
        "max_output_tokens": 100,
        "audio": {"output": {"voice": "marin", "speed": 1.2}},
        "tools": [
            {
                "type": "function",
                "name": "lamp",
                "description": "Switch the lamp.",
                "parameters": {
                    "type": "object",
                    "properties": {"on": {"type": "boolean"}},
                    "required": ["on"],
                    "additionalProperties": False,
                },
            }
        ],
    }


def test_without_settings_none_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    model = scripted(monkeypatch, polite())

    engine("run", "--upstream", "fake", "--text", "x", *FAST)

    assert model.types() == ["conversation.item.create", "response.create"]


def curious() -> Script:
    """A model that asks for the weather in Ulm, and says what it is."""
    call = {"type": "function_call", "id": "f", "call_id": "c", "name": "weather", "arguments": '{"city":"Ulm"}'}
    answers = [[created(), *called(call)], [created("resp_2"), written("Rain.", "resp_2")]]
    model = polite().on("response.create", lambda event: answers.pop(0))
    return model.on(
        "conversation.item.create", lambda event: [{"type": "conversation.item.added", "item": event["item"]}]
    )


@pytest.mark.parametrize("speed", ["max", "realtime"])
def test_the_model_calls_functions_of_the_module(
    speed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sky.py").write_text("async def weather(city: str) -> str:\n    return f'rain in {city}'\n")
    scripted(monkeypatch, curious())

    assert engine("run", "--upstream", "fake", "--text", "Ulm?", "--tools", "sky.py", "--speed", speed) == 0

    assert [line.split(maxsplit=2)[2] for line in capsys.readouterr().out.splitlines()] == [
        "you    Ulm?",
        'tool   weather({"city":"Ulm"})',
        "tool   → rain in Ulm",
        "model  Rain.",
    ]


@pytest.mark.parametrize("speed", ["max", "realtime"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_conversation_in_good_order(
    speed: str, number: int, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(event: object) -> list[dict[str, Any]]:
        signal.raise_signal(number)
        return [created(), loud(5.0)]

    scripted(monkeypatch, polite()).on("response.create", interrupt)
    before = signal.getsignal(number)
    files = ("--output", "answer.wav", "--record", "recordings")

    assert engine("run", "--upstream", "fake", "--text", "Hello?", *files, "--speed", speed) == status

    assert signal.getsignal(number) is before
    ended = the_recording(tmp_path / "recordings")["ended"]
    assert (ended["complete"], ended["reason"]) == (True, "interrupted")
    assert engine("replay", *(tmp_path / "recordings").iterdir()) == 0
    assert samples_of(tmp_path / "answer.wav").shape[0] < 24_000


def test_ctrl_c_before_the_conversation_is_status_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cli.settings.session_settings", interrupt)

    assert engine("run", "--upstream", "fake", "--text", "Hello?") == 130


def test_the_flags_of_the_chosen_plug_ins_are_made_from_their_options() -> None:
    assert engine("run", "--upstream", "fake", "--text", "x", *FAST) == 0
    assert Fake.options == FakeOptions()

    assert engine("run", "--upstream", "fake", "--text", "x", *FAST, "--patience", "2.5", "--loud") == 0
    assert Fake.options == FakeOptions(patience=2.5, loud=True)


def test_a_path_stands_behind_a_colon(tmp_path: Path) -> None:
    assert engine("run", "--upstream", f"reading:{tmp_path}/a:b", "--text", "x", *FAST) == 0

    assert vars(Fake.options) == {"path": tmp_path / "a:b"}


def test_the_help_shows_the_flags_of_the_chosen_plug_ins_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert engine("run", "--upstream", "fake", "--help") == 0

    out = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "engine run --transport wav --input question.wav --output answer.wav" in out
    assert "--patience FLOAT How many seconds it waits, inf too. [default: 1.5]" in out
    assert "--input --text FILE|TEXT What the person does, turn after turn" in out
    assert "[choices: realtime, max] [default: realtime]" in out
    assert "--script" not in out, "a flag of another upstream"


def test_functions_are_told_their_options_by_flags(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("sky.py").write_text(
        "from dataclasses import dataclass\n@dataclass\nclass Options:\n    sky: str\n"
        "def weather(options: Options, city: str) -> str:\n    return f'{options.sky} in {city}'\n"
    )
    scripted(monkeypatch, curious())

    assert engine("run", "--upstream", "fake", "--text", "Ulm?", "--tools", "sky.py", "--sky", "hail") == 0
    assert "tool   → hail in Ulm" in capsys.readouterr().out
    assert engine("run", "--upstream", "fake", "--text", "Ulm?", "--tools", "sky.py") == 2
    assert capsys.readouterr().err == "engine: --sky must be given: see engine run --help\n"
    assert engine("run", "--upstream", "fake", "--text", "Ulm?", "--tools", "sky.py", "--sky") == 2
    assert capsys.readouterr().err == 'engine: Command "run" parameter --sky requires an argument.\n'


def test_a_flag_that_two_plug_ins_claim_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Fake, "Options", RunOptions)

    assert engine("run", "--upstream", "fake", "--text", "x") == 2
    assert capsys.readouterr().err == (
        "engine: the upstream 'fake' has a flag --transport, as the engine itself has: rename the option there\n"
    )


def options_with(name: str) -> type:
    return make_dataclass("Options", [(name, bool, False)])


@pytest.mark.parametrize(
    ("name", "flag", "whose"),
    [
        ("record", "--record", "the engine itself"),
        ("help", "--help", "the engine itself"),
        ("verbose", "--verbose", "the engine itself"),
        ("input", "--input", "the transport 'wav' of the package realtime-engine "),
    ],
)
def test_an_option_that_is_taken_is_named_with_whose_it_is(
    name: str, flag: str, whose: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Fake, "Options", options_with(name))

    assert engine("run", "--upstream", "fake", "--text", "x") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"engine: the upstream 'fake' has a flag {flag}, as {whose}")


def test_a_flag_that_says_no_is_a_flag_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Fake, "Options", options_with("no_sky"))
    (tmp_path / "sky.py").write_text(
        "from dataclasses import dataclass\n@dataclass\nclass Options:\n    sky: bool = True\ndef f() -> None: ...\n"
    )

    assert engine("run", "--upstream", "fake", "--text", "x", "--tools", "sky.py") == 2
    assert "--tools sky.py has a flag --no-sky, as the upstream 'fake' has: rename" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ImportError("No module named 'birds'"), "cannot begin: ImportError: No module named 'birds'"),
        (ValueError("so many"), "cannot begin: ValueError: so many"),
    ],
)
def test_a_plug_in_that_fails_at_once_is_named(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(self: Fake, options: object) -> None:
        raise error

    monkeypatch.setattr(Fake, "__init__", fail)

    assert engine("run", "--upstream", "fake", "--text", "x") == 2
    assert capsys.readouterr().err == f"engine: the upstream 'fake' {words}\n"


def test_notes_of_the_session_are_logged_with_v(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted(monkeypatch, polite().on("response.create", b"what?", created(), written("Well.")))

    assert engine("run", "--upstream", "fake", "--text", "x", *FAST) == 0
    assert capsys.readouterr().err == ""
    assert engine("run", "--upstream", "fake", "--text", "x", *FAST, "-v") == 0
    assert "binary frame" in capsys.readouterr().err


def test_a_conversation_goes_on_when_its_log_can_no_longer_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Broken(BrokenPipeError(32, "Broken pipe"))
    monkeypatch.setattr("sys.stderr", broken)
    scripted(monkeypatch, polite().on("response.create", b"what?", created(), written("Well.")))

    assert engine("run", "--upstream", "fake", "--text", "x", *FAST, "-v") == 0
    assert broken.tried > 0


def test_a_signal_counts_more_than_what_went_wrong_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt_the_second(event: dict[str, Any]) -> list[dict[str, Any]]:
        if event["item"]["content"][0]["text"] == "Hello?":
            signal.raise_signal(signal.SIGINT)
        return []

    model = scripted(monkeypatch, Script().on("connected", session_created()))
    model.on("conversation.item.create", interrupt_the_second)

    assert engine("run", "--upstream", "fake", "--text", "Anybody?", "--text", "Hello?", *FAST) == 130


def test_the_models_name_goes_to_an_upstream_that_must_know_it_when_it_connects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @dataclass(frozen=True)
    class Options:
        model_name: str = "mini"

    monkeypatch.setattr(Fake, "Options", Options)

    engine("run", "--upstream", "fake", "--text", "x", *FAST)
    assert vars(Fake.options) == {"model_name": "mini"}
    engine("run", "--upstream", "fake", "--text", "x", *FAST, "--model", "maxi")
    assert vars(Fake.options) == {"model_name": "maxi"}


@pytest.mark.parametrize("pause", ["time.sleep(60)", "await sleep(60)"])
def test_a_signal_ends_a_function_that_hangs_on_the_virtual_clock(
    pause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow.py").write_text(
        f"""import os, signal, time
from trio import sleep

{"async def" if "await" in pause else "def"} wait() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    {pause}
"""
    )
    call = {"type": "function_call", "id": "f", "call_id": "c", "name": "wait", "arguments": "{}"}
    scripted(monkeypatch, polite()).on("response.create", created(), *called(call))
    before = signal.getsignal(signal.SIGINT)
    flags = ("--tools", "slow.py", "--record", "recordings")

    assert engine("run", "--upstream", "fake", "--text", "Wait!", *flags, *FAST) == 130

    assert signal.getsignal(signal.SIGINT) is before
    ended = the_recording(tmp_path / "recordings")["ended"]
    assert (ended["complete"], ended["reason"]) == (True, "interrupted")
    (recording,) = (tmp_path / "recordings").iterdir()
    assert '"result":{"call_id":"c","output":"interrupted","failed":true}' in (recording / "events.jsonl").read_text()
    assert engine("replay", recording) == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_second_signal_ends_what_hangs_elsewhere(number: int, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(event: object) -> list[dict[str, Any]]:
        signal.raise_signal(number)
        signal.raise_signal(number)
        raise AssertionError("it was not heeded")

    scripted(monkeypatch, polite()).on("response.create", hang)

    assert engine("run", "--upstream", "fake", "--text", "Hello?", *FAST) == status


@pytest.mark.parametrize("speed", ["max", "realtime"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_second_signal_ends_a_function_that_holds_up_the_loop(
    number: int, status: int, speed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blocks.py").write_text(
        f"""import signal
from pathlib import Path

async def wait() -> None:
    signal.raise_signal({number:d})
    Path("first").touch()
    signal.raise_signal({number:d})
    Path("second").touch()
"""
    )
    call = {"type": "function_call", "id": "f", "call_id": "c", "name": "wait", "arguments": "{}"}
    scripted(monkeypatch, polite()).on("response.create", created(), *called(call))
    before = signal.getsignal(number)

    told = ("--text", "Wait!", "--tools", "blocks.py", "--record", "recordings", "--speed", speed)
    assert engine("run", "--upstream", "fake", *told) == status

    assert signal.getsignal(number) is before
    assert [Path(name).exists() for name in ("first", "second")] == [True, False]
    (recording,) = (tmp_path / "recordings").iterdir()
    assert engine("replay", recording) == 0


def hanging(monkeypatch: pytest.MonkeyPatch, *numbers: int, in_trio: bool = False) -> None:
    """The first signal comes in mid-conversation; the others while it ends, which takes longer than anybody waits."""

    def interrupt(event: object) -> list[dict[str, Any]]:
        signal.raise_signal(numbers[0])
        return []

    def go_on() -> None:
        for number in numbers[1:]:
            signal.raise_signal(number)

    async def close(link: MachineLink, code: int, reason: str) -> None:
        if in_trio:
            trio.lowlevel.current_trio_token().run_sync_soon(go_on)
        else:
            go_on()
        await trio.sleep_forever()

    scripted(monkeypatch, polite()).on("response.create", interrupt)
    monkeypatch.setattr(MachineLink, "close", close)


@pytest.mark.parametrize("in_trio", [False, True])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_second_signal_does_not_wait_until_the_conversation_has_ended(
    number: int, status: int, in_trio: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging(monkeypatch, number, number, in_trio=in_trio)
    monkeypatch.setattr("realtime_engine.engine.GRACE", 600.0)
    before = signal.getsignal(number)

    assert engine("run", "--upstream", "fake", "--text", "Hello?", "--speed", "realtime") == status

    assert signal.getsignal(number) is before


def test_the_end_of_the_terminal_ends_it_in_good_order_however_often_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging(monkeypatch, *[signal.SIGHUP] * 3)
    monkeypatch.setattr("realtime_engine.engine.GRACE", 0.1)

    assert engine("run", "--upstream", "fake", "--text", "Hello?", "--record", "recordings") == 129
    assert the_recording(tmp_path / "recordings")["ended"]["reason"] == "interrupted"


def test_who_was_started_with_nohup_does_not_hear_of_the_end_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang_up(event: object) -> list[dict[str, Any]]:
        signal.raise_signal(signal.SIGHUP)
        return [created(), done()]

    scripted(monkeypatch, polite()).on("response.create", hang_up)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert engine("run", "--upstream", "fake", "--text", "Hello?", *FAST) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("speed", ["max", "realtime"])
@pytest.mark.parametrize(
    ("flags", "field"),
    [
        (["--voice", "nosuch"], "Invalid value: 'nosuch'"),
        (["--session", "session.toml"], "session.audio.input.turn_detection.threshold"),
    ],
)
def test_settings_that_the_model_refuses_are_status_2_before_the_first_word(
    speed: str, flags: list[str], field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "session.toml").write_text('[audio.input.turn_detection]\ntype = "server_vad"\nthreshold = "high"\n')

    assert engine("run", "--upstream", "local", "--text", "Hello?", *flags, "--speed", speed) == 2

    told = capsys.readouterr()
    assert "Hello?" not in told.out
    (line,) = told.err.splitlines()
    assert line.startswith("engine: the model refuses the session as it was asked for: ")
    assert field in line


@pytest.mark.parametrize("damage", ["empty", "truncated", "no-sound", "no-samples"])
def test_a_file_that_cannot_be_spoken_is_status_2_and_nothing_is_recorded(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"{damage}.wav"
    whole = speech_file(path, 1.0).read_bytes()
    contents = {"empty": b"", "truncated": whole[:-1000], "no-sound": b"Dear all,\n" * 100}
    if damage in contents:
        path.write_bytes(contents[damage])
    else:
        speech_file(path, 0.0)

    assert engine("run", "--upstream", "local", "--input", path, "--record", "recordings", *FAST) == 2

    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    why = {
        "empty": "the file is empty",
        "truncated": "the file is cut off",
        "no-sound": "not a sound file",
        "no-samples": "there is no sound in it",
    }
    assert line.startswith(f"engine: {path}: {why[damage]}")
    assert not (tmp_path / "recordings").exists()
