"""Each recorded session of each vendor, with its preset, over real sockets: the client's part is spoken to the engine,
and a server says the vendor's part again.
"""

import json
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest
import trio

from cli.chosen import choose_upstream
from realtime_engine.commands import RunTool
from realtime_engine.driving import Run
from realtime_engine.engine import converse
from realtime_engine.inputs import Side, ToolResult
from realtime_engine.machine import Close
from realtime_engine.machine_link import open_machine
from realtime_engine.metrics import Mode
from realtime_engine.network import open_network
from realtime_engine.options import Limits, Reconnect, SessionOptions, ToolSchema
from realtime_engine.plugins import LinkUpstream
from realtime_engine.session import Session
from tests.recorded_items import OUTPUT, RIGHT, shown
from tests.replaying import (
    SPEECH,
    SPOKEN_MS,
    Servers,
    client_of,
    in_its_own_time,
    in_step,
    open_servers,
    recorded,
    sources,
    takes_in,
)
from tests.script import Said, Script
from tests.servers import PATIENCE, open_client, open_server
from tests.sessions import Frame

SECRET: Final = "f3c1a9e07b5d4f2288aa61c09d7e4b53"
SOURCES: Final = sources("openai", "azure", "xai")
TOOLS: Final = (ToolSchema(name="get_weather"),)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "XAI_API_KEY"):
        monkeypatch.setenv(name, SECRET)


def preset(vendor: str, servers: Servers) -> Any:
    """What ``--upstream`` makes of a vendor whose servers are here."""
    named = {
        "openai": f"openai:{servers.url}",
        "azure": f"azure:{servers.url}/voice",
        "xai": f"xai:{servers.url}",
    }[vendor]
    return choose_upstream(named, key=None).make({}, model=None)


def vendor_of(source: str) -> str:
    return source.partition("/")[0]


ASKED: Final = {
    "openai": ("/v1/realtime?model=gpt-realtime", "authorization", f"Bearer {SECRET}"),
    "azure": ("/openai/v1/realtime?model=voice", "api-key", SECRET),
    "xai": ("/v1/realtime?model=grok-voice-latest", "authorization", f"Bearer {SECRET}"),
}
"""The path that a vendor's server is asked for, and the header that shows the key."""


def check_handshake(vendor: str, servers: Servers) -> None:
    path, name, value = ASKED[vendor]
    for asked, headers in servers.asked:
        assert asked == path
        assert headers[name] == value
        assert [each for each in headers if each in {"authorization", "api-key"}] == [name]


@pytest.mark.parametrize("source", SOURCES)
async def test_a_realtime_client_says_and_hears_all_that_was_said_byte_for_byte(source: str) -> None:
    frames, vendor = recorded(source), vendor_of(source)
    heard: list[str] = []
    async with (
        open_servers(in_step(frames)) as servers,
        open_server(upstream=preset(vendor, servers)) as engine,
        open_client(f"{engine.ws_url}/v1/realtime?model=gpt-realtime-2") as client,
    ):
        with trio.fail_after(PATIENCE):
            for frame in frames:
                if frame.sent:
                    await client.say(frame.raw.decode())
                else:
                    heard.append(str(await client.connection.get_message()))

    assert servers.heard == [[frame.raw.decode() for frame in frames if frame.sent]]
    assert heard == [frame.raw.decode() for frame in frames if not frame.sent]


async def hold(session: Session, front: Script, upstream: LinkUpstream) -> Run:
    """A managed conversation; its tool knows the weather that was recorded."""

    async def weather(call: RunTool) -> ToolResult:
        assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "London"})
        return ToolResult(call.call_id, OUTPUT)

    async with open_network() as network:
        with trio.fail_after(PATIENCE):
            return await converse(
                session,
                open_front=lambda clock: open_machine(Side.FRONT, front, clock),
                open_upstream=lambda clock: upstream.open(clock, network),
                run_tool=weather,
            )


def by_hand(frames: Sequence[Frame]) -> Callable[[Frame], Said | None]:
    """What is left to a managed front: the engine answers calls, and cuts what is spoken over."""
    called = next((at for at, each in enumerate(frames) if "function_call_output" in str(each.event.get("item"))), None)

    def says(frame: Frame) -> Said | None:
        at = frames.index(frame)
        if called is not None and at >= called:
            return None
        if frame.type == "conversation.item.truncate":
            spoken_over = frames[at - 1].type == "input_audio_buffer.speech_started"
            return None if spoken_over else "output_audio_buffer.clear"
        return frame.event

    return says


@pytest.mark.parametrize("source", SOURCES)
async def test_a_managed_session_leads_the_same_conversation_and_knows_its_items(source: str) -> None:
    frames, vendor = recorded(source), vendor_of(source)
    front = client_of(frames, by_hand(frames))
    session = Session(SessionOptions(tools=TOOLS))
    async with open_servers(in_its_own_time(frames)) as servers:
        run = await hold(session, front, preset(vendor, servers))

    assert run.reason == "the front has left"
    assert [shown(entry) for entry in session.conversation] == RIGHT[source]
    assert not front.all("error")
    check_handshake(vendor, servers)


# --- what a vendor does otherwise, or a session has besides its items -------------------------------------------


