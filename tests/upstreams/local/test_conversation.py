"""Items: created, retrieved, truncated, deleted, and what is wrong with them."""

from typing import Any

import pytest

from realtime_engine.audio import PCM16, PCMU, decode_base64, encode_base64
from realtime_engine.upstreams.local import conversation
from realtime_engine.upstreams.local.replies import Call, Play
from tests.upstreams.local.harness import Client, noise

ADDED, DONE = "conversation.item.added", "conversation.item.done"


@pytest.fixture
def client() -> Client:
    client = Client()
    client.manual()
    client.forget()
    return client


def message(role: str = "user", **fields: Any) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": "Hello."}], **fields}


def create(client: Client, item: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Create an item, and give it as it was added."""
    client.send("conversation.item.create", item=item, **fields)
    added: dict[str, Any] = client.last(ADDED)
    return added


def order(client: Client) -> list[str]:
    """The ids of all items, by what was said of their places."""
    items: list[str] = []
    for event in client.all(ADDED):
        previous = event["previous_item_id"]
        items.insert(0 if previous is None else items.index(previous) + 1, event["item"]["id"])
    return items


@pytest.mark.parametrize("role", ["user", "assistant", "system"])
def test_a_message_is_added_and_done_with_an_id_and_a_status(client: Client, role: str) -> None:
    create(client, message(role))

    assert client.types == [ADDED, DONE]
    added, done = client.events
    assert added["item"] == done["item"]
    assert added["item"]["id"].startswith("item_")
    assert added["item"]["status"] == "completed"
    assert added["item"]["role"] == role
    assert added["previous_item_id"] is None


def test_items_go_to_the_end_to_the_root_or_after_another(client: Client) -> None:
    create(client, message(id="a"))
    create(client, message(id="b"))
    create(client, message(id="c"), previous_item_id="a")
    create(client, message(id="d"), previous_item_id="root")
    create(client, message(id="e"), previous_item_id=None)
    create(client, message(id="f"), previous_item_id="b")

    assert order(client) == ["d", "a", "c", "b", "f", "e"]


def test_an_item_after_none_is_refused(client: Client) -> None:
    client.send("conversation.item.create", item=message(), previous_item_id="nobody")

    assert (client.error["code"], client.error["param"]) == ("invalid_value", "previous_item_id")


def test_an_id_that_is_taken_is_refused(client: Client) -> None:
    create(client, message(id="a"))

    client.send("conversation.item.create", item=message(id="a"), event_id="mine")

    assert client.error["code"] == "item_create_duplicate_item_id"
    assert client.error["event_id"] == "mine"


@pytest.mark.parametrize(
    "item",
    [
        message(id="x" * 33),
        {"type": "function_call_output", "call_id": "x" * 33, "output": ""},
        message(content=[{"type": "input_text", "text": "x" * 256_001}]),
    ],
)
def test_texts_and_ids_have_their_limits(client: Client, item: dict[str, Any]) -> None:
    client.send("conversation.item.create", item=item)

    assert client.error["code"] == "string_above_max_length"


@pytest.mark.parametrize(
    ("role", "part", "known"),
    [
        ("system", {"type": "output_text", "text": ""}, "'input_text'"),
        ("assistant", {"type": "input_audio", "audio": ""}, "'output_text'"),
        ("user", {"type": "output_text", "text": ""}, "'input_text' and 'input_audio' and 'input_image'"),
    ],
)
def test_a_part_must_suit_the_role(client: Client, role: str, part: dict[str, str], known: str) -> None:
    client.send("conversation.item.create", item=message(role, content=[part]))

    assert (client.error["code"], client.error["param"]) == ("invalid_value", "item.content[0].type")
    assert client.error["message"].endswith(f"Supported values are: {known}.")


def test_the_assistants_audio_cannot_be_created(client: Client) -> None:
    part = {"type": "output_audio", "audio": "AAAA"}

    client.send("conversation.item.create", item=message("assistant", content=[part]))

    assert (client.error["code"], client.error["param"]) == ("invalid_value", "item.content[0].type")


def test_pictures_are_shown_without_their_data(client: Client) -> None:
    part = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"}

    added = create(client, message(content=[part]))

    assert added["item"]["content"] == [{"type": "input_image", "detail": "low"}]
    assert client.respond()["output"][0]["content"][0]["transcript"] == "You sent a picture. I cannot see."


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a.png",
        "data:image/gif;base64,AAAA",
        "data:image/png,AAAA",
        "data:image/png;base64,",
        "data:image/jpeg;base64,A",
        "",
    ],
)
def test_a_picture_that_is_no_data_uri_of_a_png_or_jpeg_is_refused(client: Client, url: str) -> None:
    parts = [{"type": "input_text", "text": "Look:"}, {"type": "input_image", "image_url": url}]

    client.send("conversation.item.create", item=message(content=parts))

    assert client.types == ["error"]
    assert (client.error["code"], client.error["param"]) == ("invalid_value", "item.content[1].image_url")
    assert "data URI of a PNG or JPEG" in client.error["message"]


@pytest.mark.parametrize("content", [[], [{"type": "input_text", "text": ""}], [{"type": "input_text", "text": " \n"}]])
def test_a_message_in_which_nothing_is_said_is_answered_as_such(client: Client, content: list[dict[str, str]]) -> None:
    create(client, message(content=content))

    assert client.respond()["output"][0]["content"][0]["transcript"] == "You said nothing."


def test_a_picture_with_a_text_is_answered_by_the_text(client: Client) -> None:
    picture = {"type": "input_image", "image_url": "data:image/jpeg;base64,AAAA"}

    create(client, message(content=[picture, {"type": "input_text", "text": "Look!"}]))

    assert client.respond()["output"][0]["content"][0]["transcript"] == "You said: Look!"


def test_audio_is_shown_only_when_an_item_is_retrieved(client: Client) -> None:
    parts = [
        {"type": "input_text", "text": "Listen:"},
        {"type": "input_audio", "audio": encode_base64(noise(4)).decode(), "transcript": "beep"},
    ]
    added = create(client, message(id="a", content=parts))
    assert added["item"]["content"][1] == {"type": "input_audio", "transcript": "beep"}

    client.send("conversation.item.retrieve", item_id="a")

    assert client.events[-1]["item"]["content"] == parts


def test_audio_that_is_no_base64_is_refused(client: Client) -> None:
    client.send("conversation.item.create", item=message(content=[{"type": "input_audio", "audio": "&"}]))

    assert (client.error["code"], client.error["param"]) == ("invalid_value", "item.content[0].audio")


def test_a_text_item_is_retrieved_as_it_is(client: Client) -> None:
    added = create(client, message(id="a"))

    client.send("conversation.item.retrieve", item_id="a")

    assert client.events[-1]["item"] == added["item"]


def test_calls_and_their_outputs_can_be_created(client: Client) -> None:
    call = create(client, {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "call_1"})
    output = create(client, {"type": "function_call_output", "call_id": "call_1", "output": "4", "status": "completed"})
    nameless = create(client, {"type": "function_call", "name": "f", "arguments": "{}"})

    assert {**call["item"], "id": ""} == {
        "id": "",
        "type": "function_call",
        "status": "completed",
        "name": "f",
        "call_id": "call_1",
        "arguments": "{}",
    }
    assert {**output["item"], "id": ""} == {
        "id": "",
        "type": "function_call_output",
        "call_id": "call_1",
        "output": "4",
    }
    assert nameless["item"]["call_id"].startswith("call_")


def test_an_item_that_is_deleted_is_gone(client: Client) -> None:
    create(client, message(id="a"))
    create(client, message(id="b"))

    client.send("conversation.item.delete", item_id="a")
    assert client.events[-1] == {
        "type": "conversation.item.deleted",
        "event_id": client.events[-1]["event_id"],
        "item_id": "a",
    }
    client.send("conversation.item.retrieve", item_id="a")
    assert client.error["code"] == "item_retrieve_invalid_item_id"
    assert create(client, message(id="a"))["previous_item_id"] == "b"


@pytest.mark.parametrize(
    ("verb", "doing", "fields"),
    [("retrieve", "retrieving", {}), ("delete", "deleting", {}), ("truncate", "truncating", {"audio_end_ms": 0})],
)
def test_what_does_not_exist_cannot_be_touched(client: Client, verb: str, doing: str, fields: dict[str, int]) -> None:
    extra = {"content_index": 0, **fields} if fields else {}

    client.send(f"conversation.item.{verb}", item_id="item_x", **extra)

    assert client.error["code"] == f"item_{verb}_invalid_item_id"
    assert client.error["message"] == f"Error {doing} item: the item with id 'item_x' does not exist."


# --- truncation -----------------------------------------------------------------------------------------------


def truncate(client: Client, item_id: str, ms: int, index: int = 0) -> None:
    client.send("conversation.item.truncate", item_id=item_id, content_index=index, audio_end_ms=ms)


def spoken(client: Client, **response: Any) -> str:
    """Have something said, and give the item's id."""
    item_id: str = client.ask("Hello.", **response)["output"][0]["id"]
    return item_id


def retrieved(client: Client, item_id: str) -> dict[str, Any]:
    client.send("conversation.item.retrieve", item_id=item_id)
    part: dict[str, Any] = client.events[-1]["item"]["content"][0]
    return part


def test_a_truncation_after_the_response_keeps_the_audio_heard_and_takes_the_transcript_away(client: Client) -> None:
    item_id = spoken(client)

    truncate(client, item_id, 100)

    assert client.events[-1]["type"] == "conversation.item.truncated"
    assert (client.events[-1]["content_index"], client.events[-1]["audio_end_ms"]) == (0, 100)
    part = retrieved(client, item_id)
    assert decode_base64(part["audio"]) == client.speech[: PCM16.size(0.1)]
    assert part["transcript"] == ""


def test_a_truncation_in_g711_counts_in_milliseconds_too(client: Client) -> None:
    client.update(audio={"output": {"format": {"type": "audio/pcmu"}}})
    item_id = spoken(client)

    truncate(client, item_id, 100)

    assert len(decode_base64(retrieved(client, item_id)["audio"])) == PCMU.size(0.1)


def test_a_truncation_beyond_the_end_is_refused(client: Client) -> None:
    item_id = spoken(client)
    has_ms = int(PCM16.ms(len(client.speech)))

    truncate(client, item_id, has_ms + 1)
    assert client.error["code"] == "invalid_value"
    assert client.error["message"] == f"Audio content of {has_ms}ms is already shorter than {has_ms + 1}ms"

    truncate(client, item_id, has_ms)
    truncate(client, item_id, 10)
    truncate(client, item_id, 20)
    assert client.error["message"] == "Audio content of 10ms is already shorter than 20ms"


def test_only_speech_of_the_assistant_can_be_truncated(client: Client) -> None:
    create(client, message(id="typed"))
    create(client, message("assistant", id="written"))
    create(client, message(id="said", content=[{"type": "input_audio", "audio": encode_base64(noise(4)).decode()}]))

    for item_id in ("typed", "written", "said"):
        truncate(client, item_id, 0)
        assert client.error["code"] is None
        assert client.error["message"] == "Only model output audio messages can be truncated."


def test_only_the_first_part_has_speech_and_no_time_is_negative(client: Client) -> None:
    item_id = spoken(client)

    truncate(client, item_id, 0, index=1)
    assert (client.error["code"], client.error["param"]) == ("integer_above_max_value", "content_index")
    truncate(client, item_id, -1)
    assert (client.error["code"], client.error["param"]) == ("integer_below_min_value", "audio_end_ms")


def test_an_item_that_is_truncated_while_it_is_spoken_gets_no_more_audio(client: Client) -> None:
    client.type("Tell me a long story about nothing.")
    client.send("response.create")
    client.run_for(0.2)
    item_id = client.last("response.output_item.added")["item"]["id"]

    truncate(client, item_id, 50)
    client.run()

    part = retrieved(client, item_id)
    assert len(decode_base64(part["audio"])) == PCM16.size(0.05)
    assert part["transcript"] == ""
    assert client.last("response.output_audio_transcript.done")["transcript"] != ""


def test_speech_of_which_nothing_was_heard_can_be_truncated_to_nothing() -> None:
    client = Client(reply=lambda _prompt: [Play(b"", PCM16, "Nothing.")])
    item_id = client.respond()["output"][0]["id"]

    truncate(client, item_id, 0)

    assert client.types[-1] == "conversation.item.truncated"


def test_an_item_that_is_deleted_while_it_is_spoken_is_spoken_to_the_end(client: Client) -> None:
    client.type("Hello.")
    client.send("response.create")
    client.run_for(0.1)
    item_id = client.last("response.output_item.added")["item"]["id"]

    client.send("conversation.item.delete", item_id=item_id)
    client.run()

    assert client.last("response.done")["response"]["status"] == "completed"
    assert client.last(DONE)["previous_item_id"] is None


# --- bounds ---------------------------------------------------------------------------------------------------


def test_a_conversation_keeps_its_newest_items(client: Client) -> None:
    for number in range(conversation.KEEP_ITEMS + 1):
        client.send("conversation.item.create", item=message(id=f"item {number}"))

    client.send("conversation.item.retrieve", item_id="item 1")
    assert client.types[-1] == "conversation.item.retrieved"
    client.send("conversation.item.retrieve", item_id="item 0")
    assert client.error["code"] == "item_retrieve_invalid_item_id"


def test_an_item_at_the_front_of_a_full_conversation_is_kept_and_the_oldest_goes(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "KEEP_ITEMS", 3)
    for name in "abc":
        create(client, message(id=name))

    for name in "de":
        create(client, message(id=name), previous_item_id="root")

    for name, kept in {"a": False, "b": False, "c": True, "d": True, "e": True}.items():
        client.send("conversation.item.retrieve", item_id=name)
        assert (client.types[-1] == "conversation.item.retrieved") is kept


def test_audio_at_the_front_of_a_full_conversation_is_kept(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "KEEP_AUDIO", len(noise(4)))
    part = {"type": "input_audio", "audio": encode_base64(noise(4)).decode()}
    create(client, message(id="a", content=[part]))

    create(client, message(id="b", content=[part]), previous_item_id="root")

    assert "audio" not in retrieved(client, "a")
    assert "audio" in retrieved(client, "b")


def test_a_conversation_keeps_its_newest_audio(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "KEEP_AUDIO", 3 * len(noise(4)))
    for name in "abcd":
        part = {"type": "input_audio", "audio": encode_base64(noise(4)).decode()}
        create(client, message(id=name, content=[part]))

    assert "audio" not in retrieved(client, "a")
    assert "audio" in retrieved(client, "b")


def test_speech_under_way_may_be_forgotten_too(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "KEEP_AUDIO", len(noise(4)))
    client.type("Tell me a long story about nothing.")
    client.send("response.create")
    client.run_for(0.2)
    part = {"type": "input_audio", "audio": encode_base64(noise(4)).decode()}
    create(client, message(content=[part]))

    client.run()

    assert client.last("response.done")["response"]["status"] == "completed"
    assert "audio" not in retrieved(client, client.last("response.output_item.done")["item"]["id"])


# --- outputs that come before their response is over ------------------------------------------------------------


def output(call_id: str, **fields: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": "4", **fields}


def early() -> tuple[Client, str]:
    """A client that has answered a call in the middle of the response that made it; and the call's id."""
    client = Client(reply=lambda _prompt: [Call("f", "{}")])
    client.type("Go.")
    client.send("response.create")
    call_id = client.run_to("response.function_call_arguments.done")["call_id"]
    client.forget()
    client.send("conversation.item.create", item=output(call_id), event_id="mine")
    return client, call_id


def test_the_output_of_a_call_is_acknowledged_when_the_response_is_over() -> None:
    client, _ = early()
    assert client.events == []

    client.run()

    assert client.types == [
        DONE,
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
        ADDED,
        DONE,
    ]


def test_what_comes_after_an_early_output_waits_with_it() -> None:
    client, _ = early()
    client.type("And also this.")

    client.run()

    kinds = [event["item"]["type"] for event in client.all(ADDED)]
    assert kinds == ["function_call_output", "message"]


def test_an_early_output_is_part_of_what_the_next_response_answers() -> None:
    client, _ = early()
    client.run_to("response.done")

    client.send("response.create")
    client.run_to("response.created")

    created = client.types.index("response.created")
    assert client.types[created - 2 : created] == [ADDED, DONE]
    client.run()
    assert len([event for event in client.all(ADDED) if event["item"]["type"] == "function_call_output"]) == 1


def test_an_early_output_that_is_refused_is_refused_later() -> None:
    client, call_id = early()
    client.send("conversation.item.create", item=output(call_id, id="x" * 32), event_id="first")
    client.send("conversation.item.create", item=message(id="x" * 32), event_id="second")

    client.run()

    assert client.error["code"] == "item_create_duplicate_item_id"
    assert client.error["event_id"] == "second"


def test_more_early_items_than_can_wait_are_added_at_once() -> None:
    client, _ = early()

    for _ in range(100):
        client.type("More.")

    assert [event["item"]["type"] for event in client.all(ADDED)[:2]] == ["function_call_output", "message"]
    assert len(client.all(ADDED)) == 101


def test_another_output_of_the_same_call_is_in_time_too() -> None:
    client, call_id = early()
    client.send("conversation.item.create", item=output(call_id))

    client.run()

    assert len(client.all(ADDED)) == 2
