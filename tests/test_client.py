"""The client under Trio: one block, in which everything that runs ends with it."""

import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
import trio
import trio.testing

from realtime_engine import Client, Image, Item, Keep, UpstreamError, UsageError, open_client
from realtime_engine import events as ev
from realtime_engine.errors import RemoteProtocolError
from realtime_engine.inputs import Kind, Message, Side
from realtime_engine.link import Link
from realtime_engine.machine import Close
from realtime_engine.memory import MemoryLink, memory_pair
from realtime_engine.network import Network
from realtime_engine.plugins import ANYTHING, Wanted
from realtime_engine.raw_events import RawEvent
from realtime_engine.updates import (
    AudioDelta,
    Custom,
    ErrorReported,
    ItemAppended,
    Missed,
    ResponseEnded,
    SessionChanged,
    ToolEnded,
    ToolFailed,
    Unexpected,
    Update,
)
from realtime_engine.upstreams.local import Local, LocalOptions
from tests.script import Script
from tests.talk import added, begun, call, created, done, ended, error, message, piece, session, speech

PATIENCE = 60.0


class Played:
    """An upstream whose connections are scripts."""

    Options: ClassVar[type] = object
    name = "played"

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)
        self.wanted: list[Wanted] = []

    def connect(self, wanted: Wanted = ANYTHING) -> Script:
        self.wanted.append(wanted)
        return self._scripts.pop(0)


class Wired:
    """An upstream over a link in memory, whose far end a test plays."""

    Options: ClassVar[type] = object
    name = "wired"

    def __init__(self, *, capacity: int = 1 << 20, there: bool = True) -> None:
        self.link, self.far = memory_pair(Side.UPSTREAM, capacity=capacity)
        self.there = there
        self.ended = False

    @asynccontextmanager
    async def open(
        self, clock: Callable[[], float], network: Network | None, wanted: Wanted = ANYTHING
    ) -> AsyncIterator[Link]:
        if not self.there:
            raise UpstreamError("nobody is there")
        try:
            yield self.link
        finally:
            self.ended = True

    def say(self, *events: Any) -> None:
        """The server says something."""
        for event in events:
            said: Any = {"type": event} if isinstance(event, str) else event
            self.far.write(json.dumps(said).encode(), Kind.TEXT)
        self.far.flush()

    async def hear(self) -> list[dict[str, Any]]:
        """What the client has said."""
        return [json.loads(message.raw) for message in await self.far.read()]


def greeting(**audio_input: Any) -> Script:
    """A server that begins the session."""
    return Script().on("connected", session(**audio_input))


def typed(text: str = "Hello there") -> Script:
    """A server that answers in writing."""
    answer = message("item_1", "assistant", type="output_text", text=text)
    began = message("item_1", "assistant", "in_progress")
    return (
        greeting()
        .on("conversation.item.create", lambda event: [added(event["item"]), added(event["item"], kind="done")])
        .on(
            "response.create",
            created(),
            begun(began),
            added(began),
            piece("output_text.delta", delta=text),
            added(answer, kind="done"),
            ended(answer),
            done(),
        )
    )


async def until(client: Client, kind: type[Update]) -> list[Update]:
    """What is told until something of a kind is."""
    told: list[Update] = []
    async for update in client.updates():
        told.append(update)
        if isinstance(update, kind):
            break
    return told


def names(updates: Sequence[Update]) -> list[str]:
    return [type(update).__name__ for update in updates]


# --- a conversation -------------------------------------------------------------------------------------------


async def test_a_typed_conversation(autojump_clock: trio.testing.MockClock) -> None:
    script = typed()

    async with open_client(Played(script), session={"instructions": "Be brief."}) as client:
        item_id = await client.send_user_message("How are you?")
        told = await until(client, ResponseEnded)

        assert names(told) == [
            "SessionChanged",
            *("ItemAppended", "ItemCompleted"),
            "ResponseStarted",
            *("ItemAppended", "TextDelta", "ItemCompleted"),
            "ResponseEnded",
        ]
        assert [(item.role, item.words) for item in client.items] == [
            ("user", "How are you?"),
            ("assistant", "Hello there"),
        ]
        assert client.items[0].id == item_id
        assert client.item(item_id) is client.items[0]
        assert client.item("item_x") is None

    assert script.types() == ["session.update", "conversation.item.create", "response.create"]
    assert script.ended is not None
    assert script.ended.code == 1000


async def test_a_spoken_conversation_with_the_embedded_model() -> None:
    upstream = Local(LocalOptions(speech="tones", reply_speed=1000))

    with trio.fail_after(PATIENCE):
        async with open_client(upstream, session={"audio": {"input": {"turn_detection": "none"}}}) as client:
            await client.wait_for_session()
            for _ in range(3):
                await client.append_audio(bytes(4799))
            await client.create_response()
            told = await until(client, ResponseEnded)

            user, answer = client.items
            assert user.audio == bytes(14396)
            sounds = [update.audio for update in told if isinstance(update, AudioDelta)]
            assert b"".join(sounds) == answer.audio
            assert len(answer.audio) > 10_000
            assert answer.transcript


