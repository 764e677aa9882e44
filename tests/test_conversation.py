"""The conversation is the server's: its items, in its order, with all that is known of them."""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import cycle
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine import events as ev
from realtime_engine.conversation import Conversation, entry_of
from realtime_engine.events import Event, decode
from realtime_engine.objects import Item
from tests.recorded_items import RIGHT, shown
from tests.sessions import frames

RECORDED: Final = [frame for frame in frames("openai", "azure", "xai") if not frame.sent]
SESSIONS: Final = sorted({frame.source for frame in RECORDED})


def event(type: str, **fields: Any) -> Event:
    return decode(json.dumps({"type": type, **fields}).encode())


def told(*events: Event, keep: int = 1000) -> Conversation:
    conversation = Conversation(keep=keep)
    for each in events:
        conversation.apply(each)
    return conversation


def added(item: str, after: str | None = None, **fields: Any) -> Event:
    described = {"type": "message", "role": "user", **fields}
    return event("conversation.item.added", previous_item_id=after, item={"id": item, **described})


def done(item: str, after: str | None = None, **fields: Any) -> Event:
    return event("conversation.item.done", previous_item_id=after, item={"id": item, "type": "message", **fields})


def transcribed(item: str, transcript: str, part: int = 0) -> Event:
    name = "conversation.item.input_audio_transcription.completed"
    return event(name, item_id=item, content_index=part, transcript=transcript)


def said(item: str, delta: str, part: int = 0) -> Event:
    return event("response.output_audio_transcript.delta", item_id=item, content_index=part, delta=delta)


def order(conversation: Iterable[Any]) -> list[str]:
    return [entry.id for entry in conversation]


def words(conversation: Conversation) -> dict[str, str]:
    return {entry.id: entry.words for entry in conversation}


# --- the recorded sessions, in every order of late transcripts ----------------------------------------------


@cache
def session(source: str) -> list[Event]:
    """What the server said in a session."""
    return [decode(frame.raw) for frame in RECORDED if frame.source == source]


def as_added_says(source: str) -> list[str]:
    """The oracle: nothing but ``conversation.item.added``."""
    items: list[str] = []
    for frame in (frame for frame in RECORDED if frame.source == source and frame.type == "conversation.item.added"):
        given = json.loads(frame.raw)
        previous = given["previous_item_id"]
        items.insert(0 if previous is None else items.index(previous) + 1, given["item"]["id"])
    return items


def reordered(source: str, places: Sequence[int]) -> list[Event]:
    """A session in which each transcript comes before the event at its place, counted without them."""
    plain = [event for event in session(source) if "transcript" not in event.type]
    late = [event for event in session(source) if "transcript" in event.type]
    events: list[Event] = []
    for n in range(len(plain) + 1):
        events += [event for event, place in zip(late, cycle(places)) if place % (len(plain) + 1) == n]
        events += plain[n : n + 1]
    assert len(events) == len(session(source))
    return events


@pytest.mark.parametrize("source", SESSIONS)
@given(places=st.lists(st.integers(0, 100), min_size=1))
def test_the_order_is_what_added_says_whatever_the_order_of_transcripts(source: str, places: Sequence[int]) -> None:
    assert order(told(*reordered(source, places))) == as_added_says(source)


@pytest.mark.parametrize("source", SESSIONS)
def test_the_words_are_the_same_however_late_or_early_the_transcripts_come(source: str) -> None:
    as_recorded = words(told(*session(source)))

    for place in range(len(session(source)) + 1):
        assert words(told(*reordered(source, [place]))) == as_recorded


def test_every_recorded_session_has_been_read() -> None:
    assert RIGHT.keys() == {*SESSIONS, "beta/text_response_beta.jsonl"}  # which `tests/test_tongues.py` reads


@pytest.mark.parametrize("source", SESSIONS)
def test_the_items_of_a_recorded_session_are_those_that_a_person_reads_in_it(source: str) -> None:
    assert [shown(entry) for entry in told(*session(source))] == RIGHT[source]


