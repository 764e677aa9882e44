"""A second engine as upstream, over real sockets, through a proxy that spoils them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
import trio

from realtime_engine.commands import Step
from realtime_engine.driving import Run
from realtime_engine.engine import converse
from realtime_engine.inputs import Side
from realtime_engine.machine import Close
from realtime_engine.machine_link import open_machine
from realtime_engine.network import Network, open_network
from realtime_engine.options import Reconnect, SessionOptions
from realtime_engine.recording.replay import replay
from realtime_engine.session import Session
from realtime_engine.upstreams.openai import OpenAI, OpenAIOptions
from tests.faults import FaultProxy, open_proxy
from tests.script import Said, Script
from tests.servers import model, open_server

PATIENCE: Final = 20.0
POINTS: Final = 20
AUDIO: Final = "response.output_audio.delta"


@dataclass(slots=True)
class Held:
    """A conversation that was held.

    Attributes:
        began: When, on Trio's clock.
    """

    end: Run
    front: Script
    began: float
    steps: list[Step] = field(default_factory=list)

    def errors(self) -> list[str]:
        return [event["error"]["code"] for event in self.front.all("error")]

    def error_at(self) -> float:
        """When the front heard of the mishap, on Trio's clock."""
        return self.began + next(heard.at for heard in self.front.heard if heard.type == "error")


@dataclass(slots=True)
class Spoilt:
    """An engine behind a proxy."""

    proxy: FaultProxy
    network: Network

    async def hold(self, front: Script, **session: Any) -> Held:
        """A conversation through the proxy; it must replay exactly."""
        upstream = OpenAI(OpenAIOptions(url=f"ws://127.0.0.1:{self.proxy.port}/v1/realtime", upstream_ping=0.5))
        options = SessionOptions(**{"reconnect": Reconnect(delays=(0.0, 0.1, 0.2)), **session})
        steps: list[Step] = []
        began = trio.current_time()
        with trio.fail_after(PATIENCE):
            end = await converse(
                Session(options),
                open_front=lambda clock: open_machine(Side.FRONT, front, clock),
                open_upstream=lambda clock: upstream.open(clock, self.network),
                record=steps.append,
            )
        assert replay(Session(options), steps, end.at) is None
        return Held(end, front, began, steps)


@asynccontextmanager
async def spoilt() -> AsyncIterator[Spoilt]:
    """The embedded model behind a server behind a proxy."""
    async with (
        open_server(upstream=model(reply_speed=50.0)) as server,
        open_proxy(server.port) as proxy,
        open_network() as network,
    ):
        yield Spoilt(proxy, network)


def ask(item_id: str, words: str) -> Sequence[Said]:
    item = {"id": item_id, "type": "message", "role": "user", "content": [{"type": "input_text", "text": words}]}
    return [{"type": "conversation.item.create", "item": item}, "response.create"]


def answers(script: Script) -> list[str]:
    """The words of all that was answered to its end."""
    ends = [event["response"] for event in script.all("response.done")]
    parts = [item["content"][0] for end in ends if end["status"] == "completed" for item in end["output"]]
    return [part["transcript"] for part in parts]


def leaves_after_the_last_answer(event: dict[str, Any]) -> Sequence[Said]:
    return [Close()] if "goodbye" in str(event["response"]["output"]) else []


def person() -> Script:
    """Somebody who asks, and when the model is there again asks what it remembers, and then something else.

    That waits for the first answer, if nothing of it has been heard.
    """
    front = Script().on("session.created", *ask("item_hello", "hello"))
    remember = {"type": "conversation.item.retrieve", "item_id": "item_hello"}
    goodbye = ask("item_goodbye", "goodbye")
    front.on("engine.upstream", lambda event: [remember] if event["state"] == "connected" else [])
    front.on("conversation.item.retrieved", lambda event: goodbye if front.all(AUDIO) else [])

    def answered(event: dict[str, Any]) -> Sequence[Said]:
        is_first = "hello" in str(event["response"]["output"]) and front.all("conversation.item.retrieved")
        return goodbye if is_first else leaves_after_the_last_answer(event)

    return front.on("response.done", answered)


async def response_begins_and_ends(engine: Spoilt) -> tuple[int, int]:
    """How much has come through the proxy by then, in a conversation that nothing disturbs."""
    marks: list[int] = []

    def mark(event: dict[str, Any]) -> Sequence[Said]:
        marks.append(engine.proxy.down.passed)
        return [Close()] if event["type"] == "response.done" else []

    front = Script().on("session.created", *ask("item_hello", "hello"))
    await engine.hold(front.on("response.created", mark).on("response.done", mark))
    return marks[0], marks[1]


