"""Each recorded session of each vendor, with its preset, over real sockets: the client's part is spoken to the engine,
and a server says the vendor's part again.
"""

import asyncio
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final, TypeAlias

import pytest
import trio
from agents.realtime import RealtimeAgent, RealtimeRunner

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
from realtime_engine.plugins import LinkUpstream, dialect_of
from realtime_engine.recovery import merged
from realtime_engine.session import Session
from realtime_engine.tongues import UpstreamDialect, XaiTongue
from realtime_engine.upstreams.openai import OpenAI, OpenAIOptions
from tests.recorded_items import OUTPUT, RIGHT, shown
from tests.replaying import (
    SPEECH,
    SPOKEN_MS,
    Servers,
    client_of,
    in_beta,
    in_its_own_time,
    in_step,
    in_xais_manner,
    open_servers,
    recorded,
    sources,
    takes_in,
)
from tests.script import Said, Script
from tests.servers import PATIENCE, open_client, open_server
from tests.sessions import Frame

SECRET: Final = "f3c1a9e07b5d4f2288aa61c09d7e4b53"
SOURCES: Final = sources("openai", "azure", "xai", "beta")
HELLO: Final = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello?"}]}
Manner: TypeAlias = Callable[[Sequence[Frame]], Sequence[Frame]]
TOOLS: Final = (ToolSchema(name="get_weather"),)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "XAI_API_KEY"):
        monkeypatch.setenv(name, SECRET)


NAMED: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "openai": ("openai:{}", {}),
    "beta": ("openai:{}", {"upstream_dialect": "beta"}),
    "azure": ("azure:{}/voice", {}),
    "azure beta": ("azure:{}/voice", {"api_version": "2024-10-01-preview"}),
    "xai": ("xai:{}", {}),
}
"""What ``--upstream`` and its flags say of a vendor whose servers are at an address."""


def preset(vendor: str, servers: Servers) -> Any:
    """What the command line makes of it."""
    named, flags = NAMED[vendor]
    return choose_upstream(named.format(servers.url), key=None).make(flags, model=None)


def vendor_of(source: str) -> str:
    return source.partition("/")[0]


ASKED: Final = {
    "openai": ("/v1/realtime?model=gpt-realtime", "authorization", f"Bearer {SECRET}"),
    "beta": ("/v1/realtime?model=gpt-realtime", "authorization", f"Bearer {SECRET}"),
    "azure": ("/openai/v1/realtime?model=voice", "api-key", SECRET),
    "azure beta": ("/openai/realtime?api-version=2024-10-01-preview&deployment=voice", "api-key", SECRET),
    "xai": ("/v1/realtime?model=grok-voice-latest", "authorization", f"Bearer {SECRET}"),
}
"""The path that a vendor's server is asked for, and the header that shows the key."""


DIALECTS: Final[Mapping[str, UpstreamDialect]] = {
    "openai": "ga",
    "beta": "beta",
    "azure": "ga",
    "azure beta": "beta",
    "xai": "xai",
}


def check_handshake(vendor: str, servers: Servers) -> None:
    path, name, value = ASKED[vendor]
    for asked, headers in servers.asked:
        assert asked == path
        assert headers[name] == value
        assert [each for each in headers if each in {"authorization", "api-key"}] == [name]
        assert headers.get("openai-beta") == ("realtime=v1" if "beta" in vendor else None)


async def relayed(vendor: str, said: Sequence[Frame], now: Sequence[Frame]) -> tuple[list[str], list[str]]:
    """A Realtime client's conversation through the engine: what the server heard, and what the client did.

    Args:
        vendor: Whose servers they are.
        said: What the client says, each when it has heard what came before it then.
        now: The server's part.
    """
    heard: list[str] = []
    async with (
        open_servers(in_step(now)) as servers,
        open_server(upstream=preset(vendor, servers)) as engine,
        open_client(f"{engine.ws_url}/v1/realtime") as client,
    ):
        with trio.fail_after(PATIENCE):
            for frame, following in zip_longest(said, said[1:]):
                if frame.sent:
                    await client.say(frame.raw.decode())
                elif following is None or following.sent:
                    while not heard or json.loads(heard[-1])["event_id"] != frame.event["event_id"]:
                        heard.append(str(await client.connection.get_message()))
    check_handshake(vendor, servers)
    return servers.heard[0], heard


