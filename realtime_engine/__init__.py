"""Spoken conversations between people and realtime AI models: the engine as a library.

A `Session` is one conversation. It does no I/O: a driver tells it what came and when, and does what it asks
for. There are two drivers: `converse` on the real clock, `simulate` (in its own module) on a virtual one.

    from realtime_engine import Session, SessionOptions

The names below are imported when they are first used, so ``import realtime_engine`` costs next to nothing;
numpy and the like come with the modules that need them, and only then.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from realtime_engine.client import Client as Client
    from realtime_engine.client import open_client as open_client
    from realtime_engine.commands import FORWARD as FORWARD
    from realtime_engine.commands import CancelTool as CancelTool
    from realtime_engine.commands import Command as Command
    from realtime_engine.commands import Connect as Connect
    from realtime_engine.commands import HangUp as HangUp
    from realtime_engine.commands import Note as Note
    from realtime_engine.commands import RunTool as RunTool
    from realtime_engine.commands import Send as Send
    from realtime_engine.commands import Step as Step
    from realtime_engine.content import Image as Image
    from realtime_engine.engine import converse as converse
    from realtime_engine.errors import EngineError as EngineError
    from realtime_engine.errors import RecordingError as RecordingError
    from realtime_engine.errors import RemoteProtocolError as RemoteProtocolError
    from realtime_engine.errors import Stalled as Stalled
    from realtime_engine.errors import UpstreamError as UpstreamError
    from realtime_engine.errors import UsageError as UsageError
    from realtime_engine.inputs import Closed as Closed
    from realtime_engine.inputs import Input as Input
    from realtime_engine.inputs import Kind as Kind
    from realtime_engine.inputs import Message as Message
    from realtime_engine.inputs import Opened as Opened
    from realtime_engine.inputs import Side as Side
    from realtime_engine.inputs import Stop as Stop
    from realtime_engine.inputs import ToolResult as ToolResult
    from realtime_engine.item_updates import Keep as Keep
    from realtime_engine.items import Item as Item
    from realtime_engine.link import Link as Link
    from realtime_engine.machine import Machine as Machine
    from realtime_engine.options import Limits as Limits
    from realtime_engine.options import Policy as Policy
    from realtime_engine.options import Reconnect as Reconnect
    from realtime_engine.options import SessionOptions as SessionOptions
    from realtime_engine.options import ToolSchema as ToolSchema
    from realtime_engine.prices import Price as Price
    from realtime_engine.prices import Prices as Prices
    from realtime_engine.session import Session as Session

    __version__: str

_HOME: Final = {
    "Client": "client",
    "open_client": "client",
    "FORWARD": "commands",
    "CancelTool": "commands",
    "Command": "commands",
    "Connect": "commands",
    "HangUp": "commands",
    "Note": "commands",
    "RunTool": "commands",
    "Send": "commands",
    "Step": "commands",
    "Image": "content",
    "converse": "engine",
    "EngineError": "errors",
    "RecordingError": "errors",
    "RemoteProtocolError": "errors",
    "Stalled": "errors",
    "UpstreamError": "errors",
    "UsageError": "errors",
    "Closed": "inputs",
    "Input": "inputs",
    "Kind": "inputs",
    "Message": "inputs",
    "Opened": "inputs",
    "Side": "inputs",
    "Stop": "inputs",
    "ToolResult": "inputs",
    "Keep": "item_updates",
    "Item": "items",
    "Link": "link",
    "Machine": "machine",
    "Limits": "options",
    "Policy": "options",
    "Reconnect": "options",
    "SessionOptions": "options",
    "ToolSchema": "options",
    "Price": "prices",
    "Prices": "prices",
    "Session": "session",
}
"""Where each public name is at home. ``simulate`` is not among them: its module has that name already."""

__all__ = [*_HOME, "__version__"]  # noqa: PLE0604 - strings, all of them


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562)."""
    if name == "__version__":
        value: object = import_module("importlib.metadata").version("realtime-engine")
    elif name in _HOME:
        value = getattr(import_module(f"realtime_engine.{_HOME[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted({*globals(), *__all__})
