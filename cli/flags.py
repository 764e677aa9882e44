"""Flags out of a plug-in's options: a dataclass gives names, types and defaults, its docstring the help.

A field named ``path`` is what stands behind the colon of ``--upstream NAME:PATH``. A field whose metadata has
``flags`` is filled by several flags, in the order in which they stand on the command line.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from inspect import Parameter as Argument
from inspect import getdoc
from typing import Annotated, Protocol, TypeVar, get_type_hints

from cyclopts import Parameter
from cyclopts.token import Token

MadeT = TypeVar("MadeT")


class Makes(Protocol):
    """Makes one of a field's values out of what stands behind a flag."""

    def __call__(self, value: str, /) -> object:
        """Make it."""


def arguments_of(options: type, *, group: str, leave_out: Collection[str] = ()) -> list[Argument]:
    """The keyword arguments, for cyclopts, that a dataclass is made from; see `make`."""
    hints = get_type_hints(options)
    helps = field_docs(options)
    return [
        _argument(field, hints[field.name], helps.get(field.name, ""), group)
        for field in fields(options)
        if field.name not in leave_out
    ]


def make(options: type[MadeT], values: Mapping[str, object], **more: object) -> MadeT:
    """Make the dataclass out of the values of its flags; what was not given has its default."""
    names = {field.name for field in fields(options)}  # type: ignore[arg-type]  # a plug-in's options are a dataclass
    return options(**{name: value for name, value in values.items() if name in names}, **more)


def field_docs(options: type) -> dict[str, str]:
    """What the ``Attributes:`` of a docstring say, one line each."""
    docs: dict[str, str] = {}
    _, _, section = (getdoc(options) or "").partition("Attributes:\n")
    for entry in re.split(r"\n(?= {4}\w)", "\n" + section.split("\n\n")[0]):
        name, colon, text = entry.strip().partition(":")
        if colon:
            docs[name] = " ".join(text.replace("``", "").split())
    return docs


def _argument(field: Field[object], hint: object, help: str, group: str) -> Argument:  # noqa: A002
    default: object = Argument.empty
    if field.default is not MISSING:
        default = field.default
    elif field.default_factory is not MISSING:
        default = field.default_factory()
    flags: Mapping[str, Makes] = field.metadata.get("flags", {})
    dashed = field.name.replace("_", "-")
    parameter = Parameter(
        name=[f"--{dashed}"],
        group=group,
        help=help,
        negative=None if hint is bool else (),
        allow_leading_hyphen=True,
        show_default=default is not None and default != (),
    )
    if flags:
        hint = tuple[object, ...]
        parameter = Parameter.combine(
            parameter,
            Parameter(name=list(flags), converter=_in_order(flags), metavar=field.metadata.get("metavar")),
        )
    return Argument(field.name, Argument.KEYWORD_ONLY, default=default, annotation=Annotated[hint, parameter])


def _in_order(flags: Mapping[str, Makes]) -> Callable[[object, Sequence[Token]], tuple[object, ...]]:
    """A converter that keeps the order of several flags."""

    def convert(type_: object, tokens: Sequence[Token]) -> tuple[object, ...]:  # noqa: ARG001
        return tuple(flags[token.keyword or ""](token.value) for token in tokens)

    return convert