@pytest.mark.parametrize("source", sources("openai", "azure"))
async def test_a_realtime_client_says_and_hears_all_that_was_said_byte_for_byte(source: str) -> None:
    frames = recorded(source)

    told, heard = await relayed(vendor_of(source), frames, frames)

    assert told == [frame.raw.decode() for frame in frames if frame.sent]
    assert heard == [frame.raw.decode() for frame in frames if not frame.sent]


def as_a_client_of_the_ga(frame: Frame) -> Frame:
    """What a client says to xAI, as one says it that knows OpenAI alone."""
    if frame.type != "session.update":
        return frame
    event = json.loads(frame.raw)
    event["session"]["audio"]["input"]["turn_detection"] = event["session"].pop("turn_detection")
    return frame._replace(event=event)


@pytest.mark.parametrize("source", sources("xai"))
async def test_a_client_of_the_ga_is_understood_by_xai_and_understands_it(source: str) -> None:
    frames = recorded(source)
    says = [as_a_client_of_the_ga(frame) if frame.sent else frame for frame in frames]

    told, heard = await relayed("xai", says, frames)

    assert list(map(json.loads, told)) == [frame.event for frame in frames if frame.sent]
    tongue = XaiTongue()  # which `tests/test_tongues.py` holds against the types of the GA
    assert list(map(json.loads, heard)) == [
        json.loads(meant) for frame in frames if not frame.sent for meant in tongue.hear(frame.raw)
    ]
    granted = next(json.loads(text)["session"] for text in heard if '"session.updated"' in text)
    asked = next(frame.event["session"] for frame in says if frame.type == "session.update")
    assert merged(granted, asked) == granted  # all of it, where it was asked for
    assert not [text for text in heard if '"ping"' in text]


@pytest.mark.parametrize("source", sources("azure"))
async def test_a_client_of_the_ga_is_understood_by_azures_older_generation_and_understands_it(source: str) -> None:
    frames = recorded(source)

    told, heard = await relayed("azure beta", frames, in_beta(frames))

    said = [json.loads(each) for each in told]
    assert said == [frame.event for frame in in_beta(frames) if frame.sent]
    assert "modalities" in said[0]["session"]
    assert sorted(json.loads(each)["type"] for each in heard) == sorted(f.type for f in frames if not f.sent)


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
        if frame.type == "session.update" and "turn_detection" in str(frame.event["session"]):
            return as_a_client_of_the_ga(frame).event if vendor_of(frame.source) == "xai" else frame.event
        if frame.type == "conversation.item.truncate":
            spoken_over = frames[at - 1].type == "input_audio_buffer.speech_started"
            return None if spoken_over else "output_audio_buffer.clear"
        return frame.event

    return says


@pytest.mark.parametrize(
    ("source", "vendor"),
    [*((source, vendor_of(source)) for source in SOURCES), *((source, "azure beta") for source in sources("azure"))],
)
async def test_a_managed_session_leads_the_same_conversation_and_knows_its_items(source: str, vendor: str) -> None:
    frames = recorded(source)
    front = client_of(frames, by_hand(frames))
    said = in_beta(frames) if vendor == "azure beta" else frames
    session = Session(SessionOptions(tools=TOOLS, upstream_dialect=DIALECTS[vendor]))
    async with open_servers(in_its_own_time(said)) as servers:
        upstream = preset(vendor, servers)
        run = await hold(session, front, upstream)

    assert dialect_of(upstream) == DIALECTS[vendor]
    assert run.reason == "the front has left"
    assert [shown(entry) for entry in session.conversation] == RIGHT[source]
    assert not front.all("error")
    check_handshake(vendor, servers)


async def ask_strictly(url: str) -> list[str]:
    """A typed turn of ``openai-agents``, which takes nothing but the types of the GA; the kinds of what came."""
    kinds: list[str] = []
    agent = RealtimeAgent(name="Assistant", instructions="Be brief.")
    async with (
        asyncio.timeout(PATIENCE),
        await RealtimeRunner(agent).run(model_config={"api_key": "none", "url": url}) as session,
    ):
        await session.send_message("Hello?")
        async for event in session:
            assert event.type not in ("error", "exception"), event
            kinds.append(event.type)
            if event.type == "agent_end":
                break
    return kinds


@pytest.mark.parametrize("vendor", ["openai", "azure", "azure beta", "xai"])
async def test_a_client_that_takes_nothing_but_the_ga_has_a_turn_with_every_vendor(vendor: str) -> None:
    frames = recorded(f"{vendor.partition(' ')[0]}/text_in_audio_out_turn.jsonl")
    said = in_its_own_time(in_beta(frames) if "beta" in vendor else frames)
    async with open_servers(said) as servers, open_server(upstream=preset(vendor, servers)) as engine:
        url = f"{engine.ws_url}/v1/realtime"
        kinds = await trio.to_thread.run_sync(lambda: asyncio.run(ask_strictly(url)))

    assert {"audio", "audio_end", "agent_end"} <= set(kinds)


