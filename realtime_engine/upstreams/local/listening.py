"""The input audio buffer: what the user says becomes items, by turn detection or by the client's own commit.

Offsets are milliseconds of audio written to the buffer since the connection began, over all commits and clears;
detection runs on that time, not on the clock. Source: protocol.md, sections 6 and 7.
"""

from collections.abc import Callable
from typing import Final

from realtime_engine.audio import PCM16, AudioFormat
from realtime_engine.events import (
    InputAudioBufferCleared,
    InputAudioBufferCommitted,
    SpeechStarted,
    SpeechStopped,
    TimeoutTriggered,
)
from realtime_engine.objects import ContentPart, Item
from realtime_engine.upstreams.local.conversation import Conversation
from realtime_engine.upstreams.local.desk import Desk
from realtime_engine.upstreams.local.frames import Detector, Frames
from realtime_engine.upstreams.local.hearing import Hearing
from realtime_engine.upstreams.local.items import Entry, whole
from realtime_engine.upstreams.local.problems import RequestError
from realtime_engine.upstreams.local.sounds import loud_seconds
from realtime_engine.upstreams.local.transcripts import transcribe
from realtime_engine.upstreams.local.turns import FRAME_MS, Started, Stopped, Turn, Turns

LEAST_MS: Final = 100  # of audio for a commit (protocol.md, section 11)
KEEP_SECONDS: Final = 30.0  # of audio while nobody speaks and turns are detected
MOST_BYTES: Final = 32 << 20  # of audio that was not committed: 11 minutes of PCM16
NUDGE: Final = (
    "The user has been silent for a while and may be waiting, or may have gone. Say something short and friendly that "
    "follows up on the conversation so far, and invite the user to go on. Do not mention this message."
)