def test_a_recorded_spoken_turn_is_known_in_full() -> None:
    user, answer = told(*session("openai/audio_in_server_vad_turn.jsonl"))

    assert (user.type, user.role, user.status) == ("message", "user", "completed")
    assert user.transcript == "Nanna, na nana an Nannana."
    assert user.transcribed
    assert (user.start_ms, user.end_ms) == (1460, 4256)
    assert (answer.role, answer.status) == ("assistant", "completed")
    assert answer.words == "Nanna, Nannana! Nnaan na naan aaa. Nan nan A nann aaa nanaa?"
    assert answer.response_id.startswith("resp_")


def test_a_recorded_tool_call_is_known_in_full() -> None:
    _, call, output, answer = told(*session("azure/tool_call_round.jsonl"))

    assert (call.type, call.name, call.status) == ("function_call", "get_weather", "completed")
    assert json.loads(call.arguments)
    assert (output.type, output.call_id) == ("function_call_output", call.call_id)
    assert output.output
    assert answer.text == "An an nanna ann 00 nannaan an Nannan."


def test_the_audio_that_went_by_until_the_model_spoke_up_has_its_place_in_the_sound() -> None:
    *_, silence, _ = told(*session("openai/idle_timeout.jsonl"))

    assert (silence.role, silence.transcript, silence.transcribed) == ("user", "", True)
    assert (silence.start_ms, silence.end_ms) == (672, 5792)


def test_an_answer_that_was_spoken_over_says_where_it_was_cut() -> None:
    first, cut, *_ = told(*session("openai/barge_in_interrupt_response_true.jsonl"))

    assert (first.heard_ms, cut.heard_ms, cut.status) == (None, 0, "incomplete")


def test_another_vendors_transcript_is_corrected_until_the_turn_is_over() -> None:
    conversation, grown = Conversation(keep=9), list[tuple[str, bool]]()
    for each in session("xai/audio_in_server_vad_turn.jsonl"):
        conversation.apply(each)
        if "input_audio_transcription" in each.type:
            (user,) = conversation
            grown.append((user.transcript, user.transcribed))

    assert grown == [
        ("Nanna?", False),  # updated
        ("Nanna?", False),  # completed, in progress
        ("Nanna, na nana an", False),
        ("Nanna, na nana an", False),
        ("Nanna, na nana an Nannana.", True),
    ]


# --- places -------------------------------------------------------------------------------------------------


def test_an_item_goes_after_the_item_it_names_or_to_the_front_or_to_the_end() -> None:
    conversation = told(
        added("b"),
        added("d", after="b"),
        added("a"),
        added("c", after="b"),
        event("conversation.item.added", item={"id": "e", "type": "message"}),
        added("f", after="never heard of"),
    )

    assert order(conversation) == ["a", "b", "c", "d", "e", "f"]
    assert len(conversation) == 6


@pytest.mark.parametrize("kind", ["conversation.item.added", "conversation.item.created"])
def test_the_betas_created_is_as_good_as_added(kind: str) -> None:
    assert order(told(event(kind, item={"id": "a", "type": "message"}))) == ["a"]


def test_an_items_place_is_said_once() -> None:
    conversation = told(added("a"), added("b", after="a"), done("b"), added("b"), done("a", after="b"))

    assert order(conversation) == ["a", "b"]


def test_a_spoken_item_has_its_place_when_it_is_committed() -> None:
    conversation = told(
        added("a"), event("input_audio_buffer.committed", previous_item_id="a", item_id="b"), added("c", after="b")
    )

    assert order(conversation) == ["a", "b", "c"]
    assert conversation.get("b") is list(conversation)[1]
    assert list(conversation)[1].role == "user"


def test_a_committed_item_without_a_predecessor_goes_to_the_end() -> None:
    conversation = told(added("a"), event("input_audio_buffer.committed", previous_item_id=None, item_id="b"))

    assert order(conversation) == ["a", "b"]


