"""A conversation at one moment, drawn for a terminal."""

from collections.abc import Iterator
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from realtime_engine.show import Scene, Who

COLOURS: Final = {Who.PERSON: "cyan", Who.MODEL: "green", Who.TOOL: "magenta", Who.ENGINE: "yellow"}

_BAR = 20  # characters
_FLOOR = -60.0  # decibels: a quiet room
_LINES = 3  # of what is being said; the newest
_INDENT = 8


class Drawing:
    """A scene, for rich."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lines that fit the terminal's width."""
        scene = self._scene
        marks = "#-" if options.ascii_only else "█░"
        yield _fitted(Text(f"  {clock(scene.seconds)}  {scene.state}", "bold"))
        for who, level in zip((Who.PERSON, Who.MODEL), scene.levels, strict=True):
            yield _fitted(_level(who, level, marks, speaks=scene.speaking is who))
        for who, words in scene.words:
            lines = Text(plain(words), COLOURS[who]).wrap(console, max(options.max_width - _INDENT, 1))
            yield from (_fitted(Text(" " * _INDENT) + line) for line in lines[-_LINES:])
        if scene.typed is not None:
            room = max(options.max_width - _INDENT - 2, 1)
            yield _fitted(Text.assemble(("  type  ", COLOURS[Who.PERSON]), f"{_end(plain(scene.typed), room)}_"))
        if figures := "   ".join(_figures(scene)):
            yield _fitted(Text(f"  {figures}", "dim"))
        if scene.keys:
            yield _fitted(Text("  ") + Text("   ").join(_key(*key) for key in scene.keys))


def plain(text: str) -> str:
    """In one line, and nothing in it that a terminal would obey: the words are a stranger's."""
    return "".join(each if each.isprintable() else " " for each in text)


def clock(seconds: float | None) -> str:
    """Minutes and seconds."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"


def _figures(scene: Scene) -> Iterator[str]:
    if scene.answered is not None:
        last, median = scene.answered
        yield f"answered after {last:.2f} s, median {median:.2f} s"
    if any(scene.tokens):
        yield "{:,} tokens in, {:,} out".format(*scene.tokens)


def _level(who: Who, level: float, marks: str, *, speaks: bool) -> Text:
    full = round(_BAR * min(max(1 - level / _FLOOR, 0.0), 1.0))
    name = (f"  {who.value:<6}", f"bold {COLOURS[who]}" if speaks else "dim")
    return Text.assemble(name, (marks[0] * full, COLOURS[who]), (marks[1] * (_BAR - full), "dim"))


def _end(text: str, room: int) -> str:
    """The end of a text that fits into so many columns; some characters take two."""
    text = text[-room:]
    while cell_len(text) > room:
        text = text[1:]
    return text


def _key(key: str, effect: str) -> Text:
    return Text.assemble((key, "bold"), (f" {effect}", "dim"))


def _fitted(line: Text) -> Text:
    line.no_wrap, line.overflow = True, "ellipsis"
    return line
