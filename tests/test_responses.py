"""Responses do not collide, and tool calls lead to one answer."""

import json
from math import inf
from typing import Any, Final

import pytest

from realtime_engine.events import Error, ResponseCreate, ResponseCreated, ResponseDone, decode
from realtime_engine.objects import ErrorDetail, Response
from realtime_engine.responses import COLLISION, ResponseRecord, Responses, is_out_of_band

FIRST: Final = b'{"type":"response.create","event_id":"event_1"}'
SECOND: Final = b'{"type":"response.create","event_id":"event_2"}'


def begun(response: str = "resp_1", conversation: str | None = "conv_1") -> ResponseCreated:
    return ResponseCreated(response=Response(id=response, status="in_progress", conversation_id=conversation))


def ended(
    response: str = "resp_1", status: str | None = "completed", conversation: str | None = "conv_1"
) -> ResponseDone:
    return ResponseDone(response=Response(id=response, status=status, conversation_id=conversation))


def error(code: str | None = COLLISION, **ids: Any) -> Error:
    return Error(error=ErrorDetail(type="invalid_request_error", code=code, **ids))


def asking(*creates: bytes) -> Responses:
    responses = Responses()
    assert all(responses.ask(create) for create in creates)
    return responses


# --- one at a time ------------------------------------------------------------------------------------------


def test_a_wish_goes_out_at_once_when_no_response_is_active() -> None:
    assert asking(FIRST).next_create(0.0) == FIRST


def test_a_wish_waits_for_the_active_response() -> None:
    responses = asking(FIRST)
    responses.created(begun())

    assert responses.next_create(0.0) is None
    responses.done(ended())
    assert responses.next_create(0.0) == FIRST


def test_a_wish_that_nobody_answers_holds_up_the_next_for_ten_seconds_only() -> None:
    responses = asking(FIRST, SECOND)
    responses.next_create(1.0)

    assert (responses.deadline, responses.under_way) == (11.0, True)
    assert responses.next_create(10.9) is None
    assert responses.next_create(11.0) == SECOND
    assert responses.next_create(21.0) is None
    assert (responses.deadline, responses.under_way) == (inf, False)


def test_a_wish_waits_for_the_response_to_the_wish_before_it() -> None:
    responses = asking(FIRST, SECOND)
    responses.next_create(0.0)

    assert responses.next_create(0.0) is None
    responses.created(begun())
    assert responses.next_create(0.0) is None
    responses.done(ended())
    assert responses.next_create(0.0) == SECOND


def test_a_response_beside_the_conversation_holds_nothing_up() -> None:
    responses = asking(FIRST)
    responses.created(begun("resp_beside", conversation=None))

    assert responses.next_create(0.0) == FIRST
    responses.created(begun("resp_1"))
    assert responses.running == ["resp_1", "resp_beside"]
    responses.done(ended("resp_beside", conversation=None))
    assert responses.running == ["resp_1"]
    assert responses.active == "resp_1"


def test_a_vendor_that_names_no_conversation_writes_to_it() -> None:
    responses = Responses()
    event = decode(b'{"type":"response.created","response":{"id":"resp_1","status_details":"unimplemented"}}')
    assert isinstance(event, ResponseCreated)

    responses.created(event)

    assert responses.active == "resp_1"


def test_only_so_many_wishes_may_wait() -> None:
    responses = asking(*[FIRST] * 64)

    assert not responses.ask(SECOND)
    responses.next_create(0.0)
    assert responses.ask(SECOND)


def test_the_end_of_a_response_that_is_not_the_active_one_changes_nothing_for_that() -> None:
    responses = Responses()
    responses.created(begun("resp_1"))
    responses.created(begun("resp_2"))

    responses.done(ended("resp_1"))

    assert responses.active == "resp_2"


def test_the_end_of_a_response_whose_beginning_was_not_seen_is_an_end() -> None:
    responses = asking(FIRST, SECOND)
    responses.next_create(0.0)

    record = responses.done(ended("resp_9", "failed"))

    assert (record.response_id, record.status, record.out_of_band) == ("resp_9", "failed", False)
    assert responses.next_create(0.0) == SECOND


def test_a_response_that_ends_without_a_status_is_complete() -> None:
    responses = Responses()
    responses.created(begun())

    assert responses.done(ended(status=None)).status == "completed"


# --- collisions and errors ----------------------------------------------------------------------------------


def test_a_wish_that_met_a_response_of_the_servers_own_waits_for_its_end() -> None:
    responses = asking(FIRST)
    responses.next_create(0.0)
    responses.created(begun("resp_of_the_server"))

    assert responses.collided(error(event_id="event_1"))
    assert responses.next_create(0.0) is None
    responses.done(ended("resp_of_the_server"))
    assert responses.next_create(0.0) == FIRST


def test_a_wish_that_collided_goes_before_those_that_came_later() -> None:
    responses = asking(FIRST, SECOND)
    responses.next_create(0.0)
    responses.created(begun())
    responses.collided(error(event_id="event_1"))
    responses.done(ended())

    assert responses.next_create(0.0) == FIRST


def test_a_collision_that_nobody_here_caused_is_an_error_like_any_other() -> None:
    assert not Responses().collided(error())


@pytest.mark.parametrize("ids", [{"event_id": "event_1"}, {"event_id": None}, {}])
def test_an_error_that_may_answer_a_wish_ends_the_wait_for_its_response(ids: dict[str, Any]) -> None:
    responses = asking(FIRST, SECOND)
    responses.next_create(0.0)

    assert not responses.collided(error("invalid_value", **ids))
    assert responses.next_create(0.0) == SECOND


