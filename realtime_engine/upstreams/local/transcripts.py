"""The transcript of what the user said: honest about how much, silent about what.

The embedded model does not recognise words. Transcripts come by themselves, some time after the item, as those of
the hosted service do; nothing may be ordered by them (protocol.md, section 7).
"""

import math
import re
from functools import partial
from typing import Final

import msgspec

from realtime_engine.events import InputTranscriptionCompleted, InputTranscriptionDelta
from realtime_engine.objects import ContentPart, TranscriptionUsage
from realtime_engine.upstreams.local.desk import Desk
from realtime_engine.upstreams.local.items import Entry

_WORD_SECONDS: Final = 0.02  # between deltas
_WORDS: Final = re.compile(r"\s*\S+|\s+$")


def words(text: str) -> list[str]:
    """A text in pieces of a word each, with the space before it; together they are the text."""
    return _WORDS.findall(text)


def of_speech(seconds: float) -> str:
    """What stands for words: ``[2.3 s of speech]``; nothing where nothing was said."""
    return f"[{seconds:.1f} s of speech]" if seconds else ""


def transcribe(desk: Desk, entry: Entry, at: float) -> None:
    """Send the transcript of a user's spoken item, beginning soon after ``at``.

    Usage is the seconds of speech, rounded up, as in the recorded sessions.
    """
    text = of_speech(entry.speech_seconds)
    pieces = words(text)
    for number, piece in enumerate(pieces, 1):
        desk.agenda.note(at + number * _WORD_SECONDS, partial(_delta, desk, entry.id, piece))
    desk.agenda.note(at + (len(pieces) + 1) * _WORD_SECONDS, partial(_completed, desk, entry, text))


def _delta(desk: Desk, item_id: str, piece: str, _at: float) -> None:
    desk.send(InputTranscriptionDelta(item_id=item_id, delta=piece))


def _completed(desk: Desk, entry: Entry, text: str, _at: float) -> None:
    entry.become(msgspec.structs.replace(entry.item, content=(ContentPart(type="input_audio", transcript=text),)))
    usage = TranscriptionUsage(type="duration", seconds=math.ceil(entry.speech_seconds))
    desk.send(InputTranscriptionCompleted(item_id=entry.id, transcript=text, usage=usage))
