"""What is gathered for the next connection."""

from typing import Any

import pytest

from realtime_engine import events as ev
from realtime_engine.audio import PCM16, PCMU
from realtime_engine.commands import Span
from realtime_engine.conversation import Conversation
from realtime_engine.input_audio import Chunk, RecentAudio
from realtime_engine.objects import ContentPart, ErrorDetail, Item
from realtime_engine.options import SessionOptions
from realtime_engine.recovery import Recovery, merged
from realtime_engine.seeding import unwritten


@pytest.mark.parametrize(
    ("settings", "change", "after"),
    [
        (None, {"type": "realtime"}, {"type": "realtime"}),
        ({"a": 1}, {"type": "realtime", "b": 2}, {"type": "realtime", "a": 1, "b": 2}),
        ({"a": 1}, {"type": "transcription", "b": 2}, {"type": "transcription", "b": 2}),
        ({"type": "transcription", "a": 1}, {"type": "realtime", "b": 2}, {"type": "realtime", "b": 2}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": None}}, {"a": {"b": 1, "c": None}}),
        ({"tools": [1, 2]}, {"tools": []}, {"tools": []}),
        ({"vad": {"type": "server_vad", "threshold": 1}}, {"vad": {"threshold": 2}},
         {"vad": {"type": "server_vad", "threshold": 2}}),
        ({"vad": {"type": "server_vad", "threshold": 1}}, {"vad": {"type": "semantic_vad"}},
         {"vad": {"type": "semantic_vad"}}),
        ({"vad": {"threshold": 1}}, {"vad": {"type": "server_vad"}}, {"vad": {"type": "server_vad", "threshold": 1}}),
        ({"vad": {"threshold": 1}}, {"vad": {"type": "semantic_vad"}}, {"vad": {"type": "semantic_vad"}}),
        ({"voice": "ash"}, {"voice": {"id": "mine"}}, {"voice": {"id": "mine"}}),
    ],
)  # fmt: skip
def test_an_update_changes_what_it_names_at_any_depth(settings: Any, change: Any, after: Any) -> None:
    assert merged(settings, change) == after


def spoken(item_id: str, conversation: Conversation) -> None:
    content = (ContentPart(type="input_audio"),)
    conversation.apply(ev.ConversationItemAdded(item=Item(id=item_id, type="message", role="user", content=content)))


def test_turns_that_nobody_has_written_down_are_kept_as_long_as_the_audio_is() -> None:
    recovery, conversation = Recovery(SessionOptions(keep_audio=0.25)), Conversation(keep=9)
    recent = RecentAudio(seconds=0.25)
    for n in range(3):
        recent.append(Chunk(bytes([n]) * 4800, Span(0, 4800)))
        spoken(f"item_{n}", conversation)
        recovery.committed(f"item_{n}", conversation, recent)

    told = [
        event for event in recovery.begin(conversation, lambda: "event") if isinstance(event, ev.ConversationItemCreate)
    ]

    assert [unwritten(event.item) for event in told] == [True, False, False]


def test_sound_in_a_format_that_is_no_more_is_not_kept() -> None:
    recovery, conversation = Recovery(SessionOptions()), Conversation(keep=9)
    recent = RecentAudio(seconds=30, format=PCM16)
    recent.append(Chunk(bytes(4800), Span(0, 4800)))
    spoken("item_1", conversation)
    recovery.committed("item_1", conversation, recent)
    recent.append(Chunk(bytes(4800), Span(4800, 9600)))
    recent.use(PCMU)

    recovery.reformatted(recent)

    (event,) = recovery.begin(conversation, lambda: "event")
    assert isinstance(event, ev.ConversationItemCreate)
    assert unwritten(event.item)
    assert recovery.part(conversation, recent) == []


def test_what_a_server_leaves_unanswered_is_bounded() -> None:
    recovery = Recovery(SessionOptions())
    commit = ev.InputAudioBufferCommit()

    assert [recovery.told(commit, b"", RecentAudio(seconds=1)) for _ in range(257)] == [True] * 256 + [False]


def test_less_can_be_said_only_of_what_was_told() -> None:
    recovery, conversation = Recovery(SessionOptions()), Conversation(keep=9)
    spoken("item_1", conversation)

    assert recovery.say_less("item_1", conversation, lambda: "event") == []
    assert recovery.say_less("item_x", conversation, lambda: "event") == []


def test_the_first_of_all_items_is_told_anew_at_the_front() -> None:
    recovery, conversation = Recovery(SessionOptions()), Conversation(keep=9)
    content = (ContentPart(type="output_text", text="Hello."),)
    greeting = Item(id="item_1", type="message", role="assistant", content=content)
    conversation.apply(ev.ConversationItemAdded(item=greeting))
    recovery.begin(conversation, lambda: "event")

    _, anew = recovery.say_less("item_1", conversation, lambda: "event")

    assert isinstance(anew, ev.ConversationItemCreate)
    assert anew.previous_item_id == "root"


def test_what_was_refused_is_not_waited_for() -> None:
    recovery, conversation = Recovery(SessionOptions()), Conversation(keep=9)
    spoken("item_1", conversation)
    recovery.begin(conversation, lambda: "event_1")
    refused = ev.Error(error=ErrorDetail(message="No.", event_id="event_1"))

    assert recovery.repeats(refused)
    assert not recovery.repeats(refused)
    assert not recovery.repeats(ev.ConversationItemAdded(item=Item(id="item_1", type="message")))