def test_what_is_spoken_never_goes_to_the_front() -> None:
    """xAI adds a turn while it is being said, and says null of many a predecessor."""
    conversation = told(
        added("a"), event("input_audio_buffer.speech_started", item_id="b", audio_start_ms=0), added("b", after=None)
    )

    assert order(conversation) == ["a", "b"]


def test_a_turn_that_was_added_while_it_was_said_is_complete_when_it_is_committed() -> None:
    (turn,) = conversation = told(added("a", status="in_progress"))
    assert turn.status == "in_progress"

    conversation.apply(event("input_audio_buffer.committed", previous_item_id=None, item_id="a"))

    assert turn.status == "completed"


def test_what_belongs_to_no_place_yet_is_known_and_is_not_in_the_order() -> None:
    conversation = told(transcribed("u", "early"))
    early = conversation.get("u")
    assert early is not None
    assert early.transcript == "early"
    assert len(conversation) == 0

    conversation.apply(added("u", content=[{"type": "input_audio", "transcript": None}]))

    assert list(conversation) == [early]
    assert early.transcript == "early"


def test_an_item_without_an_id_is_no_item_yet() -> None:
    assert order(told(event("conversation.item.added", item={"type": "message"}))) == []
    assert order(told(event("response.output_item.added", item={"type": "message"}))) == []


def test_the_item_of_a_response_beside_the_conversation_has_no_place_in_it() -> None:
    conversation = told(
        event("response.output_item.added", response_id="resp_1", item={"id": "a", "type": "message"}),
        event("response.output_text.done", response_id="resp_1", item_id="a", text="aside"),
        event("response.output_item.done", response_id="resp_1", item={"id": "a", "type": "message"}),
    )

    assert order(conversation) == []
    aside = conversation.get("a")
    assert aside is not None
    assert (aside.words, aside.response_id) == ("aside", "resp_1")


def test_a_deleted_item_is_gone_and_stays_gone() -> None:
    conversation = told(
        added("a"), added("b", after="a"), event("conversation.item.deleted", item_id="a"), done("a", after=None)
    )

    assert order(conversation) == ["b"]


def test_an_item_of_an_unknown_type_is_kept_like_any_other() -> None:
    conversation = told(added("a"), added("b", after="a", type="hologram"), added("c", after="b"))

    assert order(conversation) == ["a", "b", "c"]


def test_an_event_that_says_nothing_about_items_changes_nothing() -> None:
    assert order(told(event("rate_limits.updated", rate_limits=[]), event("ping"))) == []


CHANGES: Final = st.lists(
    st.tuples(st.sampled_from(["first", "after", "end", "delete", "late", "done", "done"]), st.integers(0, 50)),
    max_size=40,
)


@given(CHANGES)
def test_the_order_is_the_servers_through_any_changes(changes: Sequence[tuple[str, int]]) -> None:
    conversation, server, made = Conversation(keep=1000), list[str](), list[str]()
    for n, (change, choice) in enumerate(changes):
        item = f"item_{n}"
        if change in {"first", "after", "end"}:
            at = 0 if change == "first" or not server else choice % len(server) if change == "after" else len(server)
            server.insert(at, item)
            made.append(item)
            conversation.apply(added(item, after=server[at - 1] if at else None))
        elif made:
            item = made[choice % len(made)]  # it may be deleted by now
            if change == "delete" and item in server:
                server.remove(item)
                conversation.apply(event("conversation.item.deleted", item_id=item))
            elif change != "delete":
                conversation.apply(transcribed(item, "late") if change == "late" else done(item, after=None))

    assert order(conversation) == server


# --- words --------------------------------------------------------------------------------------------------


def test_a_transcript_grows_and_its_end_is_final() -> None:
    conversation = told(added("a"), said("a", "Good "), said("a", "mor"))
    (entry,) = conversation
    assert (entry.transcript, entry.transcribed) == ("Good mor", False)

    conversation.apply(event("response.output_audio_transcript.done", item_id="a", transcript="Good morning."))
    conversation.apply(said("a", "mor"))  # late, and it belongs to what has ended

    assert (entry.transcript, entry.transcribed) == ("Good morning.", True)


