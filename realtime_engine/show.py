"""What a front without a screen of its own tells the person who watches."""

from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Protocol


class Who(Enum):
    """Whose words a line holds."""

    PERSON = "you"
    MODEL = "model"
    TOOL = "tool"
    ENGINE = "engine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A conversation at one moment.

    Attributes:
        seconds: How long it has lasted.
        state: What is going on, in a few words.
        speaking: Whose voice is heard; None: nobody's.
        levels: How loud the person is, and the model: decibels below full scale, from 0.0 down to ``-inf``, silence.
        words: What is being said and is in no line yet, each with who says it, in order.
        typed: What the person is writing; None: nothing.
        answered: Seconds from the end of what was said until an answer was heard: the last time, and the median.
        tokens: What was used so far: tokens in, and tokens out.
        keys: What the keys do: each with its effect.
    """

    seconds: float
    state: str
    speaking: Who | None = None
    levels: tuple[float, float] = (-inf, -inf)
    words: tuple[tuple[Who, str], ...] = ()
    typed: str | None = None
    answered: tuple[float, float] | None = None
    tokens: tuple[int, int] = (0, 0)
    keys: tuple[tuple[str, str], ...] = ()


class Show(Protocol):
    """Where a conversation is shown while it happens. Times are seconds on the session's clock."""

    @property
    def lively(self) -> bool:
        """Whether scenes are seen; a pipe has lines alone."""

    def line(self, at: float, who: Who, text: str) -> None:
        """Something was said, or happened."""

    def progress(self, name: str, seconds: float, total: float | None) -> None:
        """So much of a file has been spoken, of so much; None: nobody knows. Called ten times a second."""

    def scene(self, scene: Scene | None) -> None:
        """The conversation at this moment; None: it is over. Called ten times a second."""
