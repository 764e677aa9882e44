"""The person at the terminal: what their keys do, and what they see. No I/O, no clock.

Times are seconds on the session's clock, never decreasing.
"""

from collections.abc import Callable
from math import inf

import numpy as np

from realtime_engine import events as ev
from realtime_engine.objects import ContentPart, Item
from realtime_engine.show import Show, Who
from realtime_engine.sound import Samples
from transports.device.button import Button, Ended
from transports.device.keys import Controls
from transports.device.onlooker import LOOK_EVERY, Onlooker
from transports.device.speaker import Speaker


class Person:
    """One of them (`transports.device.keys.Conversant`).

    Attributes:
        onlooker: What they see.
    """

    def __init__(
        self,
        show: Show,
        say: Callable[[ev.Event], None],
        quit: Callable[[], None],  # noqa: A002 - what the key does
        *,
        has_keys: bool,
        push_to_talk: bool,
    ) -> None:
        self.onlooker = Onlooker()
        self._show = show
        self._say = say
        self._quit = quit
        self._button = Button() if push_to_talk else None
        self._controls = Controls(self, talks=push_to_talk) if has_keys else None
        self._muted = False

    @property
    def deadline(self) -> float:
        """When `advance` has something to do, or ``inf``."""
        return inf if self._button is None else self._button.deadline

    @property
    def invitation(self) -> str:
        """How they get to be heard."""
        if self._button is None:
            return "speak"
        return "press space and speak, and space again when you have spoken"

    def press(self, now: float, key: str) -> None:
        """A key was pressed."""
        if self._controls is not None:
            self._controls.press(now, key)

    # --- the microphone -------------------------------------------------------------------------------------

    def through(self, samples: Samples) -> Samples:
        """What passes of the microphone: all, or silence, so that a turn under way ends; nothing between two turns."""
        if self._muted:
            samples = np.zeros_like(samples)
        if self._show.lively:
            self.onlooker.hears(samples)
        return samples if self._button is None or self._button.open else samples[:0]

    def spoke(self, seconds: float) -> None:
        """So much was sent to the model."""
        if self._button is not None:
            self._button.heard(seconds)

    def advance(self, now: float) -> None:
        """A turn that was ended is answered, if anything was said."""
        match None if self._button is None else self._button.ended(now):
            case Ended.SAID:
                self._say(ev.InputAudioBufferStopped())
                self._say(ev.InputAudioBufferCommit())
                self._say(ev.ResponseCreate())
            case Ended.TOO_SHORT:
                self._say(ev.InputAudioBufferClear())
                self.onlooker.falls_silent()
            case None:
                pass

    # --- the keys -------------------------------------------------------------------------------------------

    def talk(self, now: float) -> None:
        """Begin to speak, also over an answer, or have spoken."""
        if self._button is None:
            return
        if self._button.press(now):
            self.onlooker.speaks()
            self.interrupt()
        else:
            self.onlooker.asks(now)

    def mute(self) -> None:
        """Close the microphone, or open it again."""
        self._muted = not self._muted

    def interrupt(self) -> None:
        """Cut the answer short."""
        self._say(ev.OutputAudioBufferClear())

    def write(self, now: float, words: str) -> None:
        """Say something in writing, also over an answer."""
        self._show.line(now, Who.PERSON, words)
        self.interrupt()
        content = ContentPart(type="input_text", text=words)
        self._say(ev.ConversationItemCreate(item=Item(type="message", role="user", content=(content,))))
        self._say(ev.ResponseCreate())
        self.onlooker.asks(now)

    def leave(self) -> None:
        """End the conversation."""
        self._quit()

    # --- the screen -----------------------------------------------------------------------------------------

    def look(self, now: float, speaker: Speaker) -> None:
        """Show the conversation as it is, if it is time to."""
        if not self._show.lively:
            return
        self.onlooker.listens(now, speaker.place)
        if not self.onlooker.is_due(now):
            return
        controls = self._controls
        self._show.scene(
            self.onlooker.scene(
                now,
                speaker.next(LOOK_EVERY),
                idle=self._idle,
                typed=None if controls is None else controls.typed,
                keys=() if controls is None else controls.keys,
            )
        )

    @property
    def _idle(self) -> str:
        """What is going on while nothing is."""
        if self._muted:
            return "the microphone is off"
        return "speak" if self._button is None else "press space, and speak"