class Listener:
    """Hears the user.

    Args:
        desk: Where events go.
        conversation: Where items go.
        detector: Makes a voice-activity detector for a new stream of audio.
        started: Called when the user starts to speak.
        ended: Called when detection has ended a turn, and its item is in the conversation.
    """

    def __init__(
        self,
        desk: Desk,
        conversation: Conversation,
        detector: Callable[[], Detector],
        *,
        started: Callable[[float], None],
        ended: Callable[[float], None],
    ) -> None:
        self._desk = desk
        self._conversation = conversation
        self._detector = detector
        self._started = started
        self._ended = ended
        self._hearing: Hearing | None = None
        self._format = PCM16
        self._transcribe = False
        self._buffer = bytearray()
        self._dropped = 0  # bytes of the present format that have left the buffer
        self._origin_ms = 0  # where the present format began
        self._frames: Frames | None = None
        self._turns = Turns()
        self._item_id = ""  # of the turn under way, or of the one before
        self._speech_ms = 0  # where its speech began

    @property
    def speaking(self) -> bool:
        """Whether the user is speaking, as far as detection knows."""
        return self._turns.turn is Turn.SPEAKING

    def configure(self, hearing: Hearing | None, format: AudioFormat, *, transcribe: bool) -> None:  # noqa: A002
        """Take on new settings. Another format empties the buffer; manual turns forget the turn under way."""
        self._hearing = hearing
        self._transcribe = transcribe
        if format != self._format:
            self._origin_ms = -(-self._written_ms // FRAME_MS) * FRAME_MS
            self._format, self._dropped, self._frames = format, 0, None
            self._buffer.clear()
            self._turns.forget()
        if hearing is None:
            self._frames = None
            self._turns.forget()

    def append(self, at: float, audio: bytes) -> None:
        """Hear audio, cut anywhere.

        Raises:
            RequestError: So much is waiting already that the client must commit or clear it first.
        """
        if len(self._buffer) + len(audio) > MOST_BYTES:
            raise RequestError(
                "input_audio_buffer_full",
                f"The input audio buffer holds {MOST_BYTES} bytes at most. Commit or clear it first.",
            )
        missed = self._dropped + len(self._buffer)
        self._buffer += audio
        if self._hearing is None:
            return
        if self._frames is None:
            self._frames = Frames(self._detector(), self._format, missed=missed, first=self._origin_ms // FRAME_MS)
        for frame, probability in self._frames.feed(audio):
            match self._turns.feed(frame, probability, self._hearing):
                case Started(frame=first):
                    self._start(at, first * FRAME_MS, self._hearing)
                case Stopped(frame=next_frame):
                    self._stop(at, next_frame * FRAME_MS, self._hearing)
        if not self.speaking:
            self._drop(len(self._buffer) - self._format.size(KEEP_SECONDS))

    def commit(self, at: float) -> None:
        """Make an item of all that is in the buffer; the turn under way ends without a word.

        Raises:
            RequestError: There is too little.
        """
        buffered_ms = self._format.ms(len(self._buffer))
        if buffered_ms < LEAST_MS:
            raise RequestError(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, "
                f"but buffer only has {buffered_ms:.2f}ms of audio.",
            )
        item_id = self._item_id if self.speaking else ""
        self._turns.forget()
        audio = self._take(len(self._buffer))
        self._commit(at, item_id, audio, loud_seconds(audio, self._format))

    def clear(self) -> None:
        """Forget what is in the buffer, and the turn under way."""
        self._turns.forget()
        self._drop(len(self._buffer))
        self._desk.send(InputAudioBufferCleared())

    def nudge(self, at: float, idle_ms: int) -> None:
        """Nobody has spoken for so long that the model shall: what was heard of it becomes an item."""
        end_ms = self._written_ms // FRAME_MS * FRAME_MS
        first_ms = -(-self._kept_ms // FRAME_MS) * FRAME_MS
        start_ms = min(end_ms, max(first_ms, end_ms - -(-idle_ms // FRAME_MS) * FRAME_MS))
        item_id = self._conversation.free_id()
        self._desk.send(TimeoutTriggered(audio_start_ms=start_ms, audio_end_ms=end_ms, item_id=item_id))
        part = ContentPart(type="input_text", text=NUDGE)
        system = Item(
            id=self._conversation.free_id(),
            type="message",
            status="completed",
            role="system",
            content=(part,),
        )
        nudge = Entry(system, self._format)
        self._conversation.add(nudge)
        self._conversation.done(nudge)
        self._drop(self._offset(start_ms))
        self._commit(at, item_id, self._take(self._offset(end_ms)), 0.0)

    def _start(self, at: float, speech_ms: int, hearing: Hearing) -> None:
        start_ms = max(speech_ms - hearing.prefix_ms, self._kept_ms)
        self._drop(self._offset(start_ms))
        self._speech_ms = speech_ms
        self._item_id = self._conversation.free_id()
        self._desk.send(SpeechStarted(audio_start_ms=start_ms, item_id=self._item_id))
        self._started(at)

    def _stop(self, at: float, end_ms: int, hearing: Hearing) -> None:
        silence_ms = -(-max(hearing.silence_ms, 1) // FRAME_MS) * FRAME_MS
        seconds = max(0, end_ms - silence_ms - self._speech_ms) / 1000
        self._desk.send(SpeechStopped(audio_end_ms=end_ms, item_id=self._item_id))
        self._commit(at, self._item_id, self._take(self._offset(end_ms)), seconds)
        self._ended(at)

    def _commit(self, at: float, item_id: str, audio: bytes, speech_seconds: float) -> None:
        item_id = self._conversation.free_id(item_id)
        part = ContentPart(type="input_audio", transcript=None)
        item = Item(id=item_id, type="message", status="completed", role="user", content=(part,))
        entry = Entry(item, self._format, {0: bytearray(audio)}, speech_seconds)
        self._desk.send(InputAudioBufferCommitted(previous_item_id=self._conversation.last_id, item_id=item_id))
        self._conversation.add(entry)
        self._conversation.done(entry)
        if self._transcribe:
            transcribe(self._desk, entry, at)

    @property
    def _kept_ms(self) -> int:
        """Where the audio in the buffer begins, rounded up."""
        return self._origin_ms - -self._dropped // self._format.bytes_per_ms

    @property
    def _written_ms(self) -> int:
        return self._origin_ms + (self._dropped + len(self._buffer)) // self._format.bytes_per_ms

    def _offset(self, at_ms: int) -> int:
        """Where in the buffer a millisecond stands."""
        offset = (at_ms - self._origin_ms) * self._format.bytes_per_ms - self._dropped
        return min(max(offset, 0), len(self._buffer))

    def _take(self, size: int) -> bytes:
        audio = whole(bytes(self._buffer[:size]), self._format)
        self._drop(len(audio))
        return audio

    def _drop(self, size: int) -> None:
        """Let go of whole samples; what is left of one waits for its rest."""
        size = max(0, size) // self._format.sample_bytes * self._format.sample_bytes
        del self._buffer[:size]
        self._dropped += size
