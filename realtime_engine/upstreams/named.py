"""An upstream by what a person calls it: a server's address, or the name of a plug-in with what stands behind it."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from realtime_engine.errors import UsageError
from realtime_engine.finding import UPSTREAMS, find
from realtime_engine.plugins import Upstream

BEHIND_COLON: Final = {"path": Path, "url": str, "resource": str}
"""Fields that are filled by what stands behind the name of an upstream, and how."""

ADDRESSES: Final = ("ws://", "wss://")
"""How the address of a Realtime server begins."""


def upstream_named(name: str, *, key: str | None = None, headers: Mapping[str, str] | None = None) -> Upstream:
    """The upstream that a person means: an address, NAME, or NAME:what NAME needs.

    Args:
        name: What they call it.
        key: What shows a server at an address who asks; None: the variable of the environment that its kind has.
        headers: What the handshake with a server at an address carries besides.

    Raises:
        UsageError: There is no such upstream, or it cannot be made like this; no message shows the key.
    """
    if name.startswith(ADDRESSES):
        return _server(name, key, headers or {})
    if name.startswith(("http://", "https://")):
        raise UsageError("the address of a Realtime server begins with wss:// or ws://")
    if key is not None or headers:
        raise UsageError(f"a key and headers are for a server's address, not for {name!r}")
    name, _, behind = name.partition(":")
    plugin: type[Any] = find(UPSTREAMS, name)
    takes = [field for field in fields(plugin.Options) if field.name in BEHIND_COLON][:1]
    if behind and not takes:
        raise UsageError(f"{name} takes nothing behind its name: leave :{behind} out")
    for field in takes:
        if not behind and field.default is MISSING:
            raise UsageError(f"{name} needs a {field.name}: {name}:{field.name.upper()}")
    given = {field.name: BEHIND_COLON[field.name](behind) for field in takes if behind}
    upstream: Upstream = plugin(plugin.Options(**given))
    return upstream


def _server(url: str, key: str | None, headers: Mapping[str, str]) -> Upstream:
    from realtime_engine.upstreams.openai import OpenAI, OpenAIOptions
    from realtime_engine.upstreams.openai.server import is_here

    if key is not None and url.startswith("ws:") and not is_here(urlsplit(url).hostname or ""):
        raise UsageError(f"the key would go to {urlsplit(url).hostname} in clear text: use wss://")
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if key is not None:
        lines.append(f"Authorization: Bearer {key}")
    return OpenAI(OpenAIOptions(url=url, upstream_header=tuple(lines)))