async def test_everything_that_can_be_said_reaches_the_server(autojump_clock: trio.testing.MockClock) -> None:
    script = greeting(turn_detection=None)

    async with open_client(Played(script)) as client:
        await client.wait_for_session()
        assert client.turn_detection is None
        await client.add_message("You are kind.", role="system", after="root")
        await client.add_message("Look:", Image(b"\xff\xd8\xff"))
        await client.append_audio(b"\1\0")
        await client.commit_audio()
        await client.append_audio(b"\1\0")
        await client.clear_audio()
        await client.delete_item("item_1")
        await client.retrieve_item("item_2")
        await client.send_event("my.event", data=[1])
        await client.send_event({"type": "my.event"}, data=[2])
        await client.send_event(ev.ResponseCancel(response_id="resp_1"))
        await client.update_session({"instructions": "Be brief."})
        assert client.settings == {"instructions": "Be brief."}

    assert script.types() == [
        *("conversation.item.create", "conversation.item.create"),
        *("input_audio_buffer.append", "input_audio_buffer.commit"),
        *("input_audio_buffer.append", "input_audio_buffer.clear"),
        *("conversation.item.delete", "conversation.item.retrieve"),
        *("my.event", "my.event", "response.cancel", "session.update"),
    ]
    assert script.all("conversation.item.create")[0]["previous_item_id"] == "root"
    assert [part["type"] for part in script.all("conversation.item.create")[1]["item"]["content"]] == [
        "input_text",
        "input_image",
    ]
    assert [event["data"] for event in script.all("my.event")] == [[1], [2]]


async def test_an_answer_is_cut_to_what_was_heard(autojump_clock: trio.testing.MockClock) -> None:
    answers = [[created(f"resp_{n}"), speech(5, f"item_{n}", f"resp_{n}")] for n in (1, 2)]
    script = greeting().on("response.create", lambda event: answers.pop(0))
    script.on("response.cancel", lambda event: [done(event["response_id"], status="cancelled")])

    async with open_client(Played(script)) as client:
        await client.create_response()
        await until(client, AudioDelta)
        assert await client.cancel_response("item_1", samples=36_000) is client.item("item_1")
        await client.create_response()
        await until(client, AudioDelta)
        await trio.sleep(1.25)
        client.played("item_2", 24_000)
        await client.interrupt()
        await client.cancel_response()

    assert script.truncations() == [("item_1", 1500), ("item_2", 1000)]
    assert [event["response_id"] for event in script.all("response.cancel")] == ["resp_1", "resp_2"]


async def test_a_model_is_asked_for_by_name(autojump_clock: trio.testing.MockClock) -> None:
    upstream = Played(greeting())

    async with open_client(upstream, model="gpt-realtime-mini"):
        pass

    assert upstream.wanted == [Wanted(model="gpt-realtime-mini")]


async def test_an_upstream_may_be_named() -> None:
    with trio.fail_after(PATIENCE):
        async with open_client("local") as client:
            assert (await client.wait_for_session())["model"] == "local"
            assert (await client.wait_for_session())["model"] == "local"


class InTheBeta(Played):
    """An upstream that speaks the protocol's older generation."""

    dialect = "beta"


async def test_a_server_of_the_beta_is_spoken_to_in_its_own_words(autojump_clock: trio.testing.MockClock) -> None:
    answer = message("item_1", "assistant", "in_progress")
    script = Script().on("connected", {"type": "session.created", "session": {"turn_detection": None}})
    script.on(
        "response.create",
        created(),
        begun(answer),
        added(answer, kind="created"),
        piece("audio_transcript.delta", delta="Hello"),
        ended({**answer, "status": "completed"}),
        done(),
    )

    async with open_client(InTheBeta(script), session={"voice": "alloy", "truncation": "auto"}) as client:
        await client.append_audio(bytes(4800))
        await client.create_response()
        told = await until(client, ResponseEnded)

        assert client.turn_detection is None
        assert client.items[0].transcript == "Hello"
        assert [update.what for update in told if isinstance(update, Unexpected)] == [
            "asked for truncation, which there is not: left out"
        ]

    assert script.all("session.update")[0]["session"]["voice"] == "alloy"
    assert "input_audio_buffer.commit" in script.types()


# --- waiting --------------------------------------------------------------------------------------------------


async def test_what_follows_from_what_was_said_last_can_be_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    async with open_client(Played(typed())) as client:
        await client.send_user_message("How are you?")
        await trio.sleep(5)  # all of it has come meanwhile

        assert (await client.wait_for_next_item()).words == "How are you?"
        assert (await client.wait_for_next_completed_item()).words == "How are you?"
        assert (await client.wait_for_next_completed_item()).words == "Hello there"
        assert (await client.wait_for(ResponseEnded)).status == "completed"