def test_what_the_user_said_grows_too_and_a_piece_may_be_empty() -> None:
    name = "conversation.item.input_audio_transcription.delta"
    conversation = told(added("a"), event(name, item_id="a", delta="Hel"), event(name, item_id="a", delta=None))

    assert next(iter(conversation)).transcript == "Hel"


def test_the_parts_of_an_item_end_each_for_itself_and_are_read_in_their_order() -> None:
    conversation = told(added("a"), said("a", "two", part=1), transcribed("a", "one, ", part=0), said("a", "!", part=1))
    (entry,) = conversation

    assert (entry.transcript, entry.transcribed) == ("one, two!", False)
    conversation.apply(transcribed("a", "three.", part=1))
    assert (entry.transcript, entry.transcribed) == ("one, three.", True)


def test_written_text_grows_part_by_part() -> None:
    conversation = told(
        added("a"),
        event("response.output_text.delta", item_id="a", content_index=0, delta="Go"),
        event("response.output_text.delta", item_id="a", content_index=0, delta="od "),
        event("response.output_text.done", item_id="a", content_index=0, text="Good "),
        event("response.output_text.delta", item_id="a", content_index=1, delta="morn"),
    )
    (entry,) = conversation

    assert (entry.text, entry.words) == ("Good morn", "Good morn")
    conversation.apply(event("response.output_text.done", item_id="a", content_index=1, text="morning."))
    assert entry.text == "Good morning."


def test_an_item_brings_its_own_words() -> None:
    (entry,) = told(
        added("a", content=[{"type": "input_text", "text": "Look: "}, {"type": "input_audio", "transcript": "there"}])
    )

    assert (entry.text, entry.transcript, entry.transcribed) == ("Look: ", "there", True)


def test_an_item_that_says_less_than_is_known_takes_nothing_away() -> None:
    (entry,) = told(
        added("a", role="assistant", status="completed", content=[{"type": "output_audio", "transcript": "whole"}]),
        event("conversation.item.done", item={"id": "a", "type": "message", "content": [{"type": "output_audio"}]}),
    )

    assert (entry.role, entry.status, entry.transcript) == ("assistant", "completed", "whole")


def test_an_item_that_was_asked_for_tells_what_was_not_known() -> None:
    retrieved = {
        "id": "a",
        "type": "message",
        "content": [{"type": "input_audio", "audio": "AA==", "transcript": "Hi"}],
    }
    conversation = told(added("a"), event("conversation.item.retrieved", item=retrieved))

    assert words(conversation) == {"a": "Hi"}


def test_a_calls_arguments_are_known_when_they_are_complete() -> None:
    name = "response.function_call_arguments.done"
    (call,) = told(
        added("a", type="function_call", name="dig", call_id="call_1"), event(name, item_id="a", arguments='{"m":1}')
    )

    assert (call.name, call.call_id, call.arguments) == ("dig", "call_1", '{"m":1}')


def test_what_was_said_so_far_changes_nothing_that_is_final() -> None:
    name = "conversation.item.input_audio_transcription.updated"
    conversation = told(added("a"), event(name, item_id="a", transcript="Good m"))
    assert words(conversation) == {"a": "Good m"}

    conversation.apply(transcribed("a", "Good morning."))
    conversation.apply(event(name, item_id="a", transcript="Good mor"))

    assert words(conversation) == {"a": "Good morning."}


def test_a_call_that_only_its_arguments_announce_is_known_by_them() -> None:
    name = "response.function_call_arguments.done"
    conversation = told(
        event(name, item_id="a", response_id="resp_1", call_id="call_1", name="dig", arguments='{"m":1}')
    )

    (call,) = conversation.not_called("resp_1")
    assert (call.type, call.name, call.call_id, call.arguments) == ("function_call", "dig", "call_1", '{"m":1}')
    assert conversation.not_called("resp_2") == []


