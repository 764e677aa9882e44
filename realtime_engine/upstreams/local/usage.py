"""Tokens, counted so that anybody can count them again.

An input audio token is 100 ms, an output audio token 50 ms (protocol.md, section 8); a text token is four
characters, the last one begun counting as whole. Speech of the assistant that is in the context counts as input.
Nothing is ever cached.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from realtime_engine.objects import CachedTokens, InputTokens, OutputTokens, RateLimit, Usage
from realtime_engine.upstreams.local.items import Entry
from realtime_engine.upstreams.local.settings import FunctionTool

INPUT_AUDIO_MS: Final = 100
OUTPUT_AUDIO_MS: Final = 50
TEXT_CHARACTERS: Final = 4
MOST_TOKENS: Final = 4096  # of one response, also with ``inf``: the model's own limit (protocol.md, section 11)
TOKENS_A_MINUTE: Final = 15_000_000  # the hosted service's figure in the recorded sessions


def _text_tokens(characters: int) -> int:
    return -(-characters // TEXT_CHARACTERS)


def _audio_tokens(milliseconds: float) -> int:
    return int(milliseconds // OUTPUT_AUDIO_MS)


@dataclass(slots=True)
class Meter:
    """Counts what goes into a response and what comes out."""

    input_text: int = 0
    input_audio: int = 0
    characters: int = 0
    audio_ms: float = 0.0

    def read(self, instructions: str, tools: Iterable[FunctionTool], entries: Iterable[Entry]) -> None:
        """Count the context."""
        self.input_text = _text_tokens(len(instructions))
        self.input_text += sum(_text_tokens(len(msgspec.json.encode(tool))) for tool in tools)
        for entry in entries:
            self.input_text += _text_tokens(len(_words(entry)))
            self.input_audio += int(entry.format.ms(entry.size) // INPUT_AUDIO_MS)

    def write(self, text: str = "", audio_ms: float = 0.0, *, most: int) -> bool:
        """Count what comes out, unless that would be more than ``most`` tokens; True if it is not."""
        characters, audio = self.characters + len(text), self.audio_ms + audio_ms
        if _text_tokens(characters) + _audio_tokens(audio) > most:
            return False
        self.characters, self.audio_ms = characters, audio
        return True

    @property
    def usage(self) -> Usage:
        """The count as the protocol shows it."""
        audio = _audio_tokens(self.audio_ms)
        text = _text_tokens(self.characters)
        incoming, outgoing = self.input_text + self.input_audio, text + audio
        return Usage(
            total_tokens=incoming + outgoing,
            input_tokens=incoming,
            output_tokens=outgoing,
            input_token_details=InputTokens(
                text_tokens=self.input_text,
                audio_tokens=self.input_audio,
                cached_tokens_details=CachedTokens(),
            ),
            output_token_details=OutputTokens(text_tokens=text, audio_tokens=audio),
        )


def rate_limit(usage: Usage) -> RateLimit:
    """What is left of a minute's tokens after a response, and when the limit is whole again."""
    return RateLimit(
        name="tokens",
        limit=TOKENS_A_MINUTE,
        remaining=max(0, TOKENS_A_MINUTE - usage.total_tokens),
        reset_seconds=round(usage.total_tokens * 60 / TOKENS_A_MINUTE, 3),
    )


def _words(entry: Entry) -> str:
    """All that a model would read of an item; a user's transcript is not sent to it (protocol.md, section 9)."""
    item = entry.item
    spoken = [p.transcript for p in entry.parts if p.type == "output_audio" and isinstance(p.transcript, str)]
    others = [word for word in (item.name, item.arguments, item.output) if isinstance(word, str)]
    return "".join((entry.texts, *spoken, *others))
