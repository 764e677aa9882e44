"""Conversations of a server: each has its own upstream, tools, recording and log, and its own end."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import structlog
import trio
import trio.testing
from msgspec import Raw
from structlog.testing import capture_logs

from realtime_engine.driving import REPLACED, Run
from realtime_engine.inputs import Side, Stop
from realtime_engine.link import Link
from realtime_engine.machine import Close, Disconnected, Machine
from realtime_engine.machine_link import open_machine
from realtime_engine.memory import memory_pair
from realtime_engine.metrics import Metrics, Mode
from realtime_engine.network import Network, open_network
from realtime_engine.options import Policy, Reconnect
from realtime_engine.plugins import ANYTHING, Wanted
from realtime_engine.recording.keep import open_recordings
from realtime_engine.recording.reader import Recording
from realtime_engine.service import FAULT, Service
from realtime_engine.stopping import Stopping
from realtime_engine.tools import Tools
from realtime_engine.upstreams.recorded import Recorded, RecordedOptions
from tests.script import Said, Script, created, done, function_call, session_created

Clock = Callable[[], float]
Opener = Callable[[Clock], AbstractAsyncContextManager[Link]]


class Model:
    """An upstream whose connections are scripts; it remembers what each was asked for."""

    Options: ClassVar[type] = object
    name = "scripted"

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.wanted: list[Wanted] = []

    def connect(self, wanted: Wanted = ANYTHING) -> Machine:
        self.wanted.append(wanted)
        return self.scripts[len(self.wanted) - 1]


class Broken(Model):
    def connect(self, wanted: Wanted = ANYTHING) -> Machine:
        raise ZeroDivisionError("secret words of the conversation")


class Linked:
    """An upstream with connections of its own."""

    Options: ClassVar[type] = object
    name = "linked"

    @asynccontextmanager
    async def open(self, clock: Clock, network: Network, wanted: Wanted = ANYTHING) -> AsyncIterator[Link]:
        link, _ = memory_pair(Side.UPSTREAM)
        yield link


class Slow:
    """An upstream that takes its time to connect."""

    Options: ClassVar[type] = object
    name = "slow"

    def __init__(self, *scripts: Script) -> None:
        self.waiting = list(scripts)

    @asynccontextmanager
    async def open(self, clock: Clock, network: Network, wanted: Wanted = ANYTHING) -> AsyncIterator[Link]:
        script = self.waiting.pop(0)
        await trio.sleep(0.05)
        async with open_machine(Side.UPSTREAM, script, clock) as link:
            yield link


def weather(city: str) -> str:
    return f"sunny in {city}"


def front(script: Script) -> Opener:
    return partial(open_machine, Side.FRONT, script)


async def hold(
    model: Any, script: Script, *, mode: Mode = "transparent", wanted: Wanted = ANYTHING, stop: Any = None, **more: Any
) -> Run:
    async with open_network() as network:
        service = Service(upstream=model, network=network, **more)
        with trio.fail_after(10):
            return await service.hold(front(script), front="test", mode=mode, wanted=wanted, stop=stop)


def greeting(*more: Said) -> Script:
    """A model that says so when it is there."""
    return Script().on("connected", session_created(), *more)


def leaving(*said: Said) -> Script:
    """A person who waits for the model, says this, and leaves."""
    return Script().on("session.created", *said, Close())


def only_folder(root: Path) -> Path:
    (folder,) = root.iterdir()
    return folder


def settings(**fields: Any) -> Raw:
    return Raw(json.dumps({"type": "realtime"} | fields).encode())


async def test_a_conversation_is_held_to_its_end() -> None:
    model = greeting()
    person = leaving("response.create")

    end = await hold(Model(model), person)

    assert (end.code, end.reason) == (1000, "the front has left")
    assert person.types() == ["session.created"]
    assert model.types() == ["response.create"]


async def test_two_conversations_have_nothing_in_common_but_the_upstream() -> None:
    first, second = greeting(), greeting()
    model = Model(first, second)

    async with open_network() as network, trio.open_nursery() as nursery:
        service = Service(upstream=model, network=network)
        for said in ("response.create", "response.cancel"):
            nursery.start_soon(partial(service.hold, front(leaving(said)), front="test", mode="transparent"))

    assert sorted(first.types() + second.types()) == ["response.cancel", "response.create"]
    assert len(first.types()) == 1


async def test_a_recording_answers_each_conversation_from_its_beginning() -> None:
    recorded = Recorded(RecordedOptions(path=Path(__file__).parents[1] / "recordings" / "text-turn"))
    peers = [leaving(), leaving()]

    async with open_network() as network:
        for peer in peers:
            await Service(upstream=recorded, network=network).hold(front(peer), front="test", mode="transparent")

    assert [peer.types()[:1] for peer in peers] == [["session.created"]] * 2


async def test_an_upstream_over_a_connection_is_opened_for_each_conversation() -> None:
    end = await hold(Linked(), Script().at(0.05, Close()))

    assert end.code == 1000


async def test_a_fault_ends_its_conversation_and_is_logged_without_its_words() -> None:
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        end = await hold(Broken(), Script())

    assert (end.code, end.reason) == (1011, FAULT)
    failed = next(line for line in logs if line["event"] == "conversation failed")
    assert (failed["error"], failed["log_level"]) == ("ZeroDivisionError", "error")
    assert "secret words" not in str(logs)


async def test_every_line_of_the_log_names_the_conversation() -> None:
    asked = {"type": "session.update", "session": {"instructions": "mine"}}
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        await hold(Model(greeting()), leaving(asked), policy=Policy(pinned={"instructions": "x"}))

    assert [line["event"] for line in logs] == [
        "conversation began",
        "not for the client to set: instructions",
        "conversation ended",
    ]
    assert len({line["session"] for line in logs}) == 1
    assert logs[0]["session"].startswith("sess_")


async def test_a_client_s_model_counts_where_it_may_set_one_and_nowhere_else() -> None:
    asked = Wanted("gpt-dear", transcription=False)
    may, pinned, unlisted = (Model(greeting()) for _ in range(3))

    await hold(may, leaving(), wanted=asked)
    await hold(pinned, leaving(), wanted=asked, policy=Policy(pinned={"model": "the operator's"}))
    await hold(unlisted, leaving(), wanted=asked, policy=Policy(may_set=("instructions",)))

    assert (may.wanted, pinned.wanted, unlisted.wanted) == ([asked], [ANYTHING], [ANYTHING])


async def test_the_operator_s_settings_are_sent_and_to_one_that_only_transcribes_what_it_has() -> None:
    given = settings(instructions="Be brief.", audio={"input": {"transcription": {"model": "whisper"}}})
    talking, transcribing = greeting(), greeting()

    await hold(Model(talking), leaving(), settings=given)
    await hold(Model(transcribing), leaving(), settings=given, wanted=Wanted(transcription=True))

    assert talking.heard[0].event["session"] == json.loads(bytes(given))
    assert transcribing.heard[0].event["session"] == {
        "type": "transcription",
        "audio": {"input": {"transcription": {"model": "whisper"}}},
    }


async def test_managed_conversations_have_the_engine_s_tools_run_and_pinned() -> None:
    call = function_call("call_1", "weather", '{"city": "Paris"}')
    model = Script().on("connected", created(), call, done()).on("conversation.item.create", "goodbye")
    person = Script().on("goodbye", Close())

    await hold(
        Model(model), person, mode="managed", tools=Tools([weather]), settings=settings(instructions="Be brief.")
    )

    assert model.heard[0].event["session"]["tools"][0]["name"] == "weather"
    assert model.all("conversation.item.create")[0]["item"]["output"] == "sunny in Paris"
    assert person.all("engine.session")[0]["pinned"] == {"tools": "the engine runs tools of its own"}


async def test_a_function_that_nobody_has_is_answered_and_one_of_the_settings_left_to_the_front() -> None:
    calls = [function_call("call_1", "whether", "{}"), done()]
    model = Script().on("connected", created(), *calls).on("conversation.item.create", "goodbye")
    mine = settings(tools=[{"type": "function", "name": "mine"}])

    await hold(Model(model), Script().on("goodbye", Close()), mode="managed", tools=Tools([weather]), settings=mine)

    output = model.all("conversation.item.create")[0]["item"]["output"]
    assert output == "there is no function 'whether'; there are: weather"
    async with open_network() as network:
        with_tools = Service(upstream=Model(model), network=network, settings=mine, tools=Tools([weather]))
        without = Service(upstream=Model(model), network=network, settings=mine)
    assert with_tools.options("managed").front_tools == ("mine",)
    assert without.options("managed").front_tools is None


async def test_realtime_clients_answer_their_calls_themselves() -> None:
    model = greeting(created(), function_call("call_1", "weather", '{"city": "Paris"}'), done())
    mine = {"type": "session.update", "session": {"tools": [{"type": "function", "name": "mine"}]}}

    await hold(Model(model), leaving(mine), tools=Tools([weather]))

    assert [heard.event for heard in model.heard] == [mine]


async def test_the_operator_may_end_it() -> None:
    stopping = Stopping()
    stopping.say(Stop("restart", 5, 1012))

    end = await hold(Model(Script()), Script(), stop=stopping)

    assert (end.code, end.reason) == (1012, "restart")


async def test_it_is_recorded_if_that_is_wanted(tmp_path: Path) -> None:
    async with open_recordings(tmp_path) as recordings:
        await hold(Model(greeting()), leaving("response.create"), recordings=recordings)

    with Recording(only_folder(tmp_path)) as recording:
        assert (recording.about.front, recording.about.upstream) == ("test", "scripted")
        assert recording.about.ended is not None
        inputs = [type(step.input).__name__ for step in recording.steps()]
    assert inputs == ["Opened", "Opened", "Message", "Message", "Closed"]


async def test_where_nothing_can_be_written_it_goes_on_unrecorded_which_is_logged_and_counted(tmp_path: Path) -> None:
    metrics = Metrics()
    async with open_recordings(tmp_path / "gone") as recordings:
        (tmp_path / "gone").rmdir()
        (tmp_path / "gone").write_text("in the way")
        with capture_logs() as logs:
            end = await hold(Model(greeting()), leaving(), recordings=recordings, metrics=metrics)

    assert end.code == 1000
    (said,) = [line for line in logs if line["log_level"] == "warning"]
    assert said["event"].startswith("the conversation is not recorded: cannot record in")
    assert metrics.totals().recordings_cut == 1


async def test_what_passes_is_counted() -> None:
    async with open_network() as network:
        service = Service(upstream=Model(greeting()), network=network)
        person = leaving("response.create")
        await service.hold(front(person), front="test", mode="transparent")

    totals = service.metrics.totals()
    assert totals.started == {"transparent": 1}
    assert totals.ended == {"1000": 1}
    assert totals.messages == {"front in": 1, "front out": 1, "upstream in": 1, "upstream out": 1}


async def test_a_link_that_does_not_count_is_not_counted() -> None:
    near, far = memory_pair(Side.FRONT)

    @asynccontextmanager
    async def open_front(clock: Clock) -> AsyncIterator[Link]:
        yield near

    async with open_network() as network:
        service = Service(upstream=Model(Script()), network=network)
        await far.close()
        end = await service.hold(open_front, front="test", mode="transparent")

    assert end.code == 1000
    assert "front in" not in service.metrics.totals().messages


async def test_a_conversation_outlives_its_connection_which_is_made_anew_when_it_is_old(
    autojump_clock: trio.testing.MockClock,
) -> None:
    old, new = greeting(), greeting()
    model = Model(old, new)

    end = await hold(model, Script().at(5.0, Close()), mode="managed", reconnect=Reconnect(renew_after=3.0))

    assert (end.code, end.reason) == (1000, "the front has left")
    assert old.ended == Disconnected(1000, REPLACED)
    assert new.ended == Disconnected(1000, "the front has left")


async def test_an_old_connection_is_closed_while_the_new_one_is_still_being_made(
    autojump_clock: trio.testing.MockClock,
) -> None:
    old, new = greeting(), greeting()
    metrics = Metrics()
    model = Slow(old, new)

    end = await hold(
        model, Script().at(5.0, Close()), mode="managed", reconnect=Reconnect(renew_after=3.0), metrics=metrics
    )

    assert (end.code, end.reason) == (1000, "the front has left")
    assert [old.ended, new.ended] == [Disconnected(1000, REPLACED), Disconnected(1000, "the front has left")]
    assert metrics.totals().messages["upstream in"] == 2
    assert metrics.totals().ended == {"1000": 1}


async def test_whether_conversations_are_recorded_can_be_asked(tmp_path: Path) -> None:
    async with open_network() as network, open_recordings(tmp_path) as recordings:
        assert not Service(upstream=Model(), network=network).recorded
        assert Service(upstream=Model(), network=network, recordings=recordings).recorded