def test_a_call_that_only_the_end_of_its_response_names_is_known_by_that() -> None:
    item = {"id": "a", "type": "function_call", "name": "dig", "call_id": "call_1", "arguments": "{}"}
    nameless = {"type": "function_call", "name": "dig", "call_id": "call_2", "arguments": "{}"}
    output = [item, nameless, {"id": "b", "type": "message", "role": "assistant"}]
    conversation = told(event("response.done", response={"id": "resp_1", "status": "completed", "output": output}))

    assert [call.call_id for call in conversation.not_called("resp_1")] == ["call_1"]
    assert conversation.get("b") is None


@pytest.mark.parametrize("missing", [{"arguments": ""}, {"status": "incomplete"}, {"type": "message"}])
def test_what_is_no_whole_call_is_not_called(missing: dict[str, str]) -> None:
    item = {"id": "a", "type": "function_call", "name": "dig", "call_id": "call_1", "arguments": "{}", **missing}

    assert told(event("response.output_item.added", response_id="resp_1", item=item)).not_called("resp_1") == []


def test_an_item_without_an_id_is_known_by_what_it_says_itself() -> None:
    entry = entry_of(Item(type="function_call", name="dig", call_id="call_1", arguments="{}"))

    assert (entry.id, entry.name, entry.call_id, entry.can_be_called) == ("", "dig", "call_1", True)


def test_the_models_speech_is_counted_in_milliseconds() -> None:
    conversation = told(added("a"))
    conversation.spoken("a", "resp_1", 100.5)
    conversation.spoken("a", "resp_1", 99.5)

    (entry,) = conversation
    assert (entry.audio_ms, entry.response_id) == (200.0, "resp_1")


# --- bounds -------------------------------------------------------------------------------------------------


def test_the_newest_items_are_kept() -> None:
    conversation = Conversation(keep=3)
    for n in range(10):
        conversation.apply(added(str(n), after=str(n - 1) if n else None))

    assert order(conversation) == ["7", "8", "9"]
    assert conversation.get("6") is None


def test_an_item_put_before_all_that_is_kept_is_not_kept() -> None:
    conversation = told(added("b"), added("c", after="b"), added("a"), keep=2)

    assert order(conversation) == ["b", "c"]
    assert conversation.get("a") is None


def test_words_of_items_that_never_come_are_forgotten_before_those_of_items_that_did() -> None:
    conversation = Conversation(keep=5)
    for n in range(5):
        conversation.apply(added(str(n), after=str(n - 1) if n else None))
    for n in range(1000):
        conversation.apply(transcribed(f"ghost_{n}", "boo"))

    assert order(conversation) == ["0", "1", "2", "3", "4"]
    assert conversation.get("ghost_999") is not None
    assert sum(conversation.get(f"ghost_{n}") is not None for n in range(1000)) <= 10


def test_an_item_that_is_gone_cannot_be_cut() -> None:
    conversation = Conversation(keep=9)

    conversation.cut("item_x", 100)

    assert conversation.get("item_x") is None


def test_the_arguments_of_a_call_are_a_draft_until_all_of_them_have_come() -> None:
    conversation = Conversation(keep=10)
    seen = []
    for event in (
        ev.FunctionCallArgumentsDelta(item_id="item_1", delta='{"on":'),
        ev.FunctionCallArgumentsDelta(item_id="item_1", delta="true}"),
        ev.FunctionCallArgumentsDone(item_id="item_1", arguments='{"on": true}', name="lamp"),
    ):
        conversation.apply(event)
        entry = conversation.get("item_1")
        assert entry is not None
        seen.append((entry.drafted, entry.arguments))

    assert seen == [('{"on":', ""), ('{"on":true}', ""), ('{"on":true}', '{"on": true}')]


def test_what_is_spoken_gives_its_item() -> None:
    assert Conversation(keep=10).spoken("item_2", "resp_1", 20.0).audio_ms == 20.0
