"""Objects whose values are still text: what is not looked at stays as it was written."""

from functools import partial
from typing import Final

import pytest
from msgspec import Raw

from realtime_engine.fields import (
    NOTHING,
    Fields,
    change_at,
    change_each,
    object_at,
    put,
    read_fields,
    take,
    text,
    value_at,
    with_default,
    without,
)

AS_WRITTEN: Final = b'{"number":1.10e0,"big":123456789012345678901234567890,"text":"\\u00e9","list":[ 1,2 ]}'


def fields(raw: bytes) -> Fields:
    read = read_fields(raw)
    assert read is not None
    return read


def marked(given: Fields) -> Fields:
    return with_default("mark", "yes", given)


def test_what_is_not_looked_at_is_written_again_byte_for_byte() -> None:
    assert bytes(text(fields(AS_WRITTEN))) == AS_WRITTEN


@pytest.mark.parametrize("raw", [b"[]", b"1", b"null", b'"text"', b"", b"{", b'{"a":1}x', b'{"\xff":1}', b"[" * 5000])
def test_what_is_no_object_has_no_fields(raw: bytes) -> None:
    assert read_fields(raw) is None


def test_a_value_is_read_only_where_somebody_looks() -> None:
    given = {"word": Raw(b'"gr\\u00fcn"'), "odd": Raw(b'"\xff"'), "object": Raw(b'{"a":1}')}

    assert value_at("word", given) == "grün"
    assert value_at("odd", given) is None
    assert value_at("missing", given) is None
    assert object_at("object", given) == {"a": Raw(b"1")}
    assert object_at("word", given) == object_at("missing", given) == {}


def test_where_nothing_changes_the_very_same_fields_come_back() -> None:
    given = fields(b'{"text":"x","object":{"mark":"no"},"list":[{"mark":"no"},1]}')

    assert change_at("object", given, marked) is given
    assert change_at("text", given, marked) is given
    assert change_at("missing", given, marked) is given
    assert change_each("list", given, marked) is given
    assert change_each("text", given, marked) is given
    assert change_each("missing", given, marked) is given
    assert without(("missing",), given) is given
    assert with_default("text", "y", given) is given


def test_what_changes_is_another_object_and_the_rest_stands_where_it_stood() -> None:
    given = fields(b'{"a":1.0,"object":{"b":2.0},"list":[{"c":3.0},4.0,{"mark":"no"}],"z":5.0}')

    changed = change_each("list", change_at("object", given, marked), marked)

    assert bytes(text(changed)) == (
        b'{"a":1.0,"object":{"mark":"yes","b":2.0},"list":[{"mark":"yes","c":3.0},4.0,{"mark":"no"}],"z":5.0}'
    )
    assert bytes(given["object"]) == b'{"b":2.0}'
    assert without(("a", "object", "list"), given) == {"z": Raw(b"5.0")}


def test_a_value_is_put_at_its_place_and_taken_from_there() -> None:
    voice = partial(put, "audio.output.voice", Raw(b'"ash"'))

    assert voice({}) == {"audio": Raw(b'{"output":{"voice":"ash"}}')}
    assert voice(fields(b'{"audio":{"input":{}}}')) == {"audio": Raw(b'{"input":{},"output":{"voice":"ash"}}')}
    assert take("audio.output.voice", fields(b'{"audio":{"output":{"voice":"ash"}}}')) == (Raw(b'"ash"'), {})
    assert take("audio.output.voice", fields(b'{"audio":{"output":{"voice":"ash","speed":1}},"x":2}')) == (
        Raw(b'"ash"'),
        {"audio": Raw(b'{"output":{"speed":1}}'), "x": Raw(b"2")},
    )


@pytest.mark.parametrize(
    "taken", [b'{"audio":{"output":{"voice":null}}}', b'{"audio":{"output":1}}', b'{"audio":null}']
)
def test_a_place_that_is_taken_is_not_taken_again(taken: bytes) -> None:
    assert put("audio.output.voice", NOTHING, fields(taken)) is None


@pytest.mark.parametrize("empty", [b"{}", b'{"audio":null}', b'{"audio":{"output":"voice"}}', b'{"voice":1}'])
def test_from_an_empty_place_there_is_nothing_to_take(empty: bytes) -> None:
    assert take("audio.output.voice", fields(empty)) is None
