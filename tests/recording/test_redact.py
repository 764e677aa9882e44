"""Secrets are taken out of a text, and nothing else is."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.recording.redact import REDACTED, redact

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["authorization", "headers", "client_secret", "a", 'b"']), inner, max_size=4)
    ),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        (b'{"authorization":"Bearer x","a":1}', b'{"authorization":"[redacted]","a":1}'),
        (b'{"headers": {"X-Key": "y", "b": ["}"]} , "a":1}', b'{"headers": "[redacted]" , "a":1}'),
        (b'{"tools":[{"type":"mcp","headers":null}]}', b'{"tools":[{"type":"mcp","headers":"[redacted]"}]}'),
        (b'{"client_secret":{"value":"v","expires_at":1}}', b'{"client_secret":"[redacted]"}'),
        (b'{"\\u0061uthorization":"x"}', b'{"\\u0061uthorization":"[redacted]"}'),
        (b'{"Authorization":7}', b'{"Authorization":"[redacted]"}'),
        (b'{"value":"ek_0123456789abcdef0123456789abcdef"}', b'{"value":"[redacted]"}'),
        (b'{"message":"wrong key sk-proj-0123456789_abcdefgh."}', b'{"message":"wrong key [redacted]."}'),
    ],
    ids=["word", "object", "within", "client secret", "escaped key", "capitals", "ephemeral key", "key in a sentence"],
)
def test_a_secret_is_replaced_and_the_rest_stays_byte_for_byte(text: bytes, safe: bytes) -> None:
    assert redact(text) == safe


@pytest.mark.parametrize(
    "text",
    [
        b'{"say":"my authorization and my headers"}',
        b'{"say":"\\"authorization\\": never"}',
        b'{"type":"caf\\u00e9"}',
        b'["authorization","headers"]',
        b'{"id":"item_ek_1","voice":"sk-8"}',
        b"",
    ],
)
def test_what_only_looks_like_a_secret_stays_as_it_is(text: bytes) -> None:
    assert redact(text) is text


@pytest.mark.parametrize(
    "text", [b'{"authorization":"Bearer x', b'{"headers":{"a":["Bearer x"', b'"authorization":Bearer x', b'"headers":x']
)
def test_a_secret_in_broken_json_is_replaced_to_its_end(text: bytes) -> None:
    assert b"x" not in redact(text)
    assert REDACTED in redact(text)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        (b'{"authorization":,"a":1}', b'{"authorization":"[redacted]","a":1}'),
        (b'{"authorization":}', b'{"authorization":"[redacted]"}'),
        (b'{"authorization":', b'{"authorization":"[redacted]"'),
        (b'{"\\u00zz":1}', b'{"\\u00zz":1}'),
    ],
)
def test_json_that_lacks_a_value_is_no_trouble(text: bytes, safe: bytes) -> None:
    assert redact(text) == safe


@given(value=JSON)
def test_json_stays_json_and_loses_exactly_its_secrets(value: object) -> None:
    def without(value: object) -> object:
        if isinstance(value, dict):
            secret = ("authorization", "headers", "client_secret")
            return {key: REDACTED.decode() if key in secret else without(inner) for key, inner in value.items()}
        return [without(inner) for inner in value] if isinstance(value, list) else value

    assert msgspec.json.decode(redact(msgspec.json.encode(value))) == without(value)


@given(
    text=st.binary()
    | st.lists(st.sampled_from([b'"authorization"', b":", b'"', b"{", b"}", b",", b"x", b"\\"])).map(b"".join)
)
def test_doing_it_twice_changes_nothing_whatever_the_bytes(text: bytes) -> None:
    once = redact(text)
    assert redact(once) == once
