"""What is new in a conversation, item by item, in whatever order it comes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine import events as ev
from realtime_engine.audio import decode_base64, encode_base64
from realtime_engine.item_updates import ItemUpdates, Keep
from realtime_engine.items import Item, ToolCall
from realtime_engine.updates import (
    ArgumentsDelta,
    AudioDelta,
    ItemAppended,
    ItemChanged,
    ItemCompleted,
    ItemDeleted,
    TextDelta,
    TranscriptDelta,
    Update,
)
from tests.talk import added, begun, call, ended, message, piece, sound, transcription

ANSWER = message("item_1", "assistant", "in_progress")
WHOLE = message("item_1", "assistant", type="output_text", text="Hello there")


class Items:
    """A conversation in which a server says things."""

    def __init__(self, **keep: Any) -> None:
        self.items = ItemUpdates(Keep(**keep))

    def hear(self, *events: dict[str, Any]) -> list[Update]:
        updates: list[Update] = []
        for said in events:
            event = ev.decode(json.dumps(said).encode())
            if isinstance(event, ev.ResponseOutputAudioDelta):
                updates += self.items.speech(event, said["response_id"], decode_base64(said["delta"]), heard=True)
            else:
                updates += self.items.apply(event)
        return updates

    def __getitem__(self, item_id: str) -> Item:
        item = self.items.get(item_id)
        assert item is not None
        return item


def test_a_message_of_the_user_is_appended_and_complete_at_once() -> None:
    items = Items()

    updates = items.hear(added(message("item_u", type="input_text", text="Hello")))

    assert updates == [ItemAppended(items["item_u"]), ItemCompleted(items["item_u"])]
    item = items["item_u"]
    assert (item.type, item.role, item.status, item.text, item.words) == (
        "message",
        "user",
        "completed",
        "Hello",
        "Hello",
    )
    assert items.hear(added(message("item_u", type="input_text", text="Hello"), kind="done")) == []


def test_an_answer_grows_and_is_completed_once() -> None:
    items = Items()

    updates = items.hear(
        begun(ANSWER),
        added(ANSWER),
        piece("output_text.delta", delta="Hello"),
        piece("output_text.delta", delta=" there"),
        piece("output_text.done", text="Hello there"),
        added(WHOLE, kind="done"),
        ended(WHOLE),
    )

    item = items["item_1"]
    assert updates == [ItemAppended(item), TextDelta(item, "Hello"), TextDelta(item, " there"), ItemCompleted(item)]
    assert (item.text, item.response_id) == ("Hello there", "resp_1")


def test_speech_grows_by_its_transcript_and_its_sound() -> None:
    items = Items()
    items.hear(begun(ANSWER))

    updates = items.hear(
        piece("output_audio_transcript.delta", delta="Hello"), sound(b"\1\0\2\0\3"), sound(b"\0"), sound(b"")
    )

    item = items["item_1"]
    assert updates == [
        TranscriptDelta(item, "Hello"),
        AudioDelta(item, b"\1\0\2\0"),
        AudioDelta(item, b"\3\0"),
    ]
    assert (item.audio, item.transcript, item.audio_ms) == (b"\1\0\2\0\3\0", "Hello", 6 / 48)


def test_a_call_grows_by_its_arguments() -> None:
    items = Items()
    begins = call("call_1", arguments="", status="in_progress")

    updates = items.hear(
        begun(begins),
        piece("function_call_arguments.delta", "item_call_1", delta='{"on":'),
        piece("function_call_arguments.delta", "item_call_1", delta="true}"),
        piece("function_call_arguments.done", "item_call_1", arguments='{"on":true}', name="lamp"),
        piece("function_call_arguments.delta", "item_call_1", delta="too late"),
        ended(call("call_1", arguments='{"on":true}')),
        piece("function_call_arguments.delta", "item_call_1", delta="too late"),
    )

    item = items["item_call_1"]
    assert updates == [
        ItemAppended(item),
        ArgumentsDelta(item, '{"on":'),
        ArgumentsDelta(item, "true}"),
        ItemCompleted(item),
    ]
    assert item.tool == ToolCall("lamp", "call_1", '{"on":true}')
    assert (item.call_id, items["item_call_1"].arguments) == ("call_1", '{"on":true}')


def test_an_output_is_complete_at_once() -> None:
    items = Items()

    items.hear(added({"id": "item_o", "type": "function_call_output", "call_id": "call_1", "output": "done"}))

    item = items["item_o"]
    assert (item.completed, item.output, item.tool, item.call_id) == (True, "done", None, "call_1")


def test_a_transcript_that_comes_before_its_item_is_told_with_the_item() -> None:
    items = Items()

    assert items.hear(transcription("delta", delta="Good "), transcription("completed", transcript="Good day")) == []
    updates = items.hear(added(message("item_u", type="input_audio", transcript=None)))

    item = items["item_u"]
    assert updates == [ItemAppended(item), ItemCompleted(item)]
    assert (item.transcript, item.transcribed) == ("Good day", True)


def test_a_transcript_that_comes_later_is_a_change_too_when_it_is_final() -> None:
    items = Items()
    items.hear(added(message("item_u", type="input_audio", transcript=None)))

    updates = items.hear(transcription("delta", delta="Good "), transcription("completed", transcript="Good day"))

    item = items["item_u"]
    assert updates == [TranscriptDelta(item, "Good "), TranscriptDelta(item, "day"), ItemChanged(item)]


def test_words_that_turn_out_otherwise_are_a_change() -> None:
    items = Items()
    items.hear(begun(ANSWER), piece("output_text.delta", delta="Hallo"))

    assert items.hear(piece("output_text.done", text="Hello")) == [ItemChanged(items["item_1"])]
    assert items["item_1"].text == "Hello"


def test_events_that_are_left_out_lose_no_words() -> None:
    items = Items()

    updates = items.hear(piece("output_text.delta", delta="Hel"), ended(WHOLE))

    item = items["item_1"]
    assert updates == [ItemAppended(item), TextDelta(item, "lo there"), ItemCompleted(item)]


def test_an_unknown_item_of_which_sound_comes_is_appended() -> None:
    items = Items()

    updates = items.hear(sound(b"\1\0"))

    assert updates == [ItemAppended(items["item_1"]), AudioDelta(items["item_1"], b"\1\0")]
    assert items["item_1"].type == ""
    assert list(items.items) == []


def test_an_item_of_an_unknown_type_is_kept_like_any_other() -> None:
    items = Items()

    items.hear(added({"id": "item_x", "type": "hologram", "status": "in_progress"}))
    updates = items.hear(added({"id": "item_x", "type": "hologram", "status": "completed"}, kind="done"))

    assert updates == [ItemCompleted(items["item_x"])]
    assert [item.type for item in items.items] == ["hologram"]


def test_an_item_that_comes_twice_is_appended_once_and_is_the_same_object() -> None:
    items = Items()
    items.hear(added(message("item_u")))
    before = items["item_u"]

    assert items.hear(added(message("item_u")), added(message("item_u"), kind="created")) == []
    assert items["item_u"] is before
    assert [item.id for item in items.items] == ["item_u"]


def test_an_item_that_ends_incomplete_is_changed_and_not_complete() -> None:
    items = Items()
    items.hear(begun(ANSWER))

    assert items.hear(ended({**ANSWER, "status": "incomplete"})) == [ItemChanged(items["item_1"])]
    assert not items["item_1"].completed


def test_a_message_that_the_server_says_is_not_complete_yet_waits_for_its_end() -> None:
    items = Items()

    assert items.hear(added(message("item_u", status="in_progress"))) == [ItemAppended(items["item_u"])]
    assert items.hear(added(message("item_u"), kind="done")) == [ItemCompleted(items["item_u"])]


def test_a_truncated_item_has_the_sound_that_was_heard() -> None:
    items = Items()
    items.hear(begun(ANSWER), sound(bytes(4800)))

    updates = items.hear(
        {"type": "conversation.item.truncated", "item_id": "item_1", "content_index": 0, "audio_end_ms": 20}
    )

    item = items["item_1"]
    assert updates == [ItemChanged(item)]
    assert (len(item.audio), item.heard_ms, item.audio_ms) == (960, 20, 100)


def test_a_truncation_of_an_unknown_item_is_nobodys_news() -> None:
    items = Items()

    assert (
        items.hear({"type": "conversation.item.truncated", "item_id": "x", "content_index": 0, "audio_end_ms": 20})
        == []
    )


def test_a_deleted_item_is_gone_and_its_id_may_come_again() -> None:
    items = Items()
    items.hear(added(message("item_u", type="input_text", text="Hello")))
    before = items["item_u"]

    gone = {"type": "conversation.item.deleted", "item_id": "item_u"}
    assert items.hear(gone, gone) == [ItemDeleted(before)]
    assert items.items.get("item_u") is None
    assert before.text == "Hello"

    updates = items.hear(added(message("item_u", type="input_text", text="Again")))
    assert isinstance(updates[0], ItemAppended)
    assert updates[0].item is not before


def test_an_item_that_was_only_heard_of_is_deleted_without_a_word() -> None:
    items = Items()

    assert (
        items.hear(transcription("delta", delta="Hm"), {"type": "conversation.item.deleted", "item_id": "item_u"}) == []
    )


def test_a_retrieved_item_has_its_sound() -> None:
    items = Items()
    items.hear(added(message("item_u", type="input_audio", transcript=None)))

    items.hear(
        {
            "type": "conversation.item.retrieved",
            "item": message("item_u", type="input_audio", audio=encode_base64(b"\1\0").decode()),
        }
    )
    assert items["item_u"].audio == b"\1\0"

    items.hear({"type": "conversation.item.retrieved", "item": message("item_u", type="input_audio", audio="?")})
    assert items["item_u"].audio == b""
    items.hear({"type": "conversation.item.retrieved", "item": {"id": "item_u", "type": "message"}})


def test_what_has_no_item_is_no_news() -> None:
    assert Items().hear({"type": "rate_limits.updated", "rate_limits": []}, added({"type": "message"})) == []


def test_the_newest_items_are_kept_and_those_that_the_application_holds_stay_as_they_were() -> None:
    items = Items(items=3)
    items.hear(added(message("item_0", type="input_text", text="first")))
    first = items["item_0"]
    for number in range(1, 20):
        items.hear(added(message(f"item_{number}"), f"item_{number - 1}"))

    assert [item.id for item in items.items] == ["item_17", "item_18", "item_19"]
    assert len(items.items._items) <= 7
    assert (first.text, items.items.get("item_0")) == ("first", None)


def test_an_item_shows_what_it_is() -> None:
    items = Items()
    items.hear(added(message("item_u", type="input_text", text="Hello")), sound(b"\1\0", "item_x"))

    assert repr(items["item_u"]) == "<Item item_u: user message, completed, 'Hello'>"
    assert repr(items["item_x"]) == "<Item item_x: unknown, no status, ''>"
    assert (items["item_u"].pictures, items["item_u"].response_id) == (0, "")


ITEM = st.sampled_from(["item_1", "item_2"])
EVENTS = st.one_of(
    ITEM.map(lambda item: added(message(item, "assistant", "in_progress"))),
    ITEM.map(lambda item: added(message(item, "user", type="input_text", text="typed"))),
    ITEM.map(lambda item: begun(message(item, "assistant", "in_progress"))),
    ITEM.map(lambda item: ended(message(item, "assistant", type="output_text", text="abc"))),
    ITEM.map(lambda item: {"type": "conversation.item.deleted", "item_id": item}),
    st.tuples(ITEM, st.text("abc", max_size=2)).map(lambda two: piece("output_text.delta", two[0], delta=two[1])),
    st.tuples(ITEM, st.text("abc", max_size=2)).map(lambda two: piece("output_text.done", two[0], text=two[1])),
    st.tuples(ITEM, st.text("abc", max_size=2)).map(lambda two: transcription("delta", two[0], delta=two[1])),
    st.tuples(ITEM, st.binary(max_size=5)).map(lambda two: sound(two[1], two[0])),
)


@given(st.lists(EVENTS, max_size=25))
@pytest.mark.parametrize("field", ["text", "transcript"])
def test_in_whatever_order_it_comes_who_follows_the_updates_has_what_the_items_have(
    field: str, events: list[dict[str, Any]]
) -> None:
    items = Items()
    followed: dict[Item, str] = {}
    completed: list[Item] = []
    grown = {"text": TextDelta, "transcript": TranscriptDelta}[field]
    for event in events:
        for update in items.hear(event):
            match update:
                case ItemAppended(item=item):
                    assert item not in followed
                    followed[item] = getattr(item, field)
                case ItemChanged(item=item):
                    followed[item] = getattr(item, field)
                case ItemCompleted(item=item):
                    completed.append(item)
                case ItemDeleted(item=item):
                    del followed[item]
                case TextDelta(item=item) | TranscriptDelta(item=item) if isinstance(update, grown):
                    followed[item] += getattr(update, field)
        assert followed == {item: getattr(item, field) for item in followed}

    assert len(completed) == len(set(completed))
