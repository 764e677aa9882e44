"""Which responses the front plays, and what it is told of them."""

import json
from math import inf

from realtime_engine.commands import Send
from realtime_engine.options import Limits
from realtime_engine.outbox import Outbox
from realtime_engine.playback import Playback
from realtime_engine.sounding import Sounding


def told(out: Outbox) -> list[tuple[str, str]]:
    events = [json.loads(command.raw) for command in out.take() if isinstance(command, Send)]
    return [(event["type"].rpartition(".")[2], event["response_id"]) for event in events]


def sounding() -> tuple[Sounding, Playback, Outbox]:
    playback, out = Playback(lead=None), Outbox(Limits())
    playback.add(0.0, "resp_1", "item_1", 0, 48_000)
    return Sounding(playback, out), playback, out


def test_a_response_begins_once_and_stops_when_it_is_said_and_heard() -> None:
    responses, _, out = sounding()
    responses.begin("resp_1", done=False)
    responses.begin("resp_1", done=False)
    assert (told(out), list(responses), responses.deadline) == ([("started", "resp_1")], ["resp_1"], inf)

    responses.done(0.5, "resp_1")
    assert (told(out), responses.deadline) == ([], 1.0)

    responses.stop_heard(1.0)
    assert (told(out), list(responses)) == ([("stopped", "resp_1")], [])


def test_what_the_model_says_no_more_of_stops_when_it_has_been_heard() -> None:
    responses, _, out = sounding()
    responses.begin("resp_1", done=False)

    responses.all_done(0.2)

    assert responses.deadline == 1.0
    responses.done(2.0, "resp_1")
    assert told(out) == [("started", "resp_1"), ("stopped", "resp_1")]


def test_what_does_not_sound_or_is_cut_does_not_stop() -> None:
    responses, _, out = sounding()
    responses.begin("resp_1", done=True)
    responses.clear()

    responses.done(2.0, "resp_1")

    assert told(out) == [("started", "resp_1")]
    assert responses.deadline == inf