async def test_an_answer_can_be_waited_for_with_all_that_its_calls_lead_to(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_client(Played(asks(call("call_1", arguments='{"on":true}'))), tools=[lamp]) as client:
        await client.create_response()

        assert (await client.wait_for_answer()).response_id == "resp_2"


async def test_what_came_before_is_not_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    async with open_client(Played(typed())) as client:
        await client.send_user_message("How are you?")
        await trio.sleep(5)
        await client.delete_item("item_1")

        with trio.move_on_after(5) as scope:
            await client.wait_for_next_item()
        assert scope.cancelled_caught


async def test_each_task_waits_for_itself(autojump_clock: trio.testing.MockClock) -> None:
    script = greeting()
    for number in range(4):
        script.at(number, added(message(f"item_{number}")), created(f"resp_{number}"), done(f"resp_{number}"))
    heard: dict[str, list[str]] = {"items": [], "answers": []}

    async def items(client: Client) -> None:
        while True:
            heard["items"].append((await client.wait_for_next_completed_item()).id)

    async def answers(client: Client) -> None:
        await trio.sleep(1.5)
        while True:
            heard["answers"].append((await client.wait_for(ResponseEnded)).response_id)

    async with open_client(Played(script)) as client, trio.open_nursery() as nursery:
        nursery.start_soon(items, client)
        nursery.start_soon(answers, client)
        await trio.sleep(5)
        nursery.cancel_scope.cancel()

    assert heard["items"][-3:] == ["item_1", "item_2", "item_3"]
    assert heard["answers"] == ["resp_2", "resp_3"]


async def test_timeouts_are_the_callers(autojump_clock: trio.testing.MockClock) -> None:
    async with open_client(Played(Script())) as client:
        with pytest.raises(trio.TooSlowError), trio.fail_after(3):
            await client.wait_for_session()
        assert trio.current_time() == 3


async def test_events_can_be_waited_for_by_name_and_by_class(autojump_clock: trio.testing.MockClock) -> None:
    async with open_client(Played(typed().on("my.event", {"type": "their.event", "data": 7}))) as client:
        await client.send_user_message("How are you?")
        assert (await client.wait_for_event(ev.ResponseDone)).response.id == "resp_1"

        await client.send_event("my.event")
        assert (await client.wait_for_event("their.event")).json["data"] == 7


async def test_who_waits_while_nobody_reads_the_updates_gets_what_comes(autojump_clock: trio.testing.MockClock) -> None:
    """A reader that has stopped reading holds nobody up who waits for something in the midst of it."""
    script = typed().at(1, created("resp_9"), *[speech(1.0)] * 20, done("resp_9"))

    async with open_client(Played(script), backlog=10_000) as client:
        reader = client.updates()
        await anext(reader)
        with trio.fail_after(10):
            assert (await client.wait_for(ResponseEnded)).response_id == "resp_9"
        assert isinstance(await anext(reader), Missed)


# --- updates and events ---------------------------------------------------------------------------------------


async def test_two_tasks_are_told_the_same(autojump_clock: trio.testing.MockClock) -> None:
    told: list[list[Update]] = []

    async def follow(client: Client) -> None:
        told.append(await until(client, ResponseEnded))

    async with open_client(Played(typed())) as client, trio.open_nursery() as nursery:
        nursery.start_soon(follow, client)
        nursery.start_soon(follow, client)
        await trio.testing.wait_all_tasks_blocked()
        await client.send_user_message("How are you?")

    assert told[0] == told[1]


async def test_who_begins_another_loop_misses_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async with open_client(Played(typed())) as client:
        await client.send_user_message("How are you?")
        await trio.sleep(1)
        first = await until(client, ItemAppended)
        rest = await until(client, ResponseEnded)

    assert names(first + rest).count("ItemAppended") == 2
    assert names(rest)[0] == "ItemCompleted"


async def test_a_slow_reader_keeps_the_server_waiting() -> None:
    upstream = Wired(capacity=1)
    upstream.say(session(), created(), *[speech(0.1)] * 50, done())

    with trio.fail_after(PATIENCE):
        async with open_client(upstream, backlog=20_000) as client:
            reader = client.updates()
            await anext(reader)
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert upstream.far.queued > 100_000
            told = [update async for update in _until_done(reader)]

    assert names(told).count("AudioDelta") == 50
    assert upstream.far.queued == 0


async def _until_done(reader: AsyncIterator[Update]) -> AsyncIterator[Update]:
    async for update in reader:
        yield update
        if isinstance(update, ResponseEnded):
            break


async def test_a_long_session_that_nobody_follows_does_not_grow(autojump_clock: trio.testing.MockClock) -> None:
    script = greeting()
    for number in range(50):
        script.at(number, created(f"resp_{number}"), *[speech(1.0, f"item_{number}", f"resp_{number}")] * 4)

    async with open_client(Played(script), backlog=100_000, keep=Keep(item_audio=2.0, all_audio=5.0)) as client:
        await trio.sleep(60)

        kept = [len(item.audio) for number in range(50) if (item := client.item(f"item_{number}"))]
        assert max(kept) == 2 * 48_000
        assert sum(kept) <= 5 * 48_000
        first = await anext(client.updates())
        assert isinstance(first, Missed)
        assert first.count > 100


@pytest.mark.parametrize(
    "said",
    [
        piece("output_text.delta", delta="x" * 10_000),
        piece("output_audio_transcript.delta", delta="x" * 10_000),
        piece("function_call_arguments.delta", delta="x" * 10_000, call_id="call_1"),
        {"type": "session.updated", "session": {"type": "realtime", "instructions": "x" * 10_000}},
        error(message="x" * 10_000),
    ],
    ids=lambda said: str(said["type"]),
)
async def test_all_that_nobody_asks_for_weighs_what_it_carries(
    autojump_clock: trio.testing.MockClock, said: dict[str, Any]
) -> None:
    async with open_client(Played(greeting().at(1, *[said] * 20)), backlog=100_000) as client:
        await trio.sleep(2)

        first = await anext(client.updates())
        assert isinstance(first, Missed)
        assert first.count > 10


async def test_raw_events_are_told_both_ways(autojump_clock: trio.testing.MockClock) -> None:
    script = typed().at(3, {"type": "vendors.own", "data": 7}, b"\0\1")
    heard: list[tuple[float, str, str]] = []

    async with open_client(Played(script), session={"instructions": "x"}) as client:
        await client.send_user_message("How are you?")
        await trio.sleep(5)
        async for event in client.events():
            heard.append((event.at, event.source, event.type))
            if event.type == "":
                assert event.event is None
                break

    assert heard[0] == (0.0, "client", "session.update")
    assert (0.0, "server", "response.done") in heard
    assert heard[-2:] == [(3.0, "server", "vendors.own"), (3.0, "server", "")]


async def test_raw_events_that_were_missed_are_counted(autojump_clock: trio.testing.MockClock) -> None:
    async with open_client(Played(typed()), backlog=1000) as client:
        await client.send_user_message("How are you?")
        await trio.sleep(1)
        missed = await anext(client.events())

    assert (missed.source, missed.type) == ("client", "client.missed")
    assert isinstance(missed.json["count"], int)


def test_what_is_no_event_has_no_type() -> None:
    raw = RawEvent(0.0, "server", Message(Side.UPSTREAM, Kind.TEXT, b"no JSON"))

    assert (raw.event, raw.type) == (None, "")


async def test_the_application_can_put_something_of_its_own_among_the_updates(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_client(Played(Script())) as client:
        client.dispatch("button", 7)
        client.dispatch("light")

        assert await until(client, Custom) == [Custom("button", 7)]
        assert await client.wait_for(Custom) == Custom("button", 7)


async def test_errors_of_the_server_are_told(autojump_clock: trio.testing.MockClock) -> None:
    async with open_client(Played(greeting().at(1, error(code="session_expired")))) as client:
        assert (await client.wait_for(ErrorReported)).error.code == "session_expired"


# --- functions ------------------------------------------------------------------------------------------------


def asks(*calls: dict[str, Any]) -> Script:
    """A server whose first answer calls functions, and whose second is an answer."""
    answers = [[created(), *map(ended, calls), done()], [created("resp_2"), done("resp_2")]]
    return greeting().on("response.create", lambda event: answers.pop(0) if answers else [])


async def lamp(on: bool) -> str:
    """Switch the lamp on or off."""
    return f"it is {'on' if on else 'off'}"


async def test_a_function_is_called_and_the_model_goes_on(autojump_clock: trio.testing.MockClock) -> None:
    script = asks(call("call_1", arguments='{"on":true}'))

    async with open_client(Played(script), tools=[lamp]) as client:
        assert client.tools == ["lamp"]
        await client.create_response()
        assert (await client.wait_for(ResponseEnded)).goes_on
        ended_call = await client.wait_for(ToolEnded)
        assert (ended_call.item.tool, ended_call.output) == (("lamp", "call_1", '{"on":true}'), "it is on")
        assert not (await client.wait_for(ResponseEnded)).goes_on

    (tool,) = script.all("session.update")[0]["session"]["tools"]
    assert (tool["name"], tool["description"]) == ("lamp", "Switch the lamp on or off.")


async def test_several_calls_run_at_once_and_lead_to_exactly_one_answer(autojump_clock: trio.testing.MockClock) -> None:
    running, most = 0, 0

    async def wait(seconds: float) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await trio.sleep(seconds)
        running -= 1
        return "waited"

    script = asks(*(call(f"call_{n}", "wait", f'{{"seconds":{n}}}') for n in (3, 1, 2)))

    async with open_client(Played(script), tools=[wait]) as client:
        await client.create_response()
        await client.wait_for(ResponseEnded)
        await client.wait_for(ResponseEnded)
        assert trio.current_time() == 3
        await trio.sleep(60)

    assert most == 3
    assert script.types().count("response.create") == 2
    assert [event["item"]["call_id"] for event in script.all("conversation.item.create")] == [
        "call_1",
        "call_2",
        "call_3",
    ]


async def test_a_function_that_is_not_async_runs_in_a_thread() -> None:
    def where(city: str) -> dict[str, object]:
        return {"city": city, "thread": threading.current_thread() is not threading.main_thread()}

    with trio.fail_after(PATIENCE):
        async with open_client(Played(asks(call("call_1", "where", '{"city":"Lisbon"}'))), tools=[where]) as client:
            await client.create_response()
            assert (await client.wait_for(ToolEnded)).output == '{"city":"Lisbon","thread":true}'


async def test_a_call_that_never_ends_is_given_up(autojump_clock: trio.testing.MockClock) -> None:
    async def ponder() -> None:
        await trio.sleep_forever()

    async with open_client(Played(asks(call("call_1", "ponder"))), tools=[ponder], tool_timeout=5) as client:
        await client.create_response()
        failed = await client.wait_for(ToolFailed)
        assert failed.output == "ponder took longer than 5 s, and was given up"
        assert (await client.wait_for(ResponseEnded)).response_id == "resp_2"
        assert trio.current_time() == 5


async def raising() -> None:
    raise KeyError("bulb")


async def unwritable() -> object:
    return object()


@pytest.mark.parametrize(
    ("function", "arguments", "output"),
    [
        (raising, "{}", "raising failed: KeyError: 'bulb'"),
        (unwritable, "{}", "the result cannot be written as JSON: "),
        (lamp, '{"on":"maybe"}', "wrong arguments for lamp: Expected `bool`, got `str`"),
        (lamp, '{"on":', "wrong arguments for lamp: "),
        (lamp, '{"off":true}', "wrong arguments for lamp: "),
    ],
)
async def test_whatever_goes_wrong_with_a_call_is_told_the_model_and_the_application_and_the_conversation_goes_on(
    autojump_clock: trio.testing.MockClock, function: Callable[..., object], arguments: str, output: str
) -> None:
    script = asks(call("call_1", function.__name__, arguments))

    async with open_client(Played(script), tools=[function]) as client:
        await client.create_response()
        failed = await client.wait_for(ToolFailed)
        assert failed.output.startswith(output)
        assert (await client.wait_for(ResponseEnded)).response_id == "resp_2"

    assert script.all("conversation.item.create")[0]["item"]["output"] == failed.output


async def test_a_call_of_a_function_that_is_not_there_is_told_the_model(autojump_clock: trio.testing.MockClock) -> None:
    async with open_client(Played(asks(call("call_1", "no_such_thing"))), tools=[lamp]) as client:
        await client.create_response()

        assert (await client.wait_for(ToolFailed)).output == "there is no function 'no_such_thing'; there are: lamp"


async def test_functions_come_and_go_and_the_server_is_told(autojump_clock: trio.testing.MockClock) -> None:
    by_hand = {"type": "function", "name": "door"}
    script = greeting()

    async with open_client(Played(script), session={"tools": [by_hand]}) as client:

        @client.add_tool
        async def window() -> str:
            return await lamp(on=True)

        client.add_tool(lamp)
        client.remove_tool("window")
        assert client.tools == ["lamp"]
        assert await window() == "it is on"

    told = [[tool["name"] for tool in event["session"]["tools"]] for event in script.all("session.update")]
    assert told == [["door"], ["door", "window"], ["door", "window", "lamp"], ["door", "lamp"]]


async def test_a_name_that_is_taken_or_unknown_is_an_error_and_changes_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def door() -> None: ...

    script = greeting()
    async with open_client(Played(script), session={"tools": [{"type": "function", "name": "door"}]}) as client:
        client.add_tool(lamp)
        with pytest.raises(UsageError, match="there is a tool 'lamp' already"):
            client.add_tool(lamp)
        with pytest.raises(UsageError, match="there is a tool 'door' among the session's own"):
            client.add_tool(door)
        with pytest.raises(UsageError, match="there is no tool 'window'; there are: lamp"):
            client.remove_tool("window")
        with pytest.raises(UsageError, match="there is a tool 'lamp' among the session's own"):
            await client.update_session({"tools": [{"type": "function", "name": "lamp"}]})
        assert client.tools == ["lamp"]

    assert script.types() == ["session.update", "session.update"]


async def test_two_tools_of_one_name_are_an_error_before_anybody_is_called() -> None:
    with pytest.raises(UsageError, match="there is a tool 'lamp' among the session's own"):
        async with open_client(Played(), tools=[lamp], session={"tools": [{"type": "function", "name": "lamp"}]}):
            pytest.fail("it was opened")


async def test_the_application_answers_for_tools_that_it_has_set_by_hand(
    autojump_clock: trio.testing.MockClock,
) -> None:
    script = asks(call("call_1", "door"))

    async with open_client(Played(script), session={"tools": [{"type": "function", "name": "door"}]}) as client:
        await client.create_response()
        await client.wait_for(ResponseEnded)
        with pytest.raises(UsageError, match="no call 'call_2' waits for an output"):
            await client.send_tool_output("call_2", "what?")
        with pytest.raises(UsageError, match="the output cannot be written as JSON"):
            await client.send_tool_output("call_1", object())
        await client.send_tool_output("call_1", {"open": True})
        assert (await client.wait_for(ResponseEnded)).response_id == "resp_2"

    assert script.all("conversation.item.create")[0]["item"]["output"] == '{"open":true}'


async def test_calls_that_run_end_with_the_block(autojump_clock: trio.testing.MockClock) -> None:
    ended_how: list[str] = []

    async def ponder() -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            ended_how.append("cancelled")
            raise

    async with open_client(Played(asks(call("call_1", "ponder"))), tools=[ponder]) as client:
        await client.create_response()
        await trio.sleep(1)

    assert ended_how == ["cancelled"]


async def test_a_call_that_runs_ends_before_the_goodbye(autojump_clock: trio.testing.MockClock) -> None:
    async def ponder() -> None:
        await trio.sleep(1)

    upstream = Wired(capacity=1)
    upstream.say(session(), created(), ended(call("call_1", "ponder")), done())

    async with open_client(upstream, tools=[ponder]) as client:
        await client.wait_for(ResponseEnded)
        client.add_tool(lamp)
        reader = client.updates()

    assert trio.current_time() == 2.0  # nobody reads, so the goodbye takes its time
    assert "ToolEnded" not in names([update async for update in reader])


# --- the end --------------------------------------------------------------------------------------------------


async def test_after_the_close_nothing_is_said_any_more(autojump_clock: trio.testing.MockClock) -> None:
    script = greeting()

    async with open_client(Played(script)) as client:
        await client.wait_for_session()
        connected = [client.connected]
        reader = client.updates()
        await client.close()
        await client.close()
        connected.append(client.connected)

        assert connected == [True, False]
        assert client.closed is None
        assert names([update async for update in reader]) == ["SessionChanged"]
        for speak in (lambda: client.add_tool(lamp), lambda: client.remove_tool("lamp"), lambda: client.played("x", 1)):
            with pytest.raises(trio.ClosedResourceError):
                speak()
        with pytest.raises(trio.ClosedResourceError):
            await client.send_user_message("Hello?")
        with pytest.raises(trio.ClosedResourceError):
            await client.wait_for_next_item()

    assert script.ended is not None


async def test_a_server_that_ends_the_conversation_as_it_should_ends_the_updates(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_client(Played(greeting().at(1, Close(1000, "good bye")))) as client:
        assert names([update async for update in client.updates()]) == ["SessionChanged"]
        assert client.closed == (1000, "good bye")
        with pytest.raises(UpstreamError, match=r"^the server has ended the conversation: good bye \(1000\)$"):
            await client.send_user_message("Hello?")


async def test_a_server_that_ends_it_otherwise_is_an_error_for_all_who_read_wait_or_speak(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_client(Played(greeting().at(1, Close(4000, "")))) as client:
        reader, events = client.updates(), client.events()
        with pytest.raises(UpstreamError, match=r"the connection is lost \(4000\)"):
            await client.wait_for_next_item()
        assert isinstance(await anext(reader), SessionChanged)
        for read in (reader, events):
            with pytest.raises(UpstreamError, match=r"\(4000\)"):
                async for _ in read:
                    pass
        with pytest.raises(UpstreamError, match=r"\(4000\)"):
            client.add_tool(lamp)


async def test_the_end_of_the_conversation_does_not_end_the_block(autojump_clock: trio.testing.MockClock) -> None:
    script = typed().at(3, Close(1001, "restart"))

    async with open_client(Played(script)) as client:
        await client.send_user_message("How are you?")
        await trio.sleep(5)

        assert [item.words for item in client.items] == ["How are you?", "Hello there"]


@pytest.mark.parametrize("nonsense", [b"no JSON", b"[]", b"\xff"])
async def test_a_server_that_says_what_is_no_event_is_left(nonsense: bytes) -> None:
    upstream = Wired()
    upstream.far.write(nonsense, Kind.TEXT)
    upstream.far.flush()

    with trio.fail_after(PATIENCE):
        async with open_client(upstream) as client:
            with pytest.raises(UpstreamError, match="the server has said what is no event"):
                await client.wait_for_session()

    assert await upstream.hear() == []
    assert upstream.far.closed[0] == 1007


class Broken(MemoryLink):
    """A link whose peer breaks the protocol."""

    async def read(self) -> Sequence[Message]:
        await trio.lowlevel.checkpoint()
        raise RemoteProtocolError("a frame that is none", side=Side.UPSTREAM)


class Lost(MemoryLink):
    """A link that breaks."""

    async def read(self) -> Sequence[Message]:
        await trio.lowlevel.checkpoint()
        raise UpstreamError("the cable is cut")


@pytest.mark.parametrize(
    ("link", "problem"),
    [(Broken, "upstream: a frame that is none \\(1002\\)"), (Lost, "^the cable is cut$")],
)
async def test_a_connection_that_breaks_is_an_error_for_all_who_wait(link: type[MemoryLink], problem: str) -> None:
    upstream = Wired()
    upstream.link = link(upstream.link._reads, upstream.link._writes)

    with trio.fail_after(PATIENCE):
        async with open_client(upstream) as client:
            with pytest.raises(UpstreamError, match=problem):
                await client.wait_for_session()
            with pytest.raises(UpstreamError, match=problem):
                await client.create_response()


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"key": "secret"}, "a key and headers are for a server's address: the upstream 'played' has its own"),
        ({"headers": {"X-Mine": "7"}}, "a key and headers are for a server's address"),
        ({"tool_timeout": 0}, "tool_timeout, tools_at_once and backlog are more than 0"),
        ({"tools_at_once": 0}, "are more than 0"),
        ({"backlog": 0}, "are more than 0"),
        ({"session": {"instructions": object()}}, "a session's settings cannot be written as JSON"),
    ],
)
async def test_what_makes_no_sense_is_the_applications_mistake(wrong: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        async with open_client(Played(Script()), **wrong):
            pytest.fail("it was opened")


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"items": 0}, "at least one item is kept, not 0"),
        ({"all_audio": -1}, "all_audio is a number of seconds to keep"),
        ({"item_audio": float("nan")}, "item_audio is a number"),
        ({"microphone": float("inf")}, "microphone is a number"),
    ],
)
def test_how_much_is_kept_is_a_number(wrong: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        Keep(**wrong)


async def test_an_upstream_that_refuses_is_one_error() -> None:
    with pytest.raises(UpstreamError, match=r"^nobody is there$"):
        async with open_client(Wired(there=False)):
            pytest.fail("it was opened")


async def test_what_goes_wrong_in_the_block_is_raised_as_it_is_and_the_server_is_told_goodbye(
    autojump_clock: trio.testing.MockClock,
) -> None:
    script = greeting()

    with pytest.raises(ZeroDivisionError) as raised:
        async with open_client(Played(script)):
            raise ZeroDivisionError

    assert raised.value.__context__ is None
    assert script.ended is not None


async def test_several_things_that_go_wrong_are_a_group(autojump_clock: trio.testing.MockClock) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        async with open_client(Played(greeting())):
            raise ExceptionGroup("two", [ValueError("one"), ValueError("another")])

    assert raised.value.message == "two"


async def test_a_group_of_the_applications_own_stays_one(autojump_clock: trio.testing.MockClock) -> None:
    for upstream in (Played(greeting()), Wired()):
        with pytest.raises(ExceptionGroup) as raised:
            async with open_client(upstream):
                raise ExceptionGroup("one", [ValueError("of its own")])

        assert raised.value.message == "one"


async def test_cancellation_ends_the_block_and_the_server_is_told_goodbye(
    autojump_clock: trio.testing.MockClock,
) -> None:
    script = greeting()

    with trio.move_on_after(2) as scope:
        async with open_client(Played(script)) as client:
            async for _ in client.updates():
                pass

    assert scope.cancelled_caught
    assert trio.current_time() == 2
    assert script.ended is not None


async def test_wherever_it_is_cancelled_the_server_is_told_goodbye(autojump_clock: trio.testing.MockClock) -> None:
    async def cancel_after(steps: int, scope: trio.CancelScope) -> None:
        for _ in range(steps):
            await trio.lowlevel.checkpoint()
        scope.cancel()

    reached = set[str]()
    for steps in range(40):
        scripts = [typed(), typed()]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cancel_after, steps, nursery.cancel_scope)
            async with open_client(Played(*scripts)) as client:
                for after in (client.wait_for_session, client.reset, client.wait_for_answer):
                    await client.send_user_message("How are you?")
                    await after()
                    reached.add(after.__name__)
                await trio.sleep(PATIENCE)
        assert all(script.ended is not None for script in scripts if script.heard)

    assert reached == {"wait_for_session", "reset", "wait_for_answer"}


