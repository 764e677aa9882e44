"""The reply script: which rule holds, what it does, and what is wrong with a broken one."""

from typing import Any

import pytest

from realtime_engine.errors import UsageError
from realtime_engine.upstreams.local.script import parse
from tests.upstreams.local.harness import Client, noise


def read_sound(name: str) -> bytes:
    """One sound there is."""
    if name == "beep.wav":
        return noise(20)
    if name == "text.txt":
        raise ValueError("it is no sound")
    raise FileNotFoundError(2, "No such file or directory", name)


def scripted(text: str) -> Client:
    client = Client(reply=parse(text, "replies.toml", read_sound))
    client.manual()
    return client


def said(response: dict[str, Any]) -> str:
    text: str = response["output"][0]["content"][0]["transcript"]
    return text


def test_the_first_rule_that_holds_decides() -> None:
    client = scripted(
        """
        [[reply]]
        text = "weather"
        say = "It rains."

        [[reply]]
        text = "the"
        say = "The what?"
        """
    )

    assert said(client.ask("How is the WEATHER?")) == "It rains."
    assert said(client.ask("What is the time?")) == "The what?"
    assert said(client.ask("Hello?")) == "You said: Hello?"


def test_a_rule_may_hold_for_a_pattern() -> None:
    client = scripted('[[reply]]\npattern = "^[Bb]ye\\\\b"\nsay = "Goodbye."')

    assert said(client.ask("bye, bye")) == "Goodbye."
    assert said(client.ask("Say bye")) == "You said: Say bye"


def test_a_rule_may_hold_for_a_turn_spoken_or_typed() -> None:
    client = scripted('[[reply]]\nturn = 2\nsay = "Second."')

    assert said(client.ask("One.")) == "You said: One."
    client.append(noise(20))
    client.send("input_audio_buffer.commit")
    assert said(client.respond()) == "Second."
    assert said(client.ask("Three.")) == "You said: Three."


def test_a_rule_may_hold_for_the_instructions() -> None:
    client = scripted('[[reply]]\ninstructions = "pirate"\nsay = "Arr."')

    assert said(client.ask("Hello.")) == "You said: Hello."
    client.update(instructions="You are a Pirate.")
    assert said(client.ask("Hello.")) == "Arr."
    assert said(client.ask("Hello.", instructions="Be polite.")) == "You said: Hello."


def test_all_conditions_of_a_rule_must_hold() -> None:
    client = scripted('[[reply]]\nturn = 2\ntext = "hello"\nsay = "Again."')

    assert said(client.ask("Hello.")) == "You said: Hello."
    assert said(client.ask("Good day.")) == "You said: Good day."
    client.send("conversation.item.delete", item_id=client.all("conversation.item.added")[0]["item"]["id"])
    assert said(client.ask("Hello.")) == "Again."


def test_words_never_match_speech() -> None:
    client = scripted('[[reply]]\ntext = ""\nsay = "Words."\n[[reply]]\npattern = ""\nsay = "Words."')
    client.append(noise(20))
    client.send("input_audio_buffer.commit")

    assert said(client.respond()) == "[0.6 s of your speech]"
    assert said(client.ask("Words?")) == "Words."


def test_a_rule_without_conditions_holds_always() -> None:
    client = scripted('[[reply]]\nsay = "You said {text}, in {braces}."')

    assert said(client.ask("this")) == "You said this, in {braces}."
    assert said(client.respond(input=[])) == "You said , in {braces}."


def test_a_function_is_called_and_its_output_answered() -> None:
    client = scripted(
        """
        [[reply]]
        after = "get_weather"
        say = "I hear: {output}"

        [[reply]]
        call = { name = "get_weather", arguments = { city = "Paris", days = 2 } }
        """
    )

    call = client.ask("Weather?")["output"][0]
    assert (call["name"], call["arguments"]) == ("get_weather", '{"city":"Paris","days":2}')
    item = {"type": "function_call_output", "call_id": call["call_id"], "output": "rain"}
    client.send("conversation.item.create", item=item)
    assert said(client.respond()) == "I hear: rain"


