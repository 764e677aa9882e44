"""What the user says to a client's microphone: on its way to the server, and then as the turns that became of it."""

from collections import deque
from typing import Final

from realtime_engine.audio import AudioFormat
from realtime_engine.input_audio import Chunk, InputAudio, RecentAudio
from realtime_engine.options import FLUSH_BYTES, FLUSH_SECONDS

_COMMITS: Final = 64  # commits that a server may leave without an answer


class SpokenTurns:
    """The microphone's audio, and which of it is which turn.

    Attributes:
        half_said: There is audio of which no turn was made, as far as the application has asked for one.
    """

    def __init__(self, *, seconds: float) -> None:
        self.half_said = False
        self._microphone = InputAudio(flush_bytes=FLUSH_BYTES, flush_seconds=FLUSH_SECONDS)
        self._recent = RecentAudio(seconds=seconds)
        self._commits: deque[tuple[str, float]] = deque(maxlen=_COMMITS)  # and how many milliseconds there were then
        self._dealt_with = 0.0  # milliseconds of which the server has made turns, or nothing

    def append(self, now: float, audio: bytes) -> list[Chunk]:
        """The user speaks: all whole samples go out at once; half a sample waits for its other half."""
        chunks = [*self._microphone.append(now, audio), *self._microphone.flush()]
        for chunk in chunks:
            self.half_said = True
            self._recent.append(chunk)
        return chunks

    def commit(self, event_id: str) -> None:
        """The application says that the turn is over, with this event. Half a sample at its end is no sound."""
        self._microphone.stop()
        self.half_said = False
        self._commits.append((event_id, self._recent.stop_ms))

    def clear(self) -> None:
        """The application takes back what was said."""
        self._microphone.clear()
        self.half_said = False
        self._dealt_with = self._recent.stop_ms

    def refused(self, event_id: str) -> None:
        """The server has refused what this event asked for, if that was a turn."""
        self._commits = deque((each for each in self._commits if each[0] != event_id), _COMMITS)

    def committed(self, start_ms: int | None, end_ms: int | None) -> bytes:
        """The server has made a turn of the audio between these times, as far as it has said them; its sound."""
        begin = self._dealt_with if start_ms is None else start_ms
        if end_ms is None:
            self._dealt_with = self._commits.popleft()[1] if self._commits else self._recent.stop_ms
        else:
            self._dealt_with = end_ms
        return self._recent.between(begin, self._dealt_with)

    def use(self, format: AudioFormat) -> None:  # noqa: A002
        """Audio comes in this format from now on."""
        if format.type != self._microphone.format.type:  # some servers leave the rate out
            self._microphone.stop()
            self._microphone.format = format
            self._recent.use(format)
            self._commits.clear()
            self._dealt_with = self._recent.stop_ms