async def test_a_server_that_does_not_let_go_is_left_in_the_end(autojump_clock: trio.testing.MockClock) -> None:
    upstream = Wired(capacity=1)

    async with open_client(upstream) as client:
        with trio.move_on_after(1):
            for _ in range(5):
                await client.append_audio(bytes(8192))
        began = trio.current_time()
    assert trio.current_time() - began == 2.0
    assert upstream.ended

    stubborn = Wired(capacity=1)
    with trio.move_on_after(1):
        async with open_client(stubborn) as client:
            await client.append_audio(bytes(8192))
            await client.append_audio(bytes(8192))
    assert trio.current_time() - began == 2.0 + 1.0 + 0.5


async def test_who_speaks_faster_than_the_server_listens_waits(autojump_clock: trio.testing.MockClock) -> None:
    upstream = Wired(capacity=10_000)

    async with open_client(upstream) as client:
        with trio.move_on_after(1) as scope:
            for _ in range(10):
                await client.append_audio(bytes(8192))
        assert scope.cancelled_caught

        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.append_audio, bytes(2))
            await trio.testing.wait_all_tasks_blocked()
            while upstream.far._reads.on_the_way:
                await upstream.far.read()


class Deaf(MemoryLink):
    """A link on whose way there is never any room."""

    async def drain(self) -> None:
        await trio.sleep_forever()