@pytest.mark.parametrize("point", range(POINTS))
async def test_a_reset_at_any_point_of_a_response_is_one_error_and_the_conversation_goes_on(point: int) -> None:
    async with spoilt() as engine:
        begin, end = await response_begins_and_ends(engine)
        at = begin + (end - begin) * point // POINTS
        engine.proxy.down.reset_peer = engine.proxy.down.passed + at

        held = await engine.hold(person())

    assert engine.proxy.connections == 3
    assert held.errors() == ["upstream_closed"]
    assert held.error_at() - engine.proxy.broken_at < 1
    assert held.end.code == 1000
    (remembered,) = held.front.all("conversation.item.retrieved")
    assert remembered["item"]["content"] == [{"type": "input_text", "text": "hello"}]
    assert answers(held.front)[-1] == "You said: goodbye"
    lost = [event["response"]["id"] for event in held.front.all("response.done") if _is_cut_off(event)]
    heard = [event for event in held.front.all(AUDIO) if event["response_id"] in lost]
    assert bool(heard) != ("You said: hello" in answers(held.front))


def _is_cut_off(event: dict[str, Any]) -> bool:
    return bool(event["response"]["status"] == "cancelled")


@pytest.mark.parametrize("point", [0, 7, 19])
async def test_a_reset_in_a_transparent_session_is_one_error_and_a_close_with_a_reason(point: int) -> None:
    async with spoilt() as engine:
        begin, end = await response_begins_and_ends(engine)
        engine.proxy.down.reset_peer = engine.proxy.down.passed + begin + (end - begin) * point // POINTS

        held = await engine.hold(person(), mode="transparent")

    assert held.errors() == ["upstream_closed"]
    assert held.error_at() - engine.proxy.broken_at < 1
    assert held.end.code == 1011
    assert held.end.reason


async def test_a_server_that_hangs_for_a_while_is_waited_for() -> None:
    async with spoilt() as engine, trio.open_nursery() as nursery:

        async def hang() -> None:
            engine.proxy.down.stop()
            await trio.sleep(0.4)
            engine.proxy.down.go_on()

        def hangs(event: dict[str, Any]) -> Sequence[Said]:
            nursery.start_soon(hang)
            return ask("item_goodbye", "goodbye")

        front = Script().on("session.created", hangs).on("response.done", leaves_after_the_last_answer)
        held = await engine.hold(front)

    assert held.errors() == []
    assert answers(held.front) == ["You said: goodbye"]


async def test_a_server_that_hangs_for_good_is_lost_and_what_it_did_not_hear_is_said_again() -> None:
    async with spoilt() as engine:

        def hangs(event: dict[str, Any]) -> Sequence[Said]:
            engine.proxy.up.stop()
            return ask("item_hello", "hello")

        def is_back(event: dict[str, Any]) -> Sequence[Said]:
            engine.proxy.up.go_on()
            return []

        front = Script().on("session.created", hangs).on("error", is_back)
        front.on(
            "response.done", lambda event: ask("item_goodbye", "goodbye") if len(answers(front)) == 1 else [Close()]
        )
        held = await engine.hold(front)

    assert held.errors() == ["upstream_closed"]
    assert answers(held.front) == ["You said: hello", "You said: goodbye"]


async def test_byte_by_byte_nothing_is_lost() -> None:
    async with spoilt() as engine:
        front = Script().on("session.created", *ask("item_goodbye", "goodbye"))
        front.on("response.done", leaves_after_the_last_answer)
        whole = await engine.hold(front)
        engine.proxy.up.slicer = 1
        engine.proxy.down.slicer = 7
        again = Script().on("session.created", *ask("item_goodbye", "goodbye"))
        sliced = await engine.hold(again.on("response.done", leaves_after_the_last_answer))

    assert [event["delta"] for event in sliced.front.all(AUDIO)] == [event["delta"] for event in whole.front.all(AUDIO)]
    assert sliced.errors() == []


async def test_a_server_that_is_gone_for_longer_than_all_attempts_ends_the_conversation_with_a_reason() -> None:
    async with spoilt() as engine:

        def goes(event: dict[str, Any]) -> Sequence[Said]:
            engine.proxy.disable()
            return []

        held = await engine.hold(Script().on("session.created", goes))

    assert held.errors() == ["upstream_closed"]
    assert held.end.code == 1011
    assert "127.0.0.1" in held.end.reason
    assert [event["attempt"] for event in held.front.all("engine.upstream")] == [1, 2, 3]
