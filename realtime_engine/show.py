"""What a front without a screen of its own tells the person who watches."""

from enum import Enum
from typing import Protocol


class Who(Enum):
    """Whose words a line holds."""

    PERSON = "you"
    MODEL = "model"
    TOOL = "tool"
    ENGINE = "engine"


class Show(Protocol):
    """Where a conversation is shown while it happens. Times are seconds on the session's clock."""

    def line(self, at: float, who: Who, text: str) -> None:
        """Something was said, or happened."""

    def progress(self, name: str, seconds: float, total: float | None) -> None:
        """So much of a file has been spoken, of so much; None: nobody knows. Called ten times a second."""
