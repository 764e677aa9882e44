"""A front that is a sound file: the person speaks from files, and the answer is written into others.

This module is light; what needs numpy is imported when a conversation begins.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from realtime_engine.errors import UsageError

if TYPE_CHECKING:
    from realtime_engine.options import SessionOptions
    from realtime_engine.show import Show
    from transports.wav.front import WavFront

STANDARD: Path = Path("-")
"""The path that means standard input, or standard output."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A turn that is spoken: the sound of a file."""

    path: Path

    def __init__(self, path: str | Path) -> None:
        object.__setattr__(self, "path", Path(path))

    def __str__(self) -> str:
        return "standard input" if self.path == STANDARD else self.path.name


@dataclass(frozen=True, slots=True)
class Typed:
    """A turn that is typed.

    Raises:
        ValueError: Not in UTF-8.
    """

    text: str

    def __post_init__(self) -> None:
        try:
            self.text.encode()
        except UnicodeEncodeError:
            raise ValueError("text in UTF-8") from None

    def __str__(self) -> str:
        return f"“{self.text}”"


Turn: TypeAlias = Spoken | Typed


@dataclass(frozen=True, slots=True, kw_only=True)
class WavOptions:
    """What the WAV front is made from.

    Attributes:
        turns: What the person does, turn after turn, in the order given: --input FILE speaks a sound file
            (anything libsndfile reads; - is standard input: raw PCM16 at 24 kHz, or a sound file),
            --text TEXT types.
        output: Write the answers as they are heard to this WAV file; - is standard output.
        mix: Write both sides to this stereo WAV file, on one time line: left the person, right the model.
        speed: realtime: as a person would; max: as fast as can be, on a virtual clock, which needs an
            upstream without a network.
    """

    turns: tuple[Turn, ...] = field(
        default=(), metadata={"flags": {"--input": Spoken, "--text": Typed}, "metavar": "FILE|TEXT"}
    )
    output: Path | None = None
    mix: Path | None = None
    speed: Literal["realtime", "max"] = "realtime"


class Wav:
    """The WAV front (`realtime_engine.plugins.MachineFront`).

    Attributes:
        lead: How far ahead of the ear the front wants audio, in seconds: enough that a busy computer makes no gap,
            little enough that a long answer waits in the session, which bounds it.
        reports: It says what was really heard.
    """

    Options: ClassVar[type[WavOptions]] = WavOptions
    name: ClassVar[str] = "wav"
    lead: ClassVar[float | None] = 1.0
    reports: ClassVar[bool] = True
    example: ClassVar[str] = "--input question.wav --output answer.wav"

    def __init__(self, options: WavOptions) -> None:
        self.options = options

    @property
    def simulated(self) -> bool:
        """Whether the conversation is to run on the virtual clock."""
        return self.options.speed == "max"

    @property
    def uses_stdout(self) -> bool:
        """Whether standard output carries sound, so that words must go elsewhere."""
        return STANDARD in (self.options.output, self.options.mix)

    @contextmanager
    def open(self, session: "SessionOptions", show: "Show") -> Iterator["WavFront"]:
        """Check all files, then give the machine of one conversation; at the end the files are complete.

        Raises:
            UsageError: A file cannot be read or written. Nothing has begun then. At the end: the model has refused
                the settings.
            UpstreamError: At the end: a turn was not answered, or an answer failed.
        """
        from transports.wav import sources, tape  # numpy and soundfile, only now
        from transports.wav.front import WavFront

        options = self.options
        if not options.turns:
            raise UsageError("there is nothing to say: give --input FILE or --text TEXT")
        inputs = [turn.path for turn in options.turns if isinstance(turn, Spoken)]
        with sources.open_all(inputs) as opener, tape.open_tape(options.output, options.mix, inputs) as reel:
            front = WavFront(session, options.turns, opener, reel, show)
            try:
                yield front
            finally:
                front.end()
            front.raise_problems()