def test_an_error_about_another_event_does_not() -> None:
    responses = asking(FIRST, SECOND)
    responses.next_create(0.0)

    assert not responses.collided(error("invalid_value", event_id="event_7"))
    assert responses.next_create(0.0) is None


# --- tool calls ---------------------------------------------------------------------------------------------


def answered(responses: Responses, call: str) -> ResponseRecord:
    record = responses.answered(call)
    assert record is not None
    return record


def test_several_calls_of_one_response_lead_to_one_answer_with_the_last_result() -> None:
    responses = Responses()
    responses.created(begun())
    assert responses.call("resp_1", "call_1", ours=True)
    assert responses.call("resp_1", "call_2", ours=True)
    assert responses.open_calls == ["call_1", "call_2"]
    assert not responses.done(ended()).take_answer()

    assert not answered(responses, "call_2").take_answer()
    record = answered(responses, "call_1")

    assert record.take_answer()
    assert not record.take_answer()  # once
    assert responses.open_calls == []


def test_results_that_come_before_the_end_of_the_response_lead_to_an_answer_at_its_end() -> None:
    responses = Responses()
    responses.created(begun())
    responses.call("resp_1", "call_1", ours=True)

    assert not answered(responses, "call_1").take_answer()
    assert responses.done(ended()).take_answer()


@pytest.mark.parametrize("status", ["cancelled", "failed", "incomplete"])
def test_the_calls_of_a_response_that_did_not_complete_lead_to_no_answer(status: str) -> None:
    responses = Responses()
    responses.created(begun())
    responses.call("resp_1", "call_1", ours=True)
    responses.done(ended(status=status))

    assert not answered(responses, "call_1").take_answer()


def test_where_the_front_answers_a_call_too_it_asks_for_the_answer() -> None:
    responses = Responses()
    responses.created(begun())
    responses.call("resp_1", "call_1", ours=True)
    assert not responses.call("resp_1", "call_2", ours=False)
    responses.done(ended())

    assert not answered(responses, "call_1").take_answer()


def test_a_response_without_calls_leads_to_no_answer() -> None:
    responses = Responses()
    responses.created(begun())

    assert not responses.done(ended()).take_answer()


def test_a_call_that_is_announced_twice_is_run_once() -> None:
    responses = Responses()

    assert responses.call("resp_1", "call_1", ours=True)
    assert not responses.call("resp_1", "call_1", ours=True)


def test_a_result_that_nobody_waits_for_belongs_to_no_response() -> None:
    assert Responses().answered("call_1") is None


def test_a_result_finds_its_response_however_many_came_since() -> None:
    responses = Responses()
    responses.created(begun("resp_1"))
    responses.call("resp_1", "call_1", ours=True)
    responses.done(ended("resp_1"))
    for n in range(2, 400):
        responses.created(begun(f"resp_{n}"))

    assert answered(responses, "call_1").take_answer()


# --- what is under way --------------------------------------------------------------------------------------


def under_way(responses: Responses) -> bool:
    return responses.under_way


def test_a_response_is_under_way_from_the_wish_to_the_end() -> None:
    responses = Responses()
    assert not under_way(responses)
    responses.ask(FIRST)
    assert under_way(responses)
    responses.next_create(0.0)
    assert under_way(responses)
    responses.created(begun())
    assert under_way(responses)
    responses.done(ended())
    assert not under_way(responses)


def test_a_response_that_the_server_will_make_by_itself_is_under_way() -> None:
    responses = Responses()
    responses.expect(0.0)
    assert under_way(responses)
    responses.created(begun())
    responses.done(ended())
    assert not under_way(responses)


def test_an_open_call_and_a_response_beside_the_conversation_are_under_way() -> None:
    responses = Responses()
    responses.created(begun(conversation=None))
    assert under_way(responses)
    responses.call("resp_1", "call_1", ours=True)
    responses.done(ended(conversation=None))
    assert under_way(responses)
    responses.answered("call_1")
    assert not under_way(responses)


def test_when_the_connection_is_lost_nothing_is_under_way_but_the_calls() -> None:
    responses = asking(FIRST, SECOND)
    responses.next_create(0.0)
    responses.created(begun("resp_1"))
    responses.created(begun("resp_2", conversation=None))
    responses.expect(0.0)
    responses.call("resp_1", "call_1", ours=True)

    responses.connection_lost()

    assert (responses.active, responses.running, responses.next_create(0.0)) == (None, [], None)
    assert under_way(responses)
    assert not responses.collided(error())
    responses.answered("call_1")
    assert not under_way(responses)


def test_only_the_newest_responses_are_remembered() -> None:
    responses = Responses()
    for n in range(1000):
        responses.created(begun(f"resp_{n}", conversation=None))
        responses.call(f"resp_unseen_{n}", "call", ours=False)

    assert len(responses.running) == 256
    assert len(responses._records) == 256
    assert responses.get("resp_0") is None
    assert responses.get("resp_999") == ResponseRecord("resp_999", out_of_band=True)


# --- which responses are beside the conversation ------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "beside"),
    [
        ({"conversation": "none"}, True),
        ({"conversation": "none", "input": []}, True),
        ({"conversation": "auto"}, False),
        ({"conversation": None}, False),
        ({"conversation": 5}, False),
        ({}, False),
        ([], False),
        ("none", False),
        (None, False),
    ],
)
def test_a_response_is_beside_the_conversation_if_it_says_so(response: Any, beside: bool) -> None:
    event = decode(json.dumps({"type": "response.create", "response": response}).encode())

    assert isinstance(event, ResponseCreate)
    assert is_out_of_band(event) is beside


def test_a_response_of_which_nothing_is_said_is_part_of_the_conversation() -> None:
    assert not is_out_of_band(ResponseCreate())
