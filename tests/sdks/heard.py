"""What a client has heard in a conversation of three turns, and whether it is what was said.

The embedded model says aloud what is typed, says back what is spoken, and calls a function for the weather.
"""

import base64
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from tests.sdks.conftest import TOKEN
from tests.served import Served


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What has come; sound is PCM16 at 24 kHz, in the pieces in which it came.

    Attributes:
        typed, voiced: What was said to a typed message, in words and in sound.
        spoken: The answer to a spoken one.
        called: The cities that the client's function was asked for.
        after: What was said to what the function returned.
    """

    typed: str
    voiced: list[bytes]
    spoken: list[bytes]
    called: list[str]
    after: str
    errors: list[str]


def given(server: Served, speech: Sequence[bytes]) -> dict[str, Any]:
    """What a client is told: whom to talk to, and what to say."""
    return {"http": server.http, "token": TOKEN, "speech": [base64.b64encode(piece).decode() for piece in speech]}


def judge(heard: Heard, speech: Sequence[bytes]) -> None:
    """Fail unless all three turns were answered, and each answer was heard."""
    assert heard.errors == []
    assert heard.typed == "You said: Hello?"
    assert seconds(heard.voiced) > 0.5
    assert np.abs(np.frombuffer(b"".join(heard.voiced), np.int16)).max() > 1000
    assert is_said_back(heard.spoken, speech)
    assert heard.called == ["Paris"]
    assert heard.after.startswith("The weather service says: ")
    assert "fine in Paris" in heard.after


def is_said_back(heard: Sequence[bytes], speech: Sequence[bytes]) -> bool:
    """Whether this is a piece of the speech, to the sample, and long enough to have its words in it."""
    return seconds(heard) > 2.0 and b"".join(heard) in b"".join(speech)


def seconds(sound: Sequence[bytes]) -> float:
    """How long it is."""
    return sum(map(len, sound)) / 48_000
