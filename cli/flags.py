"""Flags out of a plug-in's options: a dataclass gives names, types and defaults, its docstring the help.

What stands behind the colon of ``--upstream NAME:PATH`` has a field and no flag (`cli.chosen`). The metadata of a
field may say more of it:

- ``flags``: it is filled by several flags, in the order in which they stand on the command line.
- ``parse``: makes its value out of a text; ``ValueError`` says what is accepted ("a size, such as 500M").
- ``secret``: its value is shown nowhere.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from inspect import Parameter as Argument
from inspect import getdoc
from typing import Annotated, TypeVar, get_args, get_type_hints

from cyclopts import Parameter
from cyclopts.token import Token

from cli.values import Makes, maker_of

MadeT = TypeVar("MadeT")


def arguments_of(
    options: type, *, group: str, leave_out: Collection[str] = (), given: Mapping[str, object] = {}
) -> list[Argument]:
    """The keyword arguments, for cyclopts, that a dataclass is made from; see `make`.

    Args:
        options: The dataclass.
        group: The heading of its flags in the help.
        leave_out: Fields that have no flag.
        given: What counts where a flag is not on the command line, instead of the field's default.
    """
    hints = get_type_hints(options)
    helps = field_docs(options)
    return [
        _argument(field, hints[field.name], helps.get(field.name, ""), group, given.get(field.name, default_of(field)))
        for field in fields(options)
        if field.init and field.name not in leave_out
    ]


def make(options: type[MadeT], values: Mapping[str, object], **more: object) -> MadeT:
    """Make the dataclass out of the values of its flags; what was not given has its default."""
    names = {field.name for field in fields(options)}  # type: ignore[arg-type]  # a plug-in's options are a dataclass
    return options(**{name: value for name, value in values.items() if name in names} | more)


def field_docs(options: type) -> dict[str, str]:
    """What the ``Attributes:`` of a docstring say, and those of the classes it is made from, one line each."""
    docs: dict[str, str] = {}
    for made_from in reversed(options.__mro__):
        _, _, section = (getdoc(made_from) or "").partition("Attributes:\n")
        for entry in re.split(r"\n(?= {4}\w)", "\n" + section.split("\n\n")[0]):
            name, colon, text = entry.strip().partition(":")
            if colon:
                docs[name] = " ".join(text.replace("``", "").split())
    return docs


def default_of(field: Field[object]) -> object:
    """What a field is where nobody says anything; `inspect.Parameter.empty`: somebody must."""
    if field.default_factory is not MISSING:
        return field.default_factory()
    return Argument.empty if field.default is MISSING else field.default


def flag_of(name: str) -> str:
    """The flag that fills a field."""
    return f"--{name.replace('_', '-')}"


def flags_of(argument: Argument) -> Sequence[str]:
    """All flags that fill an argument, those that say no among them."""
    hint, parameter = get_args(argument.annotation)
    names: Sequence[str] = parameter.name
    return [*names, *(f"--no-{name.removeprefix('--')}" for name in names)] if hint is bool else names


def value_of(flag: str, tokens: Sequence[str]) -> str | None:
    """What stands behind a flag, before the command line is parsed."""
    for at, token in enumerate(tokens):
        if token == flag:
            return next(iter(tokens[at + 1 :]), None)
        if token.startswith(f"{flag}="):
            return token.removeprefix(f"{flag}=")
    return None


def _argument(field: Field[object], hint: object, help: str, group: str, default: object) -> Argument:  # noqa: A002
    flags: Mapping[str, Makes] = field.metadata.get("flags", {})
    parse = maker_of(field, hint)
    parameter = Parameter(
        name=[flag_of(field.name)],
        group=group,
        help=help,
        negative=None if hint is bool else (),
        allow_leading_hyphen=True,
        show_default=default is not None and default != () and not field.metadata.get("secret", False),
        metavar=field.metadata.get("metavar"),
    )
    if flags:
        hint = tuple[object, ...]
        parameter = Parameter.combine(parameter, Parameter(name=list(flags), converter=_in_order(flags)))
    elif parse is not None:
        parameter = Parameter.combine(parameter, Parameter(converter=_parsed(parse)))
    return Argument(field.name, Argument.KEYWORD_ONLY, default=default, annotation=Annotated[hint, parameter])


def _in_order(flags: Mapping[str, Makes]) -> Callable[[object, Sequence[Token]], tuple[object, ...]]:
    """A converter that keeps the order of several flags."""

    def convert(type_: object, tokens: Sequence[Token]) -> tuple[object, ...]:  # noqa: ARG001
        return tuple(_made(flags[token.keyword or ""], token) for token in tokens)

    return convert


def _parsed(parse: Makes) -> Callable[[object, Sequence[Token]], object]:
    """A converter of one value."""

    def convert(type_: object, tokens: Sequence[Token]) -> object:  # noqa: ARG001
        return _made(parse, tokens[-1])

    return convert


def _made(make: Makes, token: Token) -> object:
    try:
        return make(token.value)
    except ValueError as error:
        raise ValueError(f"it must be {error}") from None
