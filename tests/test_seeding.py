"""A conversation so far, as items."""

from typing import Any

import pytest

from realtime_engine.conversation import Entry, Words
from realtime_engine.objects import Item
from realtime_engine.seeding import PICTURE, heard, seeds, unwritten


def entry(words: str = "", said: str = "", **fields: Any) -> Entry:
    given: dict[str, Any] = {"id": "item_1", "type": "message", "role": "assistant", "status": "completed", **fields}
    written, spoken = Words(), Words()
    if words:
        written.end(0, words)
    if said:
        spoken.end(0, said)
    return Entry(**given, written=written, said=spoken)


def one(entry: Entry) -> Item:
    (item,) = seeds([entry], {})
    return item


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (entry("As it was written."), "As it was written."),
        (entry(said="one two three four", audio_ms=4000), "one two three four"),
        (entry(said="one two three four", audio_ms=4000, heard_ms=2000), "one two"),
        (entry(said="one two three four", audio_ms=4000, heard_ms=9000), "one two three four"),
        (entry(said="one two three four", audio_ms=4000, heard_ms=0), ""),
        (entry(said="one two three four", audio_ms=500, status="incomplete"), "one two"),
        (entry(said="one two three four", status="incomplete"), ""),
        (entry(said="one two three four"), ""),
    ],
)
def test_of_the_models_speech_what_was_heard_is_told(known: Entry, words: str) -> None:
    assert heard(known) == words


def test_what_nobody_heard_or_knows_is_left_out() -> None:
    unheard = entry(said="one", audio_ms=4000, heard_ms=0)
    half = entry(type="function_call", status="in_progress", name="look", call_id="call_1", arguments='{"at')
    strange = entry("What is that?", type="mcp_call")

    assert list(seeds([unheard, half, strange, entry(role="system"), Entry("item_2")], {})) == []


def test_words_of_the_user_count_more_than_the_sound_and_a_picture_is_named() -> None:
    known = entry("See?", role="user", pictures=1)

    (item,) = seeds([known], {"item_1": bytes(48)})

    assert isinstance(item.content, tuple)
    assert [(part.type, part.text) for part in item.content] == [("input_text", "See?"), ("input_text", PICTURE)]


def test_an_id_that_a_client_may_not_choose_is_shortened() -> None:
    item = one(entry("Hi.", id="item_" + "x" * 20 + "y" * 27))

    assert item.id == "item_" + "y" * 27


def test_a_call_without_arguments_has_an_empty_object() -> None:
    assert one(entry(type="function_call", name="look", call_id="call_1")).arguments == "{}"


def test_what_the_user_said_unheard_by_anybody_is_a_gap_with_a_name() -> None:
    item = one(entry(role="user"))

    assert unwritten(item)
    assert not unwritten(one(entry("Hello.")))


def test_a_call_of_a_response_is_whole_when_it_was_handed_out() -> None:
    call = entry(type="function_call", name="look", call_id="call_1", response_id="resp_1")
    assert list(seeds([call], {})) == []

    call.called = True

    assert one(call).name == "look"
