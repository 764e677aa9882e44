"""A long conversation weighs no more than a shorter one."""

import gc
import sys
from types import FunctionType, ModuleType

from tests.talk import Talk, added, begun, call, created, done, ended, error, message, piece, speech, transcription


def weight(*things: object) -> int:
    """Bytes of all objects that are reached from these, but for code."""
    seen: set[int] = set()
    total, left = 0, list(things)
    while left:
        thing = left.pop()
        if id(thing) not in seen and not isinstance(thing, type | ModuleType | FunctionType):
            seen.add(id(thing))
            total += sys.getsizeof(thing)
            left += gc.get_referents(thing)
    return total


def turns(talk: Talk, first: int, stop: int) -> None:
    """So many spoken turns, each with a call of a function, an answer that is spoken, and things that go wrong."""
    for n in range(first, stop):
        talk.now = n * 10.0
        item, response = f"item_a{n:05}", f"resp_{n:05}"
        answer = message(item, "assistant", "in_progress")
        talk.want(lambda dialogue: dialogue.append(talk.now, bytes(48_001)))
        talk.want(lambda dialogue: dialogue.update({"instructions": f"{talk.now:010}"}))
        talk.hear(
            {"type": "input_audio_buffer.speech_started", "audio_start_ms": n * 1000, "item_id": f"item_u{n:05}"},
            {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": n * 1000 + 900, "item_id": f"item_u{n:05}"},
            {"type": "input_audio_buffer.committed", "item_id": f"item_u{n:05}"},
            added(message(f"item_u{n:05}", type="input_audio", transcript=None)),
            transcription("completed", f"item_u{n:05}", transcript="Hello there"),
            created(response),
            begun(answer, response),
            added(answer),
            piece("output_audio_transcript.delta", item, response, delta="Good day to you"),
            speech(1.0, item, response),
            ended(call(f"call_{n:05}"), response),
            error(f"event_{n:05}"),
            {"type": "session.updated", "session": {"type": "realtime", "instructions": "as you wish"}},
            {"type": f"vendors.event_{n:05}"},
        )
        talk.want(lambda dialogue: dialogue.interrupt(talk.now + 0.5))
        talk.answer(f"call_{n:05}")
        talk.hear(ended({**answer, "status": "incomplete"}, response), done(response, "cancelled"))
        talk.forget()


def test_a_long_conversation_weighs_no_more_than_a_shorter_one() -> None:
    talk = Talk("lamp", items=50, item_audio=2.0, all_audio=10.0, microphone=5.0)

    turns(talk, 0, 600)
    shorter = weight(talk.dialogue)
    turns(talk, 600, 1500)

    assert weight(talk.dialogue) <= shorter * 1.02 + 10_000
    assert shorter < 3_000_000
