"""A value of ``engine.toml``, or of the environment, for a field of an options dataclass."""

import types
from collections.abc import Mapping
from dataclasses import Field
from pathlib import Path
from typing import Final, Literal, Protocol, Union, get_args, get_origin

from realtime_engine.errors import UsageError


class Makes(Protocol):
    """Makes a value out of a text. ``ValueError`` says what is accepted: "a size, such as 500M"."""

    def __call__(self, value: str, /) -> object:
        """Make it."""


_LISTS: Final = (tuple, list)

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
    return _read(value, field.metadata.get("parse"), hint, where, strict=True)


def read_text(text: str, field: Field[object], hint: object, where: str) -> object:
    """What the environment says, as what the field holds; the entries of a list are separated by commas.

    Raises:
        UsageError: See `read_value`.
    """
    is_list = any(get_origin(each) in _LISTS for each in alternatives(hint))
    value = [entry.strip() for entry in text.split(",")] if is_list else text
    return _read(value, maker_of(field, hint), hint, where, strict=False)


def maker_of(field: Field[object], hint: object) -> Makes | None:
    """What makes a field's value out of a text; None: nothing special does."""
    plain = next((_PLAIN[kind] for kind in alternatives(hint) if kind in _PLAIN), None)
    made: Makes | None = field.metadata.get("parse", plain)
    return made


def _plain_text(text: str) -> str:
    """The text itself.

    Raises:
        ValueError: It stood in other bytes than UTF-8's; Python keeps them, and nobody else could read them.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("text in UTF-8") from None
    return text


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:  # a fraction too, which cyclopts would round
        raise ValueError(_WORDS[int]) from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(_WORDS[float]) from None


_PLAIN: Final[Mapping[object, Makes]] = {int: _whole_number, float: _number, str: _plain_text}


def _read(value: object, parse: Makes | None, hint: object, where: str, *, strict: bool) -> object:
    import msgspec  # where nothing is said, the help need not wait for it

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
    if get_origin(hint) in _LISTS:
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
