"""What is no request, and what is said about it."""

import pytest

from realtime_engine.inputs import Kind
from tests.upstreams.local.harness import Client


@pytest.fixture
def client() -> Client:
    client = Client()
    client.forget()
    return client


def test_a_binary_frame_is_an_error_and_nothing_else(client: Client) -> None:
    client.send_raw(b"\x00\x01", Kind.BINARY)

    assert client.error == {
        "type": "invalid_request_error",
        "code": "invalid_event",
        "message": "Expected a text WebSocket message; binary frames are not supported.",
        "param": None,
        "event_id": None,
    }
    client.update()
    assert client.types[-1] == "session.updated"


@pytest.mark.parametrize("raw", [b"", b"nope", b'{"type":', b"\xff", b'{"type":"a\xff"}'])
def test_what_is_no_json_is_an_error(client: Client, raw: bytes) -> None:
    client.send_raw(raw)

    assert client.error["code"] == "invalid_json"
    assert client.error["message"].startswith("Invalid event: failed to parse JSON value. ")


def test_an_unknown_type_is_an_error_that_lists_the_known_ones(client: Client) -> None:
    client.send("nope", event_id="mine")

    assert client.error["code"] == "invalid_value"
    assert client.error["param"] == "type"
    assert client.error["event_id"] == "mine"
    assert client.error["message"] == (
        "Invalid value: 'nope'. Supported values are: 'session.update', 'input_audio_buffer.append', "
        "'input_audio_buffer.commit', 'input_audio_buffer.clear', 'conversation.item.create', "
        "'conversation.item.truncate', 'conversation.item.delete', 'conversation.item.retrieve', "
        "'response.create', and 'response.cancel'."
    )


def test_the_output_buffer_of_webrtc_is_unknown_on_a_websocket(client: Client) -> None:
    client.send("output_audio_buffer.clear")

    assert (client.error["code"], client.error["param"]) == ("invalid_value", "type")


@pytest.mark.parametrize(
    ("raw", "code", "param"),
    [
        (b"{}", "missing_required_parameter", "type"),
        (b"[1]", "invalid_type", None),
        (b"3", "invalid_type", None),
        (b'{"type":"session.update"}', "missing_required_parameter", "session"),
        (b'{"type":"response.create","more":1}', "unknown_parameter", "more"),
        (b'{"type":"input_audio_buffer.append","audio":7}', "invalid_type", "audio"),
        (b'{"type":"input_audio_buffer.append","audio":"%%"}', "invalid_value", "audio"),
        (b'{"type":"input_audio_buffer.append","audio":"AAA"}', "invalid_value", "audio"),
        (b'{"type":"conversation.item.create","item":{"type":"message"}}', "missing_required_parameter", "item.role"),
        (b'{"type":"conversation.item.create","item":{"type":"song"}}', "invalid_value", "item.type"),
        (b'{"type":"response.cancel","response_id":7}', "invalid_type", "response_id"),
        (b'{"type":"response.cancel","event_id":7}', "invalid_type", "event_id"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(client: Client, raw: bytes, code: str, param: str | None) -> None:
    client.send_raw(raw)

    assert (client.error["code"], client.error["param"]) == (code, param)
    assert client.error["event_id"] is None


def test_more_audio_than_an_append_may_carry_is_refused(client: Client) -> None:
    client.manual()

    client.append(bytes((15 << 20) + 2))

    assert (client.error["code"], client.error["param"]) == ("string_above_max_length", "audio")
    client.append(bytes(15 << 20))
    assert client.types[-1] == "error"
    assert len(client.all("error")) == 1