@pytest.mark.parametrize(
    ("ends", "problem"),
    [
        (lambda upstream, client: upstream.far.close(1001, "restart"), UpstreamError),
        (lambda upstream, client: client.close(), trio.ClosedResourceError),
    ],
)
async def test_who_waits_for_room_is_told_that_there_will_be_none(
    autojump_clock: trio.testing.MockClock,
    ends: Callable[[Wired, Client], Awaitable[None]],
    problem: type[Exception],
) -> None:
    upstream = Wired(capacity=1)
    upstream.link = Deaf(upstream.link._reads, upstream.link._writes)

    async with open_client(upstream) as client, trio.open_nursery() as nursery:

        async def speak() -> None:
            with pytest.raises(problem):
                await client.append_audio(bytes(100_000))

        nursery.start_soon(speak)
        await trio.testing.wait_all_tasks_blocked()
        await ends(upstream, client)


async def test_an_answer_that_never_begins_holds_the_next_up_for_ten_seconds(
    autojump_clock: trio.testing.MockClock,
) -> None:
    script = greeting()

    async with open_client(Played(script)) as client:
        await client.create_response()
        await client.create_response()
        await trio.sleep(20)

    assert [heard.at for heard in script.heard] == [0.0, 10.0]


# --- once more ------------------------------------------------------------------------------------------------


