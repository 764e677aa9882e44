"""A value of ``engine.toml``, or of the environment, for a field of an options dataclass."""

import types
from collections.abc import Mapping
from dataclasses import Field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Union, get_args, get_origin

from realtime_engine.errors import UsageError

if TYPE_CHECKING:
    from cli.flags import Makes

_WORDS: Final[Mapping[object, str]] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
}


def read_value(value: object, field: Field[object], hint: object, where: str) -> object:
    """What a file says, as what the field holds.

    Raises:
        UsageError: It is something else. The message says where, and what is accepted; never what it was, for it
            may be a secret.
    """
    return _read(value, field, hint, where, strict=True)


def read_text(text: str, field: Field[object], hint: object, where: str) -> object:
    """What the environment says, as what the field holds; the entries of a list are separated by commas.

    Raises:
        UsageError: See `read_value`.
    """
    is_list = any(get_origin(each) is tuple for each in alternatives(hint))
    value = [entry.strip() for entry in text.split(",")] if is_list else text
    return _read(value, field, hint, where, strict=False)


def _read(value: object, field: Field[object], hint: object, where: str, *, strict: bool) -> object:
    import msgspec  # where nothing is said, the help need not wait for it

    parse: Makes | None = field.metadata.get("parse")
    try:
        if parse is not None and isinstance(value, str):
            return parse(value)
        return msgspec.convert(value, hint, strict=strict, dec_hook=_make_path)
    except msgspec.ValidationError:
        problem = accepted(hint)
    except ValueError as error:
        problem = str(error)
    raise UsageError(f"{where} must be {problem}")


def accepted(hint: object) -> str:
    """What a field takes, in words. Null cannot be said in TOML: who wants it leaves the key out."""
    return " or ".join(_accepted(each) for each in alternatives(hint))


def _accepted(hint: object) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(f'"{choice}"' for choice in get_args(hint))
    if get_origin(hint) is tuple:
        return f"a list, each entry {accepted(get_args(hint)[0])}"
    return _WORDS.get(hint, str(hint))


def alternatives(hint: object) -> tuple[object, ...]:
    """The parts of a union, without null."""
    if get_origin(hint) in (Union, types.UnionType):
        return tuple(part for part in get_args(hint) if part is not types.NoneType)
    return (hint,)


def _make_path(type_: type, value: object) -> object:
    if type_ is Path and isinstance(value, str):
        return Path(value)
    raise ValueError("a path")