def texts(servers: Servers, connection: int = -1) -> list[tuple[str, str]]:
    """The messages that a connection was told of: who, and what they said."""
    items = [event["item"] for event in servers.all("conversation.item.create", connection)]
    return [(item["role"], item["content"][0]["text"]) for item in items if item["type"] == "message"]


@pytest.mark.parametrize("source", [source for source in SOURCES if "tool" in source])
async def test_a_call_is_run_by_the_engine_and_answered_once(source: str) -> None:
    frames = recorded(source)
    async with open_servers(in_its_own_time(frames)) as servers:
        front = client_of(frames, by_hand(frames))
        await hold(Session(SessionOptions(tools=TOOLS)), front, preset(vendor_of(source), servers))

    outputs = [event["item"] for event in servers.all("conversation.item.create")][1:]
    assert [(item["type"], item["output"]) for item in outputs] == [("function_call_output", OUTPUT)]
    assert len(servers.all("response.create")) == 2


async def test_an_answer_that_is_spoken_over_is_cut_to_what_was_heard() -> None:
    frames = recorded("openai/barge_in_interrupt_response_true.jsonl")
    front = client_of(frames, by_hand(frames))
    async with open_servers(in_its_own_time(frames)) as servers:
        await hold(Session(SessionOptions()), front, preset("openai", servers))

    (cut,) = servers.all("conversation.item.truncate")
    (then,) = [frame.event for frame in frames if frame.type == "conversation.item.truncate"]
    sent_ms = SPOKEN_MS * sum(frame.type == SPEECH and frame.event["item_id"] == cut["item_id"] for frame in frames)
    assert (cut["item_id"], cut["content_index"]) == (then["item_id"], then["content_index"])
    assert 0 <= cut["audio_end_ms"] < sent_ms
    assert len(front.all("output_audio_buffer.cleared")) == 1


@pytest.mark.parametrize("mode", ["managed", "transparent"])
@pytest.mark.parametrize(("tokens", "code"), [(47, 1008), (48, 1000)])
async def test_what_xai_says_of_usage_beside_a_response_counts(mode: Mode, tokens: int, code: int) -> None:
    frames = recorded("xai/text_in_audio_out_turn.jsonl")
    async with open_servers(in_its_own_time(frames)) as servers:
        session = Session(SessionOptions(mode=mode, limits=Limits(tokens=tokens)))
        run = await hold(session, client_of(frames), preset("xai", servers))

    assert run.code == code


@pytest.mark.parametrize("mode", ["managed", "transparent"])
@pytest.mark.parametrize(("vendor", "variable"), [("azure", "AZURE_OPENAI_API_KEY"), ("xai", "XAI_API_KEY")])
async def test_a_key_that_is_refused_is_named_by_its_place_and_seen_by_nobody(
    mode: Mode, vendor: str, variable: str
) -> None:
    """The server repeats all that it was shown."""
    front = Script()
    async with open_servers(401) as servers:
        run = await hold(Session(SessionOptions(mode=mode)), front, preset(vendor, servers))

    said = f"127.0.0.1 refuses the connection (401): it does not accept the key of {variable}: check it"
    assert said in run.reason
    (error,) = front.all("error")
    assert said in error["error"]["message"]
    assert all(SECRET[at : at + 6] not in str(front.heard) + run.reason for at in range(len(SECRET) - 6))


# --- when the connection is lost, or grows old ------------------------------------------------------------------


@pytest.mark.parametrize("renews", [False, True])
@pytest.mark.parametrize("source", ["azure/text_in_audio_out_turn.jsonl", "xai/text_in_audio_out_turn.jsonl"])
async def test_a_vendor_that_is_lost_or_grows_old_is_told_the_conversation_again(source: str, renews: bool) -> None:
    """xAI closes with 1011 now and then; it names items by UUIDs, which are longer than a client may choose."""
    frames, vendor = recorded(source), vendor_of(source)
    greeting = [frame for frame in frames if not frame.sent and "conversation.item" not in frame.type]
    first_answer = next(at for at, frame in enumerate(greeting) if frame.type == "response.created")
    names = map(str, (uuid.UUID(int=n) for n in range(9)))
    naming = (lambda: next(names)) if vendor == "xai" else None
    again = takes_in(*greeting[:first_answer], items=len(RIGHT[source]), named=naming)
    front = client_of(frames).on("response.done", lambda _: ()).on("rate_limits.updated", Close(1000))
    reconnect = Reconnect(delays=(0.0,), renew_after=0.2 if renews else None)
    session = Session(SessionOptions(reconnect=reconnect))

    first = in_its_own_time(frames, piece_ms=1, code=None if renews else 1011)
    async with open_servers(first, again) as servers:
        run = await hold(session, front, preset(vendor, servers))

    assert run.code == 1000
    assert [event["error"]["code"] for event in front.all("error")] == ([] if renews else ["upstream_closed"])
    assert [event["state"] for event in front.all("engine.upstream")] == ["reconnecting", "connected"]
    assert texts(servers) == [(right.who, right.words) for right in RIGHT[source]]
    assert [shown(entry) for entry in session.conversation] == RIGHT[source]
    for kind in ("session.created", "conversation.created"):
        assert len(front.all(kind)) == sum(frame.type == kind for frame in frames)
    assert all(len(event["item"]["id"]) <= 32 for event in servers.all("conversation.item.create"))
    check_handshake(vendor, servers)
