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


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"[1]", "an array"),
        (b"[99999999999999999999]", "an array"),
        (b"3", "a number"),
        (b"1e3", "a number"),
        (b'"a"', "a string"),
        (b"true", "a boolean"),
        (b"null", "null"),
    ],
)
def test_json_that_is_no_object_is_no_event(client: Client, raw: bytes, what: str) -> None:
    client.send_raw(raw)

    assert (client.error["code"], client.error["param"]) == ("invalid_json", None)
    assert client.error["message"] == f"Invalid event: expected a JSON object, but got {what}."


def test_json_that_is_nested_too_deeply_to_be_looked_through_is_an_error(client: Client) -> None:
    for depth in (900, 5000, 100_000):
        client.send_raw(b'{"type":"response.create","response":' + b'{"a":' * depth + b"1" + b"}" * (depth + 1))
        assert client.types[-1] == "error"


def test_null_is_as_good_as_nothing_where_nothing_needs_to_be(client: Client) -> None:
    client.manual()
    client.forget()

    client.send(
        "conversation.item.create",
        event_id=None,
        previous_item_id=None,
        item={
            "type": "message",
            "role": "user",
            **dict.fromkeys(("id", "object", "status")),
            "content": [{"type": "input_text", "text": "Hi.", "audio": None, "transcript": None, "detail": None}],
        },
    )
    client.send("response.create", response=None)
    client.run()
    client.send(
        "response.create",
        response={
            **dict.fromkeys(("conversation", "input", "instructions", "tools", "tool_choice", "output_modalities")),
            **dict.fromkeys(("max_output_tokens", "metadata", "prompt", "reasoning", "parallel_tool_calls")),
            "audio": {"output": {"format": None, "voice": None}},
        },
    )
    client.send("response.cancel", response_id=None)
    client.send(
        "conversation.item.create", item={"type": "function_call", "name": "f", "arguments": "", "call_id": None}
    )

    assert "error" not in client.types
    assert [done["response"]["status"] for done in client.all("response.done")] == ["completed", "cancelled"]


@pytest.mark.parametrize("kind", ["mcp_list_tools", "mcp_call", "mcp_approval_request", "mcp_approval_response"])
def test_the_error_of_an_mcp_item_says_why_there_is_none(client: Client, kind: str) -> None:
    client.send("conversation.item.create", item={"type": kind, "id": "mcp_1"})

    assert (client.error["code"], client.error["param"]) == ("invalid_value", "item.type")
    assert client.error["message"] == (
        f"Invalid value: '{kind}'. The embedded model reaches no network, and so no MCP server: use function tools "
        "instead. Supported values are: 'message', 'function_call', and 'function_call_output'."
    )


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
        (b'{"type":"session.update"}', "missing_required_parameter", "session"),
        (b'{"type":"response.create","more":1}', "unknown_parameter", "more"),
        (b'{"type":"input_audio_buffer.append","audio":7}', "invalid_type", "audio"),
        (b'{"type":"input_audio_buffer.append","audio":"%%"}', "invalid_value", "audio"),
        (b'{"type":"input_audio_buffer.append","audio":"AAA"}', "invalid_value", "audio"),
        (b'{"type":"conversation.item.create","item":{"type":"message"}}', "missing_required_parameter", "item.role"),
        (b'{"type":"conversation.item.create","item":{"type":"song"}}', "invalid_value", "item.type"),
        (b'{"type":"response.cancel","response_id":7}', "invalid_type", "response_id"),
        (b'{"type":"response.cancel","event_id":7}', "invalid_type", "event_id"),
        (b'{"type":"conversation.item.delete","item_id":null}', "missing_required_parameter", "item_id"),
        (b'{"type":null}', "missing_required_parameter", "type"),
        (b'{"type":"session.update","session":null}', "missing_required_parameter", "session"),
        (b'{"type":"response.create","response":{"metadata":{"a":null}}}', "invalid_type", "response.metadata"),
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
