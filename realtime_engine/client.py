"""The client library: a conversation with a realtime model, from an application's side.

    async with open_client("ws://127.0.0.1:8000/v1/realtime", session={"instructions": "Be brief."}) as client:
        client.add_tool(get_weather)
        await client.send_user_message("How is the weather in Lisbon?")
        async for update in client.updates():
            match update:
                case TranscriptDelta(transcript=words):
                    print(words, end="")
                case ResponseEnded(goes_on=False):
                    break

Everything that runs, runs within the block: the connection's reader, its timers, and the functions that the model
calls. Timeouts are the caller's (`trio.fail_after`, `trio.move_on_after`).
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar, cast, overload

import msgspec
import trio

from realtime_engine import updates as up
from realtime_engine.backlog import Reader
from realtime_engine.content import Content, parts_of, pcm
from realtime_engine.dialogue import Dialogue
from realtime_engine.errors import UsageError
from realtime_engine.events import Event, type_of
from realtime_engine.holding import Beginning, Holding
from realtime_engine.inputs import ToolResult
from realtime_engine.item_updates import Keep
from realtime_engine.items import Item
from realtime_engine.objects import Json
from realtime_engine.opening import alone, open_link, sockets, upstream_of
from realtime_engine.plugins import Upstream, Wanted, dialect_of
from realtime_engine.raw_events import RawEvent
from realtime_engine.session_settings import AskedSettings, Settings
from realtime_engine.signatures import ToolFunction
from realtime_engine.tongues import TONGUES
from realtime_engine.tools import AT_ONCE, TIMEOUT, Tools
from realtime_engine.updates import Update

if TYPE_CHECKING:
    from realtime_engine.content import Sound
    from realtime_engine.network import Network

BACKLOG: Final = 4 << 20
"""Bytes of updates that wait for a slow reader, before the server is kept waiting; of raw events as many."""

T = TypeVar("T")
ToolT = TypeVar("ToolT", bound=ToolFunction)
UpdateT = TypeVar("UpdateT", bound=Update)
EventT = TypeVar("EventT", bound=Event)
Role: TypeAlias = Literal["user", "system", "assistant"]


class Client:
    """A conversation, as long as the block of `open_client` lasts.

    What is awaited here waits only until there is room on the way to the server. After `close`, or when the server has
    ended the conversation, everything that speaks raises.

    Raises:
        trio.ClosedResourceError: The application has closed the conversation.
        UpstreamError: The server has ended it, or the connection is lost; it says why.
        UsageError: What is asked for cannot be done; it says what would mend it.
    """

    def __init__(self, hold: Callable[[], Holding], nursery: trio.Nursery) -> None:
        """Made by `open_client`; ``hold`` makes what holds a new conversation."""
        self._hold = hold
        self._nursery = nursery
        self._held = hold()
        self._beginning = trio.Lock()  # two that began at once would leave one of the connections behind
        self._left = False

    # --- what there is --------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether the server can be spoken to."""
        return self._held.connected

    @property
    def closed(self) -> tuple[int, str] | None:
        """The code and the reason with which the server has ended the conversation; None: it has not."""
        return self._held.closed

    @property
    def session(self) -> dict[str, Json] | None:
        """The session as it is in effect, by the server's word; None: the server has said nothing yet."""
        return self._dialogue.session

    @property
    def settings(self) -> dict[str, Json]:
        """All that was asked of the session so far, and not refused."""
        return self._dialogue.asked.current

    @property
    def tools(self) -> Sequence[str]:
        """The names of the functions that run here."""
        return [schema.name for schema in self._held.tools.schemas]

    @property
    def turn_detection(self) -> str | None:
        """``server_vad``, ``semantic_vad``; None: the application says when a turn is over."""
        return self._dialogue.turn_detection

    @property
    def items(self) -> Sequence[Item]:
        """The conversation: its newest items, in the server's order."""
        return list(self._dialogue.items)

    def item(self, item_id: str) -> Item | None:
        """The item of this id, also one that has no place in the conversation yet; None: there is none."""
        return self._dialogue.items.get(item_id)

    # --- what happens ---------------------------------------------------------------------------------------

    def updates(self) -> Reader[Update]:
        """All that happens, one thing after the other, for ``async for``; it ends with the conversation.

        It begins with the first thing that nobody was told yet: who leaves a loop and begins another misses nothing,
        and two who begin together are told the same. The slowest sets the pace: when it is `BACKLOG` behind, the server
        is kept waiting, unless somebody waits for something particular. While nobody reads, the newest are kept, and
        the next reader is first told how many are gone (`Missed`).

        Raises:
            UpstreamError: While iterating: the connection is lost, or the server has ended it otherwise than by 1000.
        """
        return self._held.updates.read()

    def events(self) -> Reader[RawEvent]:
        """All that goes over the wire, both ways; otherwise as `updates`."""
        return self._held.events.read()

    def dispatch(self, name: str, data: object = None) -> None:
        """Put something of the application's own among the updates, as `Custom`."""
        self._held.updates.tell(up.Custom(name, data))

    async def wait_for(self, kind: type[UpdateT]) -> UpdateT:
        """The next update of a kind, since this task has last said something, or was given an update here.

        In a task that has done neither it is the next from now on.
        """
        found = await self._held.next_update(lambda update: isinstance(update, kind))
        return cast("UpdateT", found)

    async def wait_for_session(self) -> dict[str, Json]:
        """The session, as soon as the server has begun it."""
        if self.session is None:
            await self._held.next_update(lambda update: isinstance(update, up.SessionChanged))
        else:
            await trio.lowlevel.checkpoint()
        return self.session or {}

    async def wait_for_next_item(self) -> Item:
        """The next item that comes into the conversation: see `wait_for`."""
        return (await self.wait_for(up.ItemAppended)).item

    async def wait_for_next_completed_item(self) -> Item:
        """The next item that is complete: see `wait_for`."""
        return (await self.wait_for(up.ItemCompleted)).item

    async def wait_for_answer(self) -> up.ResponseEnded:
        """The end of the next answer, with all that its calls have led to: see `wait_for`."""
        while (end := await self.wait_for(up.ResponseEnded)).goes_on:
            pass
        return end

    @overload
    async def wait_for_event(self, kind: str) -> RawEvent: ...
    @overload
    async def wait_for_event(self, kind: type[EventT]) -> EventT: ...
    async def wait_for_event(self, kind: str | type[EventT]) -> RawEvent | EventT:
        """The next event of the server of a type: see `wait_for`."""
        name = kind if isinstance(kind, str) else type_of(kind)
        found = await self._held.next_event(lambda event: event.source == "server" and event.type == name)
        return found if isinstance(kind, str) else cast("EventT", found.event)

    # --- the session ----------------------------------------------------------------------------------------

    async def update_session(self, settings: Settings) -> None:
        """Change the fields that are named, at any depth; the server is told all settings anew, and the tools.

        A change that the server refuses is forgotten; its error comes as an update.
        """
        await self._say(lambda: self._dialogue.update(settings))

    def add_tool(self, function: ToolT) -> ToolT:
        """Let the model call a function: sync, which runs in a thread, or async; it is given back, as to a decorator.

        What the model is told is made from its name, docstring and annotations. Whatever goes wrong with a call is told
        the model as its output, and the application as `ToolFailed`.

        Raises:
            UsageError: Its name is taken, or a parameter has no type.
        """
        self._held.check()
        tool = self._held.tools.add(function)
        try:
            self._held.do(lambda: self._dialogue.update({}))
        except UsageError:
            self._held.tools.remove(tool.schema.name)
            raise
        return function

    def remove_tool(self, name: str) -> None:
        """Take a function away; a call of it that runs goes on.

        Raises:
            UsageError: There is none of this name.
        """
        self._held.check()
        self._held.tools.remove(name)
        self._held.do(lambda: self._dialogue.update({}))

    async def send_tool_output(self, call_id: str, output: object) -> None:
        """Answer a call of a function that is among the session's own tools: with a text, or what JSON can hold.

        The model goes on when all calls of its answer have their outputs.
        """
        result = ToolResult(call_id, output if isinstance(output, str) else _json_text(output))
        if not await self._say(lambda: self._dialogue.answer(self._held.now(), result)):
            raise UsageError(f"no call {call_id!r} waits for an output")

    # --- the user -------------------------------------------------------------------------------------------

    async def send_user_message(self, *content: Content) -> str:
        """Say something as the user, and have it answered; the id of the new item.

        Args:
            content: Texts, sound, and `Image`; in this order.
        """
        item_id = self._message("user", content, None)
        await self.create_response()
        return item_id

    async def add_message(self, *content: Content, role: Role = "user", after: str | None = None) -> str:
        """Put a message into the conversation, and have nothing answered; the id of the new item.

        Args:
            content: Texts, sound, and `Image`; in this order.
            role: Whose message it is.
            after: The item that it follows; ``"root"``: it comes first. None: it comes last.
        """
        item_id = self._message(role, content, after)
        await self._held.sent()
        return item_id

    async def append_audio(self, audio: "Sound") -> None:
        """The user speaks: bytes in the session's format, or an array of samples; cut anywhere."""
        sound = pcm(audio, self._dialogue.input_format)
        await self._say(lambda: self._dialogue.append(self._held.now(), sound), new=False)

    async def commit_audio(self) -> None:
        """The user's turn is over: what was said becomes an item."""
        await self._say(self._dialogue.commit)

    async def clear_audio(self) -> None:
        """Take back what was said since the last turn."""
        await self._say(self._dialogue.clear)

    async def delete_item(self, item_id: str) -> None:
        """Take an item out of the conversation."""
        await self._say(lambda: self._dialogue.delete(item_id))

    async def retrieve_item(self, item_id: str) -> None:
        """Ask for an item with its sound; `Item.audio` then is what the server has."""
        await self._say(lambda: self._dialogue.retrieve(item_id))

    # --- the model ------------------------------------------------------------------------------------------

    async def create_response(self, response: Mapping[str, object] | None = None) -> None:
        """Have the model answer: now, or when the answer that is under way is over.

        Where turns are manual, what the user has said becomes an item first.

        Args:
            response: What is different for this answer (protocol.md, section 8); ``{"conversation": "none"}`` is given
                beside the conversation, at once. `ResponseStarted` has its ``metadata``.
        """
        await self._say(lambda: self._dialogue.create(self._held.now(), response))

    async def cancel_response(self, item_id: str | None = None, samples: int = 0) -> Item | None:
        """Stop the answer that is under way; nothing is sent where there is none.

        Args:
            item_id: What the model was saying: it is cut to what was heard of it.
            samples: So much; at 24,000 a second, or the rate of the session's output format.

        Returns:
            The item.
        """
        return await self._say(lambda: self._dialogue.cancel(self._held.now(), item_id, samples))

    async def interrupt(self) -> None:
        """Stop the answer, and cut all that is unheard to what was heard.

        That is what `played` has said; without it, the speech is taken to be heard as it comes, in real time.
        """
        await self._say(lambda: self._dialogue.interrupt(self._held.now()))

    def played(self, item_id: str, samples: int) -> None:
        """So much of an item has come out of the loudspeaker by now."""
        self._held.do(lambda: self._dialogue.played(self._held.now(), item_id, samples), new=False)

    # --- the connection -------------------------------------------------------------------------------------

    @overload
    async def send_event(self, event: Event) -> None: ...
    @overload
    async def send_event(self, event: str | Mapping[str, object], **fields: object) -> None: ...
    async def send_event(self, event: str | Mapping[str, object] | Event, **fields: object) -> None:
        """Say any event, also one that nobody knows: ``send_event("response.cancel", response_id=…)``, or as a whole.

        An id is added where it has none. An answer that is asked for like this waits for its turn, too.
        """
        if isinstance(event, str):
            event = {"type": event}
        whole = {**event, **fields} if isinstance(event, Mapping) else event
        await self._say(lambda: self._dialogue.send(self._held.now(), whole))

    async def close(self) -> None:
        """End the conversation; calls that run are cancelled. The end of the block does the same."""
        await self._held.close()

    async def reset(self) -> None:
        """Begin again, on a new connection, with what `open_client` was given: nothing is left of the conversation.

        All `updates` and `events` that are being read end.

        Raises:
            UpstreamError: The server cannot be reached again.
            UsageError: A function that the model calls wants it, and would end with the conversation.
            trio.ClosedResourceError: The block is over.
        """
        if self._held.calls_this_task():
            raise UsageError("a function that the model calls ends with the conversation: reset it from another task")
        async with self._beginning:
            await self._held.close()
            if self._left:
                raise trio.ClosedResourceError("the block of open_client is over")
            self._held = self._hold()
            await self._nursery.start(self._held.run)

    # --- small things ---------------------------------------------------------------------------------------

    async def _leave(self) -> None:
        """The block is over."""
        self._left = True
        await self.close()

    @property
    def _dialogue(self) -> Dialogue:
        return self._held.dialogue

    async def _say(self, act: Callable[[], T], *, new: bool = True) -> T:
        result = self._held.do(act, new=new)
        await self._held.sent()
        return result

    def _message(self, role: Role, content: Iterable[Content], after: str | None) -> str:
        parts = parts_of(content, role=role, format=self._dialogue.input_format)
        return self._held.do(lambda: self._dialogue.message(role, parts, after=after))


