"""What listening needs to know of the two types of turn detection. Source: protocol.md, section 6."""

from typing import Final

from msgspec import Struct, structs

from realtime_engine.upstreams.local.settings import SemanticVad, ServerVad, TurnDetection

SILENCE_MS: Final = {"low": 2000, "medium": 1000, "auto": 1000, "high": 500}
"""Silence that ends a turn under ``semantic_vad``: a quarter of the longest wait of 8, 4 and 2 s (section 6)."""


class Hearing(Struct, frozen=True):
    """What turn detection needs to know, whatever its type.

    Attributes:
        threshold: A frame is speech from this probability on.
        prefix_ms: Audio kept before the detected start.
        silence_ms: Silence that ends the turn.
        idle_ms: Silence after which the model speaks up; None: never.
        respond: Answer at the end of speech.
        interrupt: Cancel the running response when speech starts.
    """

    threshold: float = 0.5
    prefix_ms: int = 300
    silence_ms: int = 200
    idle_ms: int | None = None
    respond: bool = True
    interrupt: bool = True


def hearing(detection: TurnDetection, *, answers: bool = True) -> Hearing | None:
    """The same for both types of turn detection; None for manual turns.

    Without ``answers``, as in a transcription session, nothing is answered whatever the settings are.
    """
    if detection is None:
        return None
    found = _hearing(detection)
    return found if answers else structs.replace(found, idle_ms=None, respond=False, interrupt=False)


def _hearing(detection: ServerVad | SemanticVad) -> Hearing:
    if isinstance(detection, SemanticVad):
        return Hearing(
            silence_ms=SILENCE_MS[detection.eagerness],
            respond=detection.create_response,
            interrupt=detection.interrupt_response,
        )
    return Hearing(
        detection.threshold,
        detection.prefix_padding_ms,
        detection.silence_duration_ms,
        detection.idle_timeout_ms if detection.create_response else None,
        detection.create_response,
        detection.interrupt_response,
    )