async def test_a_server_of_the_beta_may_be_an_engine() -> None:
    """It is asked for the beta by the header, and answers in it."""
    async with (
        open_server() as far,
        open_server(upstream=OpenAI(OpenAIOptions(url=far.ws_url, upstream_dialect="beta"))) as near,
        open_client(f"{near.ws_url}/v1/realtime") as client,
    ):
        await client.say({"type": "session.update", "session": {"type": "realtime", "output_modalities": ["text"]}})
        updated = await client.hear("session.updated")
        await client.say({"type": "conversation.item.create", "item": HELLO})
        item_done = await client.hear("conversation.item.done")
        await client.say({"type": "response.create"})
        spoken = await client.hear("response.output_text.done")

    assert updated["session"]["output_modalities"] == ["text"]
    assert item_done["event_id"].endswith("_done")  # which the beta does not say, so the engine did
    assert spoken["text"] == "You said: Hello?"


# --- what a vendor does otherwise, or a session has besides its items -------------------------------------------


def texts(servers: Servers, connection: int = -1) -> list[tuple[str, str]]:
    """The messages that a connection was told of: who, and what they said."""
    items = [event["item"] for event in servers.all("conversation.item.create", connection)]
    return [(item["role"], item["content"][0]["text"]) for item in items if item["type"] == "message"]


@pytest.mark.parametrize("manner", [list, in_xais_manner])
@pytest.mark.parametrize("source", [source for source in SOURCES if "tool" in source])
async def test_a_call_is_run_by_the_engine_and_answered_once(source: str, manner: Manner) -> None:
    """No recorded session of xAI has a call: these are others', said in its manner."""
    frames = manner(recorded(source))
    vendor = vendor_of(source) if manner is list else "xai"
    session = Session(SessionOptions(tools=TOOLS, upstream_dialect=DIALECTS[vendor]))
    async with open_servers(in_its_own_time(frames)) as servers:
        await hold(session, client_of(frames, by_hand(frames)), preset(vendor, servers))

    outputs = [event["item"] for event in servers.all("conversation.item.create")][1:]
    assert [(item["type"], item["output"]) for item in outputs] == [("function_call_output", OUTPUT)]
    assert len(servers.all("response.create")) == 2
    assert [shown(entry) for entry in session.conversation] == RIGHT[source]


@pytest.mark.parametrize("manner", [list, in_xais_manner])
async def test_an_answer_that_is_spoken_over_is_cut_to_what_was_heard(manner: Manner) -> None:
    frames = manner(recorded("openai/barge_in_interrupt_response_true.jsonl"))
    vendor = "openai" if manner is list else "xai"
    front = client_of(frames, by_hand(frames))
    session = Session(SessionOptions(upstream_dialect=DIALECTS[vendor]))
    async with open_servers(in_its_own_time(frames)) as servers:
        await hold(session, front, preset(vendor, servers))

    (cut,) = servers.all("conversation.item.truncate")
    (then,) = [frame.event for frame in frames if frame.type == "conversation.item.truncate"]
    sent_ms = SPOKEN_MS * sum(frame.type == SPEECH and frame.event["item_id"] == cut["item_id"] for frame in frames)
    assert (cut["item_id"], cut["content_index"]) == (then["item_id"], then["content_index"])
    assert 0 <= cut["audio_end_ms"] < sent_ms
    assert len(front.all("output_audio_buffer.cleared")) == 1
    assert [shown(entry) for entry in session.conversation] == RIGHT["openai/barge_in_interrupt_response_true.jsonl"]


@pytest.mark.parametrize("mode", ["managed", "transparent"])
@pytest.mark.parametrize(("tokens", "code"), [(47, 1008), (48, 1000)])
async def test_what_xai_says_of_usage_beside_a_response_counts(mode: Mode, tokens: int, code: int) -> None:
    frames = recorded("xai/text_in_audio_out_turn.jsonl")
    async with open_servers(in_its_own_time(frames)) as servers:
        session = Session(SessionOptions(mode=mode, upstream_dialect="xai", limits=Limits(tokens=tokens)))
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
    session = Session(SessionOptions(reconnect=reconnect, upstream_dialect=DIALECTS[vendor]))

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
