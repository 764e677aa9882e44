"""Two events compared: what a model was sent then, and what it is sent now.

What may differ without meaning anything else is no difference: the ids that a client makes up, the order of keys, the
content of audio, and by a little where an answer was cut off.
"""

import re
from collections.abc import Mapping
from itertools import zip_longest
from typing import Final, NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from realtime_engine.interruption import REPORT_SECONDS
from realtime_engine.objects import Json
from realtime_engine.upstreams.recorded.script import COMMIT, Sent

LENIENT_MS: Final = round(REPORT_SECONDS * 1000)
"""By so much a truncation may differ: so long a session waits for the front's word on what was heard before its own
estimate counts, so two truncations of the same answer can be this far apart (design.md, section 3). What the model says
of it remains what it said then."""

Value: TypeAlias = "Json | UnsetType"
"""What stands in a place of an event; `UNSET` for nothing."""

Ids: TypeAlias = Mapping[str, str]
"""What was called so then -> what it is called now."""

Named: TypeAlias = list[tuple[bytes, str]]
"""The ids in a frame, in order, each with its key."""

_ID_KEYS: Final = frozenset({"id", "item_id", "previous_item_id", "call_id", "response_id"})
_ITEMS: Final = ("message", "function_call", "function_call_output")
_ID: Final = re.compile(rb'("(?:event_id|id|item_id|previous_item_id|call_id|response_id)"\s*:\s*")([^"\\]+)(?=")')
_SHOWN: Final = 60  # characters of a value in a message


class Unlike(NamedTuple):
    """A place in which two events differ: its path, and what stands there."""

    path: str
    then: Value
    now: Value

    def __str__(self) -> str:
        return f"{self.path} was {_show(self.then)}, is {_show(self.now)}"


class Comparison(NamedTuple):
    """Where two events differ, and the ids that correspond if they are the same event."""

    unlike: list[Unlike]
    ids: dict[str, str]


def compare(then: Sent, now: Sent, ids: Ids) -> Comparison:
    """Compare two events of one type.

    The audio that was sent before a commit is a part of it, by its amount: a turn that lost its end is not the same.
    """
    comparison = Comparison([], dict(ids))
    if now.type == COMMIT and then.audio.size != now.audio.size:
        comparison.unlike.append(Unlike("the size of the audio before it", then.audio.size, now.audio.size))
    _compare("", then.value, now.value, comparison)
    return comparison


def rename(raw: bytes, ids: Ids) -> bytes:
    """A frame of the model with the ids that its client chose then replaced by those of now."""

    def today(found: re.Match[bytes]) -> bytes:
        old = found[2].decode(errors="replace")
        return found[1] + (msgspec.json.encode(ids[old])[1:-1] if old in ids else found[2])

    return _ID.sub(today, raw)


def ids_in(raw: bytes) -> Named:
    """All ids in a frame."""
    return [(found[1], found[2].decode(errors="replace")) for found in _ID.finditer(raw)]


def _compare(path: str, then: Value, now: Value, to: Comparison) -> None:
    match then, now:
        case dict(), dict():
            for key in then | now:
                _compare_field(path, key, then, now, to)
        case list(), list():
            for index, (was, is_) in enumerate(zip_longest(then, now, fillvalue=UNSET)):
                _compare(f"{path}[{index}]", was, is_, to)
        case _ if then != now:
            to.unlike.append(Unlike(path or "it", then, now))


def _compare_field(path: str, key: str, then: dict[str, Json], now: dict[str, Json], to: Comparison) -> None:
    was, is_ = then.get(key, UNSET), now.get(key, UNSET)
    path = f"{path}.{key}" if path else key
    match was, is_:
        case str(), str() if key == "event_id":
            to.ids[was] = is_
        case _ if key == "event_id":
            pass  # whoever sends an event may give it an id, or not
        case str(), str() if key in _ID_KEYS:
            expected = to.ids.setdefault(was, is_) if _is_chosen(key, then) else to.ids.get(was, was)
            if is_ != expected:
                to.unlike.append(Unlike(path, was, is_))
        case str(), str() if key == "audio" and len(was) == len(is_):
            pass
        case ((int() | float()), (int() | float())) if key == "audio_end_ms" and abs(was - is_) <= LENIENT_MS:
            pass
        case _:
            _compare(path, was, is_, to)


def _is_chosen(key: str, item: dict[str, Json]) -> bool:
    """Whether an id in an item is the client's own choice: the item's id, or that of a call it says was made."""
    kind = item.get("type")
    return (key == "id" and kind in _ITEMS) or (key == "call_id" and kind == "function_call")


def _show(value: Value) -> str:
    if value is UNSET:
        return "nothing"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