@asynccontextmanager
async def open_client(
    upstream: str | Upstream,
    *,
    session: Settings | None = None,
    tools: Iterable[ToolFunction] = (),
    model: str | None = None,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
    keep: Keep = Keep(),  # noqa: B008 - it is frozen
    tool_timeout: float = TIMEOUT,
    tools_at_once: int = AT_ONCE,
    backlog: int = BACKLOG,
    network: "Network | None" = None,
) -> AsyncIterator[Client]:
    """Converse with a model for as long as the block lasts.

    Args:
        upstream: A server's address (``ws://…``, ``wss://…``), the name of an upstream (``local``, ``recorded:FOLDER``,
            ``azure:RESOURCE/DEPLOYMENT``), or an upstream itself: any plug-in.
        session: What the session is to be; more can be asked of it later.
        tools: Functions that the model may call: see `Client.add_tool`.
        model: The model that is asked for, where the address names none.
        key: What shows a server at an address who asks; None: OPENAI_API_KEY. In clear text it goes to this computer
            only.
        headers: What the handshake with a server at an address carries besides.
        keep: How much is kept of a long conversation.
        tool_timeout: Seconds that a call may take.
        tools_at_once: Calls that run at the same time; more wait for a place.
        backlog: See `BACKLOG`.
        network: The sockets of the process, for an application that has many clients; None: the client has its own.

    Raises:
        UpstreamError: The server refused, or did not answer in time.
        UsageError: What is given cannot be used.
    """
    found = upstream_of(upstream, key=key, headers=headers)
    functions = list(tools)
    if not (tool_timeout > 0 and tools_at_once > 0 and backlog > 0):
        raise UsageError("tool_timeout, tools_at_once and backlog are more than 0")

    def begin() -> Beginning:
        made = Tools(functions, timeout=tool_timeout, at_once=tools_at_once)
        asked = AskedSettings(session)
        asked.check(made.schemas)
        return Beginning(made, Dialogue(asked, lambda: made.schemas, keep))

    tongue = TONGUES[dialect_of(found)]
    own: Exception | None = None
    with alone():
        async with sockets(found, network) as opened:
            reach = partial(open_link, found, opened, Wanted(model=model))
            with alone():
                async with trio.open_nursery() as nursery:
                    client = Client(lambda: Holding(reach, tongue(), begin(), backlog=backlog), nursery)
                    await nursery.start(client._held.run)
                    try:
                        yield client
                    except Exception as error:  # noqa: BLE001 - it goes past the nurseries, which raise groups
                        own = error
                    finally:
                        await client._leave()
    if own is not None:
        raise own


def _json_text(output: object) -> str:
    try:
        return msgspec.json.encode(output).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"the output cannot be written as JSON: {error}") from error
