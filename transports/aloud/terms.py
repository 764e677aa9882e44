"""What the session has turned out to be: its formats, who ends a turn, and whether it is there at all."""

from typing import Final

from realtime_engine.audio import PCM16, AudioFormat
from realtime_engine.events import Error, Event, SessionCreated, SessionUpdated
from realtime_engine.objects import ErrorDetail, SessionConfig, TurnDetection, text
from realtime_engine.options import NO_SETTINGS, SessionOptions

OPEN_WITHIN: Final = 10.0
"""Seconds within which the session must be there."""

_REFUSED: Final = "invalid_request_error"  # the type of an error that the one who asked must mend (protocol.md, 10)


class Terms:
    """The session as the model's server says it is.

    Attributes:
        ready: It is there as it was asked for: the first word may be said.
        refused: Why the server refuses it as it was asked for.
        manual: The person says when a turn is over; else the server hears it.
        answers: The server answers a spoken turn by itself.
        input_format: How the microphone is heard. It is settled before the first word.
        output_format: How the model speaks, likewise.
    """

    def __init__(self, session: SessionOptions) -> None:
        self._updates = bytes(session.settings) != bytes(NO_SETTINGS)  # before it is ready
        self.ready = False
        self.refused: str | None = None
        self.manual = False
        self.answers = True
        self.input_format = PCM16
        self.output_format = PCM16

    def see(self, event: Event) -> None:
        """An event has come."""
        match event:
            case SessionCreated(session=session):
                self._settle(session, ready=not self._updates)
            case SessionUpdated(session=session):
                self._settle(session, ready=True)
            case Error(error=error) if not self.ready and error.type == _REFUSED:
                self.refused = f"the model refuses the session as it was asked for: {_named(error)}"
            case _:
                pass

    def _settle(self, session: SessionConfig, *, ready: bool) -> None:
        if isinstance(session.turn_detection, TurnDetection):
            self.manual, self.answers = False, session.turn_detection.create_response
        elif session.turn_detection is None:
            self.manual, self.answers = True, False
        if self.ready:
            return
        if isinstance(session.input_format, AudioFormat):
            self.input_format = session.input_format
        if isinstance(session.output_format, AudioFormat):
            self.output_format = session.output_format
        self.ready = ready


def _named(error: ErrorDetail) -> str:
    """The message of an error, and the field that it is about."""
    field = text(error.param)
    return error.message if not field or field in error.message else f"{field}: {error.message}"
