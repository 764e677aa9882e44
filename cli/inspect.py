"""``engine inspect``: what happened in a conversation."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec
from cyclopts import Parameter
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from cli.out import Out, lines
from realtime_engine.commands import Step
from realtime_engine.errors import RecordingError, UsageError
from realtime_engine.recording.reader import Recording
from realtime_engine.recording.show import entry
from realtime_engine.recording.story import Ended, Story, Tokens, Turn, tell

Flag: TypeAlias = Annotated[bool, Parameter(negative=(), show_default=False)]

_COLOURS = {"user": "cyan", "assistant": "green", "tool": "magenta", "system": "yellow"}


def inspect(*recordings: Path, events: Flag = False, json: Flag = False) -> int:
    """Show what happened in recorded conversations.

    Its turns with their times and words; where in the microphone's audio the
    user spoke; how long each answer took to begin, since the upstream told the
    end of the question; what was interrupted, and how much of it was heard;
    what it cost.

      engine inspect my-recordings/*

      engine inspect my-recordings/2026-11-20T19-31-07-a1b2c3 --events

    Args:
        recordings: The folders of the recordings.
        events: Every input and command instead, one a line, in order of time.
        json: The same as the table, as JSON: each recording in one line.
    """
    if not recordings:
        raise UsageError("name a recording: engine inspect my-recordings/*")
    if events and json:
        raise UsageError("--events and --json do not go together: events.jsonl in the recording is both")
    status = 0
    for folder in recordings:
        if len(recordings) > 1 and not json:
            print(f"==> {folder} <==")  # noqa: T201 - as head and tail do
        try:
            with Recording(folder) as opened:
                if events:
                    _show_events(opened)
                else:
                    _tell(opened, _show_json if json else _show)
        except RecordingError as error:
            lines(stderr=True).print(f"engine: {error}")
            status = error.exit_status
    return status


class Report(Struct, kw_only=True):
    """What ``--json`` gives: what the recording says of itself, and the story that it tells."""

    name: str
    started: str
    engine: str
    front: str
    upstream: str
    ended: str
    complete: bool
    story: Story


class _Readable:
    """The steps that can be read; the damage after them, if there is one, is kept."""

    def __init__(self, steps: Iterator[Step]) -> None:
        self._steps = steps
        self.damage: RecordingError | None = None

    def __iter__(self) -> Iterator[Step]:
        try:
            yield from self._steps
        except RecordingError as error:
            self.damage = error


def _tell(opened: Recording, show: Callable[[Report], None]) -> None:
    """Show what can be read.

    Raises:
        RecordingError: Afterwards: there is damage behind it.
    """
    steps = _Readable(opened.steps())
    show(_report(opened, tell(steps)))
    if steps.damage is not None:
        raise steps.damage


def _report(opened: Recording, story: Story) -> Report:
    about = opened.about
    return Report(
        name=opened.name,
        started=about.started,
        engine=about.engine,
        front=about.front,
        upstream=about.upstream,
        ended=opened.end.reason if opened.end else str(opened.cut),
        complete=opened.end is not None,
        story=story,
    )


def _show_events(opened: Recording) -> None:
    for came in opened.entries():
        print(entry(came))  # noqa: T201 - plain lines, to be searched and cut
    end = opened.end
    print(f"{end.at:12.6f}  the end: {end.reason}" if end else f"{'':12}  {opened.cut}")  # noqa: T201


def _show_json(report: Report) -> None:
    print(msgspec.json.encode(report).decode())  # noqa: T201 - for other programs


def _show(report: Report) -> None:
    out = Out(highlight=False, markup=False, width=None if sys.stdout.isatty() else 160)
    story = report.story
    out.print(f"{report.name}: {report.front} and {report.upstream}, {report.started}, {story.seconds:.1f} s")
    if story.turns:
        out.print(_table(story.turns))
    for response in story.responses:
        if response.status != "completed":
            out.print(_unfinished(response))
    for at, note in story.notes:
        out.print(f"{at:8.2f} s  {note}")
    out.print(_cost(story))
    out.print(f"ended: {report.ended}" if report.complete else f"incomplete: {report.ended}")


def _table(turns: tuple[Turn, ...]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("at", justify="right")
    table.add_column("who")
    table.add_column("words", overflow="fold")
    table.add_column("answered in", justify="right")
    table.add_column("")
    for turn in turns:
        latency = "" if turn.latency is None else f"{turn.latency:.2f} s"
        who = Text(turn.who, _COLOURS.get(turn.who, ""))
        table.add_row(f"{turn.at:.2f} s", who, Text(_said(turn)), latency, _remark(turn))
    return table


def _said(turn: Turn) -> str:
    """The words, or how long was spoken where nobody has written them down."""
    if turn.words or turn.speech_ms is None:
        return turn.words
    return f"({turn.speech_ms / 1000:.1f} s of speech)"


def _remark(turn: Turn) -> str:
    """What became of a turn, if it was anything else than heard to its end; of the user's, where it was spoken."""
    if turn.heard_ms is not None:
        of = f" of {turn.speech_ms} ms" if turn.speech_ms is not None else " ms"
        when = f" at {turn.interrupted_at:.2f} s" if turn.interrupted_at is not None else ""
        return f"interrupted{when}: heard {turn.heard_ms}{of}"
    if turn.speech is not None:
        start, end = turn.speech
        return f"spoken from {start:.2f} to {end:.2f} s"
    return turn.status


def _unfinished(response: Ended) -> str:
    why = f": {response.why}" if response.why else ""
    return f"{response.at:8.2f} s  {response.response_id} {response.status}{why}"


def _cost(story: Story) -> str:
    tokens: Tokens = story.tokens
    count = len(story.responses)
    return (
        f"{count} {'response' if count == 1 else 'responses'}, {tokens.total} tokens: "
        f"{tokens.input} in ({tokens.input_text} text, {tokens.input_audio} audio, {tokens.cached} cached), "
        f"{tokens.output} out ({tokens.output_text} text, {tokens.output_audio} audio)"
    )
