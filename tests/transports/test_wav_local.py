"""A person against the embedded model: real speech, real voice detection."""

from pathlib import Path

from realtime_engine.commands import Send, Step
from realtime_engine.events import ConversationItemTruncate, decode
from realtime_engine.inputs import Side
from realtime_engine.options import SessionOptions
from realtime_engine.session import Session
from realtime_engine.simulate import simulate
from realtime_engine.upstreams.local import Local, LocalOptions
from tests.transports.wav_script import Shown, samples_of
from transports.wav import Spoken, Wav, WavOptions

JFK = Path(__file__).parents[1] / "audio" / "jfk.flac"


def test_who_speaks_on_interrupts_and_the_truncation_is_what_the_mix_lets_one_hear(tmp_path: Path) -> None:
    wav = Wav(WavOptions(turns=(Spoken(JFK),), mix=tmp_path / "mix.wav"))
    options = SessionOptions(lead=Wav.lead, reports=Wav.reports)
    steps: list[Step] = []

    with wav.open(options, Shown()) as front:
        simulate(Session(options), front=front, connect=Local(LocalOptions()).connect, record=steps.append)

    cuts = [(at, sent) for at, sent in sent_upstream(steps) if isinstance(sent, ConversationItemTruncate)]
    model = samples_of(tmp_path / "mix.wav")[:, 1]
    assert len(cuts) == 3
    for at, cut in cuts:
        stop = round(at * 24_000)
        start = stop - round(cut.audio_end_ms * 24)
        assert not model[stop : stop + 12_000].any(), "nothing is heard for a while after the cut"
        assert not model[start - 12_000 : start - 720].any(), "nor before what was heard, to 30 ms"
        assert model[start : start + 720].any(), "it is heard from there"
        assert model[stop - 720 : stop].any(), "up to the cut"


def sent_upstream(steps: list[Step]) -> list[tuple[float, object]]:
    """What the session itself told the model, with its times."""
    sent = [(step.at, command) for step in steps for command in step.commands if isinstance(command, Send)]
    return [(at, decode(command.raw)) for at, command in sent if command.side is Side.UPSTREAM]