def test_the_output_of_another_function_is_no_business_of_the_rule() -> None:
    client = scripted('[[reply]]\nafter = "f"\nsay = "F."\n[[reply]]\nsay = "Hi."')

    item = {"type": "function_call_output", "call_id": "nobody's", "output": "rain"}
    client.send("conversation.item.create", item=item)

    assert said(client.respond()) == "rain"


def test_several_functions_are_called_after_something_was_said() -> None:
    client = scripted(
        """
        [[reply]]
        say = "One moment."
        [[reply.call]]
        name = "f"
        [[reply.call]]
        name = "g"
        """
    )

    response = client.ask("Go.")

    assert [item.get("name") for item in response["output"]] == [None, "f", "g"]
    assert [item.get("arguments") for item in response["output"]] == [None, "{}", "{}"]


def test_a_file_is_played() -> None:
    client = scripted('[[reply]]\nplay = "beep.wav"')

    assert said(client.ask("Beep!")) == "[0.6 s of beep.wav]"
    assert client.speech == noise(20)


def test_a_file_may_have_a_transcript() -> None:
    assert said(scripted('[[reply]]\nplay = "beep.wav"\ntranscript = "Beep."').ask("Beep!")) == "Beep."


def test_a_response_fails_as_the_script_says() -> None:
    client = scripted('[[reply]]\nfail = { code = "insufficient_quota", message = "No money." }')

    response = client.ask("Hello.")

    assert response["status_details"]["error"] == {
        "type": "server_error",
        "code": "insufficient_quota",
        "message": "No money.",
    }


def test_an_error_and_a_close_come_as_the_script_says() -> None:
    client = scripted(
        """
        [[reply]]
        turn = 1
        error = { code = "oops", message = "Oops.", type = "odd" }

        [[reply]]
        turn = 2
        close = { code = 1012, reason = "restart" }
        """
    )
    client.type("One.")
    client.send("response.create")
    client.run()
    assert (client.error["type"], client.error["code"]) == ("odd", "oops")

    client.type("Two.")
    client.send("response.create")
    client.run()
    assert client.closed is not None
    assert (client.closed.code, client.closed.reason) == (1012, "restart")


def test_an_empty_script_is_a_parrot() -> None:
    assert said(scripted("").ask("Hello.")) == "You said: Hello."


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("[[reply]]\nsay = 'a'\nsay = 'b'", 3, "overwrite"),
        ("[[reply]]\nsay = ", 2, "Invalid value"),
        ("[[reply]]\nsay = '''never ending\n", 2, "Expected"),
        ("[[reply]]\nsay = 'a'\n\n[[reply]]\nturn = 'two'\nsay = 'b'", 5, "reply[1].turn"),
        ("[[reply]]\nturn = 0\nsay = 'a'", 2, "Expected a value >= 1"),
        ("[[reply]]\nsay = 'a'\n[[reply]]\nsays = 'a'", 4, "Unknown parameter: 'reply[1].says'"),
        ("[[reply]]\n# only a comment\ntext = 'a'", 1, "this reply does nothing"),
        ("[[reply]]\nsay = 'a'\npattern = '('", 3, "not a regular expression"),
        ("[[reply]]\nplay = 'gone.wav'", 2, "'gone.wav' cannot be played"),
        ("[[reply]]\nplay = 'text.txt'", 2, "it is no sound"),
        ("[[reply]]\nsay = 'a'\n[reply.call]\narguments = {}", 3, "Missing required parameter: 'reply[0].call.name'"),
        ("[[reply]]\nsay = 'a'\nclose = { code = 7 }", 3, "Expected a value >= 1000"),
        ("reply = [{ say = 1 }]", 1, "reply[0].say"),
        ("\n\n[replies]\nsay = 1", 3, "Unknown parameter: 'replies'"),
        ("say = 1", 1, "Unknown parameter: 'say'"),
        ("reply = 'hello'", 1, "Invalid type for 'reply'"),
    ],
)
def test_a_broken_script_is_told_by_file_line_and_what_is_wrong(text: str, line: int, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text, "replies.toml", read_sound)

    assert str(caught.value).startswith(f"replies.toml, line {line}: ")
    assert problem in str(caught.value)
