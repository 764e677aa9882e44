"""What the keys of a terminal do. No I/O: `Keys` are what a terminal sends, `Controls` does what they mean."""

import re
from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ENTER: Final = "\r"
ESCAPE: Final = "\x1b"
ERASE: Final = "\x7f"
ERASE_ALL: Final = "\x15"  # Ctrl-U

LONGEST: Final = 10_000
"""Characters of a message; more are not taken."""

_SAME: Final = {"\n": ENTER, "\b": ERASE}
_SEQUENCE: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[@-~]|[^\x1b])")  # ECMA-48, 5.4; or Alt and a key
_UNFINISHED: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|O)\Z")


class Keys:
    """The keys in what a terminal sends, which may be cut anywhere but after an escape."""

    def __init__(self) -> None:
        self._decoder = getincrementaldecoder("utf-8")("ignore")
        self._begun = ""

    def feed(self, sent: bytes) -> list[str]:
        """The characters that were typed; arrows, function keys and the like are left out."""
        said = self._begun + self._decoder.decode(sent)
        unfinished = _UNFINISHED.search(said)
        self._begun = unfinished.group() if unfinished else ""
        whole = said[: unfinished.start()] if unfinished else said
        return [_SAME.get(key, key) for key in _SEQUENCE.sub("", whole)]


class Conversant(Protocol):
    """Whom the keys are pressed for; ``now`` is in seconds on the session's clock."""

    def talk(self, now: float) -> None:
        """Begin to speak, or have spoken."""

    def mute(self) -> None:
        """Close the microphone, or open it again."""

    def interrupt(self) -> None:
        """Cut the answer short."""

    def write(self, now: float, words: str) -> None:
        """Say something in writing."""

    def leave(self) -> None:
        """End the conversation."""


class Controls:
    """What the keys do.

    Attributes:
        typed: What is being written; None: nothing.
    """

    def __init__(self, person: Conversant, *, talks: bool) -> None:
        self.typed: str | None = None
        self._person = person
        self._talks = talks
        self._effects: Mapping[str, Callable[[float], None]] = {
            "m": lambda _: person.mute(),
            "i": lambda _: person.interrupt(),
            "t": self._begin_to_write,
            "q": lambda _: person.leave(),
        } | ({" ": person.talk} if talks else {})

    @property
    def keys(self) -> tuple[tuple[str, str], ...]:
        """The keys that do something now, each with its effect."""
        if self.typed is not None:
            return (("Enter", "send"), ("Esc", "forget"))
        talk = (("space", "talk"),) if self._talks else ()
        return (*talk, ("m", "mute"), ("i", "interrupt"), ("t", "type"), ("q", "quit"))

    def press(self, now: float, key: str) -> None:
        """A key was pressed; one that means nothing does nothing."""
        if self.typed is not None:
            self._write(now, self.typed, key)
        elif (effect := self._effects.get(key.lower())) is not None:
            effect(now)

    def _begin_to_write(self, now: float) -> None:
        self.typed = ""

    def _write(self, now: float, typed: str, key: str) -> None:
        if key == ENTER:
            self.typed = None
            if typed.strip():
                self._person.write(now, typed.strip())
        elif key == ESCAPE:
            self.typed = None
        elif key == ERASE:
            self.typed = typed[:-1]
        elif key == ERASE_ALL:
            self.typed = ""
        elif key.isprintable() and len(typed) < LONGEST:
            self.typed = typed + key
