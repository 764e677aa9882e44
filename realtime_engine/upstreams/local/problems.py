"""What is wrong with a client's request, in the words and codes of the protocol.

Requests are checked by strict msgspec types; one table here turns msgspec's text into the protocol's codes.
Source: protocol.md, section 10; the codes for other bounds follow the same vendor's naming elsewhere.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import inspect

from realtime_engine.events import Error
from realtime_engine.objects import ErrorDetail


class RequestError(Exception):
    """A request that is refused; it changes nothing and gives exactly one ``error`` event.

    Attributes:
        code: The protocol's code; None where the hosted service sends null.
        param: The parameter at fault, by its path from the event.
    """

    def __init__(self, code: str | None, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param

    def event(self, event_id: str | None) -> Error:
        """The ``error`` event; ``event_id`` is that of the request, None if it had none."""
        return Error(
            error=ErrorDetail(
                type="invalid_request_error",
                code=self.code,
                message=self.message,
                param=self.param,
                event_id=event_id,
            )
        )


_PATH: Final = re.compile(r" - at (?:`[^`]*` in )?`\$\.?(?P<path>.*?)(?:\[\.\.\.\])*`$")

NO_MCP: Final = "The embedded model reaches no network, and so no MCP server: use function tools instead."

_MEANINGS: Final = tuple(
    (re.compile(pattern, re.DOTALL), code, message)
    for pattern, code, message in (
        (r"Object contains unknown field `(?P<key>.*)`", "unknown_parameter", "Unknown parameter: '{param}'."),
        (
            r"Object missing required field `(?P<key>.*)`",
            "missing_required_parameter",
            "Missing required parameter: '{param}'.",
        ),
        (
            r"Invalid value (?P<value>'mcp\w*')",
            "invalid_value",
            "Invalid value: {value}. " + NO_MCP + " Supported values are: {supported}.",
        ),
        (
            r"Invalid (?:enum )?value (?P<value>.*)",
            "invalid_value",
            "Invalid value: {value}. Supported values are: {supported}.",
        ),
        (r"Expected `int` >= (?P<bound>\S+)", "integer_below_min_value", "Expected a value >= {bound}"),
        (r"Expected `int` <= (?P<bound>\S+)", "integer_above_max_value", "Expected a value <= {bound}"),
        (r"Expected `float` >= (?P<bound>\S+)", "decimal_below_min_value", "Expected a value >= {bound}"),
        (r"Expected `float` <= (?P<bound>\S+)", "decimal_above_max_value", "Expected a value <= {bound}"),
        (
            r"Expected `str` of length <= (?P<bound>\d+)",
            "string_above_max_length",
            "Invalid '{param}': string too long. Expected a string with maximum length {bound}.",
        ),
        (
            r"Expected `object` of length <= (?P<bound>\d+)",
            "object_above_max_properties",
            "Invalid '{param}': too many properties. Expected an object with at most {bound} properties.",
        ),
        (
            r"Expected `array` of length \d+, got \d+",
            "invalid_value",
            "Invalid value for '{param}'. Supported values are: {supported}.",
        ),
        (
            r"Expected `(?P<wanted>.*)`, got `(?P<got>.*)`",
            "invalid_type",
            "Invalid type for '{param}': expected {wanted}, but got {got} instead.",
        ),
        (r"Integer value out of range", "invalid_value", "Invalid event: an integer in it is out of range."),
        (r"(?P<text>.*)", "invalid_value", "Invalid value for '{param}': {text}."),
    )
)


def explain(error: msgspec.ValidationError, wanted: object, *, root: str = "") -> RequestError:
    """What is wrong, as the protocol says it.

    Args:
        error: Raised when something was to become of the type ``wanted``.
        wanted: That type.
        root: Where it stands in the event, such as ``session``; empty: it is the event.
    """
    text = str(error)
    found = _PATH.search(text)
    inner = found["path"] if found else ""
    text = text[: found.start()] if found else text
    match, code, message = next(
        (match, code, message) for pattern, code, message in _MEANINGS if (match := pattern.fullmatch(text))
    )
    words = match.groupdict()
    param = _joined(root, inner, words.get("key", ""))
    choices = _quoted(supported(wanted, inner)) if "{supported}" in message else ""
    return RequestError(code, message.format(param=param, supported=choices, **words), param=param or None)


def supported(wanted: object, path: str) -> tuple[str, ...]:
    """The values that a type allows at a path such as ``content[0].type``, in the order it lists them."""
    nodes: list[inspect.Type] = [inspect.type_info(wanted)]
    for key in re.findall(r"[^.\[\]]+", path):
        nodes = [child for node in nodes for child in _below(node, key)]
    return tuple(dict.fromkeys(value for node in nodes for value in _values(node)))


def _below(node: inspect.Type, key: str) -> Iterator[inspect.Type]:
    """The types of what stands under a key of a type."""
    match node:
        case inspect.UnionType():
            for choice in node.types:
                yield from _below(choice, key)
        case inspect.StructType():
            if key == node.tag_field:
                yield inspect.LiteralType((node.tag,) if isinstance(node.tag, str) else ())
            yield from (field.type for field in node.fields if field.encode_name == key)
        case inspect.VarTupleType():
            yield node.item_type
        case inspect.TupleType():
            yield from node.item_types


def _values(node: inspect.Type) -> Iterator[str]:
    match node:
        case inspect.UnionType():
            for choice in node.types:
                yield from _values(choice)
        case inspect.LiteralType():
            yield from map(str, node.values)
        case inspect.TupleType():
            for item in node.item_types:
                yield from (f"[{value}]" for value in _values(item))


def _quoted(values: tuple[str, ...]) -> str:
    """``'a'``; ``'a' and 'b'``; ``'a', 'b', and 'c'``."""
    *most, last = [f"'{value}'" for value in values] or ["none"]
    return f"{', '.join(most)}{',' * (len(most) > 1)} and {last}" if most else last


def _joined(*parts: str) -> str:
    return ".".join(part for part in parts if part).replace(".[", "[")
