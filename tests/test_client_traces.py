"""Every recorded session of the services, as a client's application is told of it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import pytest

from realtime_engine.driving import ignore
from realtime_engine.inputs import Kind, Message, Side
from realtime_engine.tongues import TONGUES, UpstreamDialect
from realtime_engine.updates import (
    ErrorReported,
    ItemAppended,
    ItemChanged,
    ResponseEnded,
    ResponseStarted,
    SessionChanged,
    TextDelta,
    ToolCalled,
    TranscriptDelta,
    Unexpected,
    Update,
)
from tests.recorded_items import RIGHT, shown
from tests.sessions import frames
from tests.talk import Talk

if TYPE_CHECKING:
    from realtime_engine.items import Item

HEARD: Final = [frame for frame in frames("openai", "azure", "xai", "beta") if not frame.sent]
DIALECTS: Final[dict[str, UpstreamDialect]] = {"xai": "xai", "beta": "beta"}


def told(source: str, follow: Callable[[Update], None] = ignore) -> Talk:
    """The dialogue with a server that says all that it has said in a recorded session; ``follow`` takes each update."""
    talk = Talk()
    tongue = TONGUES[DIALECTS.get(source.partition("/")[0], "ga")]()
    for frame in HEARD:
        if frame.source == source:
            for raw in tongue.hear(frame.raw):
                before = len(talk.updates)
                talk.dialogue.heard(talk.now, Message(Side.UPSTREAM, Kind.TEXT, raw))
                talk.take()
                for update in talk.updates[before:]:
                    follow(update)
    return talk


@pytest.mark.parametrize("source", sorted({frame.source for frame in HEARD}))
def test_a_recorded_session_has_the_items_that_a_person_reads_in_it(source: str) -> None:
    talk = told(source)

    assert [shown(item._entry) for item in talk.dialogue.items] == RIGHT[source]
    assert [update for update in talk.updates if isinstance(update, Unexpected | ErrorReported)] == []
    begun = [start.response_id for start in talk.all(ResponseStarted)]
    assert [end.response_id for end in talk.all(ResponseEnded)] == begun


@pytest.mark.parametrize("source", sorted({frame.source for frame in HEARD}))
def test_who_follows_the_updates_of_a_recorded_session_has_all_its_words(source: str) -> None:
    words: dict[Item, list[str]] = {}

    def follow(update: Update) -> None:
        match update:
            case ItemAppended(item=item) | ItemChanged(item=item):
                words[item] = [item.text, item.transcript]
            case TextDelta(item=item, text=more):
                words[item][0] += more
            case TranscriptDelta(item=item, transcript=more):
                words[item][1] += more

    talk = told(source, follow)

    assert words
    assert words == {item: [item.text, item.transcript] for item in talk.dialogue.items}


def test_the_calls_of_recorded_sessions_are_handed_out() -> None:
    talk = told("openai/tool_call_round.jsonl")

    (called,) = talk.all(ToolCalled)
    assert (called.runs, called.item.tool and called.item.tool.name) == (True, "get_weather")
    assert [name for _, name, _ in talk.calls] == ["get_weather"]
    assert len(talk.all(SessionChanged)) == 2