async def test_a_reset_begins_again_with_what_the_client_was_opened_with(
    autojump_clock: trio.testing.MockClock,
) -> None:
    first, second = typed(), typed("Once more")

    async with open_client(Played(first, second), session={"instructions": "Be brief."}, tools=[lamp]) as client:
        client.remove_tool("lamp")
        await client.update_session({"max_output_tokens": 9})
        await client.send_user_message("How are you?")
        await client.wait_for(ResponseEnded)
        reader = client.updates()

        await client.reset()

        assert "ResponseEnded" in names([update async for update in reader])
        assert (client.items, client.tools, client.settings) == ([], ["lamp"], {"instructions": "Be brief."})
        await client.send_user_message("And now?")
        await client.wait_for(ResponseEnded)
        assert [item.words for item in client.items] == ["And now?", "Once more"]

    assert first.ended is not None
    assert second.types()[0] == "session.update"


async def test_a_reset_that_reaches_nobody_is_an_error() -> None:
    upstream = Wired()

    with trio.fail_after(PATIENCE):
        async with open_client(upstream) as client:
            upstream.there = False
            with pytest.raises(UpstreamError, match=r"^nobody is there$"):
                await client.reset()
            with pytest.raises(UpstreamError, match=r"^nobody is there$"):
                await client.create_response()


