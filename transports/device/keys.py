"""What the keys of a terminal do. No I/O: `Keys` are what a terminal sends, `Controls` does what they mean."""

import re
from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ENTER: Final = "\r"
ESCAPE: Final = "\x1b"
ERASE: Final = "\x7f"
ERASE_ALL: Final = "\x15"  # Ctrl-U

LONGEST: Final = 10_000
"""Characters of a message; more are not taken."""

PASTE_BEGINS: Final = "\x1b[200~"
PASTE_ENDS: Final = "\x1b[201~"
"""What a terminal puts around what is pasted, where it was asked to (`transports.device.keyboard`)."""

_SAME: Final = {"\n": ENTER, "\b": ERASE}
_SEQUENCE: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[@-~]|[^\x1b])")  # ECMA-48, 5.4; or Alt and a key
_UNFINISHED: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|O)\Z")
_UNFINISHED_PASTE: Final = re.compile(r"\x1b(?:\[[0-9]*)?\Z")
_PASTE: Final = re.compile(f"({re.escape(PASTE_BEGINS)}|{re.escape(PASTE_ENDS)})")
_BREAKS: Final = str.maketrans("\r\n\t", "   ")


class Pasted(str):
    """What was pasted: words to be written, and never a command."""

    __slots__ = ()


class Keys:
    """The keys in what a terminal sends, which may be cut anywhere but after an escape outside of what is pasted."""

    def __init__(self) -> None:
        self._decoder = getincrementaldecoder("utf-8")("ignore")
        self._begun = ""
        self._pastes = False

    def feed(self, sent: bytes) -> list[str]:
        """The characters that were typed, and what was pasted; arrows, function keys and the like are left out."""
        said = self._begun + self._decoder.decode(sent)
        unfinished = (_UNFINISHED_PASTE if self._pastes_after(said) else _UNFINISHED).search(said)
        self._begun = unfinished.group() if unfinished else ""
        return list(self._keys(said[: unfinished.start()] if unfinished else said))

    def _pastes_after(self, said: str) -> bool:
        """Whether more of what is pasted is to come."""
        return said.rfind(PASTE_BEGINS) > said.rfind(PASTE_ENDS) or (self._pastes and PASTE_ENDS not in said)

    def _keys(self, said: str) -> "Iterator[str]":
        for part in _PASTE.split(said):
            if part in (PASTE_BEGINS, PASTE_ENDS):
                self._pastes = part == PASTE_BEGINS
            elif self._pastes:
                yield from (Pasted(part),) if part else ()
            else:
                yield from (_SAME.get(key, key) for key in _SEQUENCE.sub("", part))


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
        elif isinstance(key, Pasted):
            pass
        elif (effect := self._effects.get(key.lower())) is not None:
            effect(now)

    def _begin_to_write(self, now: float) -> None:
        self.typed = ""

    def _write(self, now: float, typed: str, key: str) -> None:
        if isinstance(key, Pasted):
            words = "".join(each for each in key.translate(_BREAKS) if each.isprintable())
            self.typed = (typed + words)[:LONGEST]
        elif key == ENTER:
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
