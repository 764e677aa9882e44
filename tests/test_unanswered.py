"""What is told to a server, and what it confirms."""

from msgspec import UNSET, Raw, UnsetType

from realtime_engine import events as ev
from realtime_engine.objects import ContentPart, ErrorDetail, Item
from realtime_engine.unanswered import Unanswered

CREATE = ev.ConversationItemCreate(item=Item(type="message", role="user", content=(ContentPart(type="input_text"),)))
UPDATE = ev.SessionUpdate(session=Raw(b"{}"))


def telling(*events: ev.Event) -> Unanswered:
    unanswered = Unanswered(most_bytes=1000)
    for event in events:
        assert unanswered.tell(event, ev.encode(event), 0)
    return unanswered


def answered(unanswered: Unanswered, event: ev.Event) -> ev.Event | None:
    told = unanswered.answer(event)
    return told.event if told is not None else None


def refused(event_id: str | UnsetType = UNSET) -> ev.Error:
    return ev.Error(error=ErrorDetail(message="No.", event_id=event_id))


def test_what_is_never_answered_is_not_waited_for() -> None:
    assert telling(ev.ResponseCreate(), ev.InputAudioBufferAppend(audio="AAAA")).take_all() == []


def test_each_kind_has_its_answer_and_the_oldest_is_answered_first() -> None:
    first, second = (
        ev.SessionUpdate(event_id="1", session=Raw(b"{}")),
        ev.SessionUpdate(event_id="2", session=Raw(b"{}")),
    )
    unanswered = telling(first, CREATE, second)

    assert unanswered.answer(ev.InputAudioBufferCleared()) is None
    assert answered(unanswered, ev.decode(b'{"type":"session.updated","session":{}}')) is first
    assert [told.event for told in unanswered.take_all()] == [CREATE, second]


def test_an_item_with_an_id_is_known_by_it_and_one_without_by_its_kind() -> None:
    named = ev.ConversationItemCreate(item=Item(id="mine", type="function_call_output", call_id="c", output=""))
    unanswered = telling(CREATE, named)

    assert unanswered.answer(ev.ConversationItemAdded(item=Item(id="x", type="message", role="assistant"))) is None
    assert answered(unanswered, ev.ConversationItemAdded(item=Item(id="mine", type="function_call_output"))) is named
    typed = Item(id="y", type="message", role="user", content=(ContentPart(type="input_text"),))
    assert answered(unanswered, ev.ConversationItemCreated(item=typed)) is CREATE


def test_an_error_names_what_it_answers_or_answers_the_oldest_without_a_name() -> None:
    named = ev.SessionUpdate(event_id="mine", session=Raw(b"{}"))
    unanswered = telling(named, UPDATE)

    assert unanswered.answer(refused("another")) is None
    assert answered(unanswered, refused()) is UPDATE
    assert answered(unanswered, refused("mine")) is named


def test_a_server_that_answers_nothing_makes_the_oldest_be_forgotten() -> None:
    unanswered = telling()

    room = [unanswered.tell(CREATE, b"x" * 400, 0) for _ in range(3)]

    assert room == [True, True, False]
    assert len(unanswered.take_all()) == 2
