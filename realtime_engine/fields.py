"""Objects of JSON whose values are still text: what is not looked at is written down again byte for byte.

Nothing here raises, and no object is changed: a function gives another one, or the very same where nothing changes.
"""

from collections.abc import Callable, Collection
from typing import Final, TypeAlias

import msgspec
from msgspec import Raw

from realtime_engine.objects import Json

Fields: TypeAlias = dict[str, Raw]
"""An object, each value still its own text."""

Change: TypeAlias = Callable[[Fields], Fields]
"""Gives other fields, or the very same ones where there is nothing to change."""

NOTHING: Final = Raw(b"null")

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_decode_fields: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_list: Final = msgspec.json.Decoder(list[Raw]).decode
_encode: Final = msgspec.json.Encoder().encode


def read_fields(raw: bytes | Raw) -> Fields | None:
    """The fields of an object; None: it is something else."""
    try:
        return _decode_fields(raw)
    except _UNREADABLE:
        return None


def value(raw: Raw) -> Json:
    """What a text stands for; None also where it cannot be read."""
    try:
        read: Json = msgspec.json.decode(raw)
    except _UNREADABLE:
        return None
    return read


def text(written: "Json | Fields | list[Raw]") -> Raw:
    """The text of a value, in its most compact form."""
    return Raw(_encode(written))


def value_at(key: str, fields: Fields) -> Json:
    """What stands under a name; None also where that is nothing."""
    return value(fields.get(key, NOTHING))


def object_at(key: str, fields: Fields) -> Fields:
    """The object that stands under a name; an empty one where that is something else."""
    return read_fields(fields.get(key, NOTHING)) or {}


def change_at(key: str, fields: Fields, change: Change) -> Fields:
    """The fields with the object of this name changed, if there is one."""
    old = fields.get(key, NOTHING)
    new = _changed(old, change)
    return fields if new is old else fields | {key: new}


def change_each(key: str, fields: Fields, change: Change) -> Fields:
    """The fields with each object changed in the list of this name, if there is one."""
    try:
        old = _decode_list(fields.get(key, NOTHING))
    except _UNREADABLE:
        return fields
    new = [_changed(each, change) for each in old]
    same = all(one is other for one, other in zip(old, new, strict=True))
    return fields if same else fields | {key: text(new)}


def without(keys: Collection[str], fields: Fields) -> Fields:
    """The fields but for these."""
    if fields.keys().isdisjoint(keys):
        return fields
    return {key: value for key, value in fields.items() if key not in keys}


def with_default(key: str, default: str, fields: Fields) -> Fields:
    """The fields with one more, as the first, unless it is there already."""
    return fields if key in fields else {key: text(default)} | fields


def put(path: str, value: Raw, fields: Fields) -> Fields | None:
    """The fields with a value at a place, keys with dots between them; None: the place is taken."""
    key, _, rest = path.partition(".")
    if not rest:
        return None if key in fields else fields | {key: value}
    inner = read_fields(fields[key]) if key in fields else {}
    placed = None if inner is None else put(rest, value, inner)
    return None if placed is None else fields | {key: text(placed)}


def take(path: str, fields: Fields) -> tuple[Raw, Fields] | None:
    """What is at a place, and the fields without it and without what is then empty; None: there is nothing."""
    key, _, rest = path.partition(".")
    if not rest:
        return (fields[key], without((key,), fields)) if key in fields else None
    taken = take(rest, object_at(key, fields))
    if taken is None:
        return None
    found, left = taken
    return found, fields | {key: text(left)} if left else without((key,), fields)


def _changed(old: Raw, change: Change) -> Raw:
    fields = read_fields(old)
    if fields is None or (changed := change(fields)) is fields:
        return old
    return text(changed)