async def test_a_conversation_can_be_begun_again_after_the_server_has_ended_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_client(Played(greeting().at(1, Close(1001)), typed())) as client:
        with pytest.raises(UpstreamError):
            await client.wait_for_next_item()

        await client.reset()
        await client.send_user_message("And now?")
        assert isinstance(await client.wait_for_next_completed_item(), Item)


async def test_two_tasks_that_begin_again_do_so_one_after_the_other(autojump_clock: trio.testing.MockClock) -> None:
    scripts = [greeting() for _ in range(3)]

    with trio.fail_after(PATIENCE):
        async with open_client(Played(*scripts)) as client, trio.open_nursery() as nursery:
            nursery.start_soon(client.reset)
            nursery.start_soon(client.reset)

    assert [script.ended is not None for script in scripts] == [True, True, True]


async def test_a_function_that_the_model_calls_cannot_end_what_it_belongs_to_and_begin_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def start_over() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.reset)

    async with open_client(Played(asks(call("call_1", "start_over"))), tools=[start_over]) as client:
        await client.create_response()
        failed = await client.wait_for(ToolFailed)
        assert failed.output.startswith("start_over failed: UsageError: a function that the model calls ends with the")
        assert (await client.wait_for(ResponseEnded)).response_id == "resp_2"


async def test_after_the_block_nothing_can_be_begun_again(autojump_clock: trio.testing.MockClock) -> None:
    async with open_client(Played(typed(), typed())) as client:
        await client.send_user_message("How are you?")
        await client.wait_for(ResponseEnded)

    with pytest.raises(trio.ClosedResourceError, match="the block of open_client is over"):
        await client.reset()
    assert len(client.items) == 2
