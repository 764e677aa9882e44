"""The virtual clock: it jumps, it keeps an order, and it says when nobody will ever move again."""

from math import inf

import pytest

from realtime_engine.commands import Note, RunTool, Step
from realtime_engine.errors import Stalled
from realtime_engine.inputs import Closed, Message, Opened, Side, Stop, ToolResult
from realtime_engine.machine import Close, Connected, Disconnected, Done, MachineInput, MachineOutput, Work
from realtime_engine.options import SessionOptions, ToolSchema
from realtime_engine.recording.replay import replay
from realtime_engine.session import Session
from realtime_engine.simulate import simulate
from tests.script import Script, created, done, frame, function_call, speech


def test_hours_pass_at_once() -> None:
    end = simulate(Session(SessionOptions()), front=Script().at(36_000, Close()), connect=Script)

    assert end == (36_000.0, 1000, "the front has left")


def test_what_is_due_at_one_instant_goes_timers_front_upstream_tools() -> None:
    order: list[str] = []

    def note(step: Step) -> None:
        match step.input:
            case None:
                order.append("timer")
            case Message(side=side):
                order.append(side.value)
            case ToolResult():
                order.append("tool")

    front = Script().at(0, bytes(100)).at(1, bytes(8192)).at(2, Close())
    upstream = Script().at(0, created()).at(1, function_call("call_1", "weather", "{}"))

    simulate(
        Session(SessionOptions(tools=(ToolSchema(name="weather"),))),
        front=front,
        connect=lambda: upstream,
        run_tool=lambda call: ToolResult(call.call_id, "sunny"),
        record=note,
    )

    assert order == ["front", "upstream", "timer", "front", "upstream", "tool"]


def test_both_peers_are_told_of_the_end() -> None:
    front, upstream = Script(), Script().at(1, Close(1000, "enough"))

    simulate(Session(SessionOptions()), front=front, connect=lambda: upstream)

    assert front.ended == Disconnected(1000, "enough")
    assert upstream.ended is None  # it left by itself


def test_a_conversation_in_which_nobody_will_ever_move_says_who_waits_for_what() -> None:
    with pytest.raises(Stalled, match=r"at 0\.000 s nobody moves: the front waits for .*script.*; the upstream waits"):
        simulate(Session(SessionOptions()), front=Script(), connect=Script)


def test_time_that_stands_still_is_noticed() -> None:
    ping, pong = {"type": "conversation.item.delete", "item_id": "x"}, {"type": "pong"}
    front = Script().at(1, ping).on("pong", ping)
    upstream = Script().on("conversation.item.delete", pong)

    with pytest.raises(Stalled, match="time stands still"):
        simulate(Session(SessionOptions()), front=front, connect=lambda: upstream)


class Worker:
    """A machine that has work done, and says how it went."""

    waits_for = "work"
    deadline = inf

    def step(self, now: float, given: MachineInput) -> list[MachineOutput]:
        match given:
            case Connected():
                return [Work(1, lambda: "spoken"), Work(2, lambda: 1 // 0)]
            case Done(result=result, error=error):
                return [frame({"type": "worked", "result": str(result), "error": type(error).__name__})]
        return []

    def advance(self, now: float) -> list[MachineOutput]:
        return []


def test_work_is_done_at_once_and_its_failure_is_the_machines_to_handle() -> None:
    front = Script().at(1, Close())

    simulate(Session(SessionOptions()), front=front, connect=Worker)

    assert [(event["result"], event["error"]) for event in front.all("worked")] == [
        ("spoken", "NoneType"),
        ("None", "ZeroDivisionError"),
    ]


def test_a_tool_call_that_nobody_runs_stays_open_until_the_end() -> None:
    upstream = Script().at(1, created(), function_call("call_1", "weather", "{}"), done())
    tools = (ToolSchema(name="weather"),)

    end = simulate(Session(SessionOptions(tools=tools)), front=Script().at(5, Close()), connect=lambda: upstream)

    assert end.at == 5.0


def test_a_call_that_is_cancelled_before_its_turn_is_not_run() -> None:
    calls: list[RunTool] = []

    def run_tool(call: RunTool) -> ToolResult:
        calls.append(call)
        return ToolResult(call.call_id, "late")

    upstream = Script().at(1, function_call("call_1", "weather", "{}"), Close())
    tools = (ToolSchema(name="weather"),)

    simulate(Session(SessionOptions(tools=tools)), front=Script(), connect=lambda: upstream, run_tool=run_tool)

    assert calls == []


def test_notes_are_handed_on() -> None:
    notes: list[str] = []
    steps: list[Step] = []
    upstream = Script().at(1, b"\x00", Close())

    simulate(
        Session(SessionOptions()), front=Script(), connect=lambda: upstream, note=notes.append, record=steps.append
    )

    assert notes == [command.text for step in steps for command in step.commands if isinstance(command, Note)]
    assert len(notes) == 1


def test_the_record_holds_every_input_in_order() -> None:
    steps: list[Step] = []

    simulate(Session(SessionOptions()), front=Script().at(1, Close()), connect=Script, record=steps.append)

    assert [step.input for step in steps] == [Opened(Side.FRONT), Opened(Side.UPSTREAM), Closed(Side.FRONT)]


def test_what_is_sent_to_a_peer_that_has_left_goes_nowhere() -> None:
    upstream = Script().at(0, created(), speech(1.0), Close())
    front = Script().at(0.5, {"type": "conversation.item.delete", "item_id": "x"})

    end = simulate(Session(SessionOptions()), front=front, connect=lambda: upstream)

    assert end.at == 1.0


@pytest.mark.parametrize(("grace", "at"), [(0.0, 1.0), (0.5, 1.5), (60.0, 3.0)])
def test_the_operator_can_stop_it_and_that_is_recorded_and_replayed_like_any_input(grace: float, at: float) -> None:
    steps: list[Step] = []

    def stop() -> Stop | None:
        return Stop("enough", grace) if steps and steps[-1].at >= 1.0 else None

    front = Script().at(1, bytes(100)).at(60, Close())
    end = simulate(
        Session(SessionOptions()),
        front=front,
        connect=lambda: Script().at(1, created(), speech(2.0), done()),
        stop=stop,
        record=steps.append,
    )

    assert end == (at, 1001, "enough")
    assert [step.input for step in steps].count(Stop("enough", grace)) == 1
    assert front.ended == Disconnected(1001, "enough")
    assert replay(Session(SessionOptions()), steps, end.at) is None


def test_a_conversation_that_is_stopped_before_it_begins_does_not_begin() -> None:
    end = simulate(Session(SessionOptions()), front=Script(), connect=Script, stop=lambda: Stop("no"))

    assert end == (0.0, 1001, "no")
