"""The reply script: a TOML file that decides what the model answers. Its format is in ``docs/reply-script.md``.

The text is given to `parse`, with a function that reads the sounds it names; so nothing here touches a file.
"""

import re
import tomllib
from collections.abc import Callable, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from realtime_engine.audio import PCM16
from realtime_engine.errors import UsageError
from realtime_engine.upstreams.local.problems import explain
from realtime_engine.upstreams.local.replies import (
    Act,
    Call,
    Complain,
    Fail,
    Leave,
    Play,
    Prompt,
    Replier,
    Say,
    parrot,
)
from realtime_engine.upstreams.local.settings import Strict


class Function(Strict, frozen=True):
    """``call``: a function and its arguments."""

    name: str
    arguments: dict[str, object] = msgspec.field(default_factory=dict)


class Failure(Strict, frozen=True):
    """``fail`` and ``error``: what goes wrong."""

    code: str
    message: str
    type: str = "server_error"


class Ending(Strict, frozen=True):
    """``close``: how the connection ends."""

    code: Annotated[int, Meta(ge=1000, le=4999)] = 1011
    reason: Annotated[str, Meta(max_length=40)] = ""


class Rule(Strict, frozen=True, kw_only=True):
    """One ``[[reply]]``: when it holds, and what is done then."""

    text: str | None = None
    pattern: str | None = None
    turn: Annotated[int, Meta(ge=1)] | None = None
    instructions: str | None = None
    after: str | None = None

    say: str | None = None
    play: str | None = None
    transcript: str | None = None
    call: Function | tuple[Function, ...] = ()
    fail: Failure | None = None
    error: Failure | None = None
    close: Ending | None = None


class _Script(Strict, frozen=True):
    reply: tuple[Rule, ...] = ()


ReadSound = Callable[[str], bytes]
"""Gives the sound of a file that a script names, as PCM16, 24 kHz; raises `OSError` or `ValueError`."""


class Script:
    """Rules in order; the first that holds decides, and where none does, the parrot."""

    def __init__(self, rules: Sequence[tuple[Rule, Sequence[Act]]]) -> None:
        self._rules = rules

    def __call__(self, prompt: Prompt) -> Sequence[Act]:
        """What to do about a prompt."""
        for rule, acts in self._rules:
            if _holds(rule, prompt):
                return [_filled(act, prompt) for act in acts]
        return parrot(prompt)


def parse(text: str, name: str, read_sound: ReadSound) -> Replier:
    """Read a script.

    Args:
        text: The TOML.
        name: What the file is called, for the messages.
        read_sound: Reads the sounds it names.

    Raises:
        UsageError: Something is wrong with it: which line, and what.
    """
    try:
        script = msgspec.convert(tomllib.loads(text), _Script)
    except tomllib.TOMLDecodeError as error:
        message, _, place = str(error).rpartition(" (at ")
        found = re.search(r"line (\d+)", place)
        line = int(found[1]) if found else len(text.splitlines())
        raise UsageError(f"{name}, line {line}: {message}") from error
    except msgspec.ValidationError as error:
        problem = explain(error, _Script)
        raise _wrong(name, text, problem.param or "", problem.message) from error
    return Script([(rule, _acts(rule, n, name, text, read_sound)) for n, rule in enumerate(script.reply)])


def _acts(rule: Rule, number: int, name: str, text: str, read_sound: ReadSound) -> Sequence[Act]:
    """What a rule does: it says, plays, calls, and then may end badly."""
    where = f"reply[{number}]"
    try:
        re.compile(rule.pattern or "")
    except re.error as error:
        raise _wrong(name, text, f"{where}.pattern", f"not a regular expression: {error}") from error
    try:
        sounds = [] if rule.play is None else [_play(rule.play, rule.transcript, read_sound)]
    except (OSError, ValueError) as error:
        raise _wrong(name, text, f"{where}.play", f"{rule.play!r} cannot be played: {error}") from error
    calls = rule.call if isinstance(rule.call, tuple) else (rule.call,)
    acts: tuple[Act | None, ...] = (
        None if rule.say is None else Say(rule.say),
        *sounds,
        *(Call(call.name, msgspec.json.encode(call.arguments).decode()) for call in calls),
        None if rule.fail is None else Fail(rule.fail.code, rule.fail.message, rule.fail.type),
        None if rule.error is None else Complain(rule.error.code, rule.error.message, rule.error.type),
        None if rule.close is None else Leave(rule.close.code, rule.close.reason),
    )
    done = [act for act in acts if act is not None]
    if not done:
        raise _wrong(name, text, where, "this reply does nothing: give it say, play, call, fail, error or close")
    return done


def _play(file: str, transcript: str | None, read_sound: ReadSound) -> Play:
    sound = read_sound(file)
    return Play(sound, PCM16, f"[{PCM16.seconds(len(sound)):.1f} s of {file}]" if transcript is None else transcript)


def _holds(rule: Rule, prompt: Prompt) -> bool:
    """Whether all conditions of a rule hold. Without ``after`` it is about what the user says, not functions."""
    if (rule.after is not None) != (prompt.output is not None):
        return False
    typed = prompt.text or ""
    return (
        (rule.after is None or rule.after in prompt.called)
        and (rule.text is None or (bool(typed) and rule.text.casefold() in typed.casefold()))
        and (rule.pattern is None or (prompt.text is not None and re.search(rule.pattern, typed) is not None))
        and (rule.turn is None or rule.turn == prompt.turn)
        and (rule.instructions is None or rule.instructions.casefold() in prompt.instructions.casefold())
    )


def _filled(act: Act, prompt: Prompt) -> Act:
    """An act with ``{text}`` and ``{output}`` filled in, where something is said."""
    if not isinstance(act, Say):
        return act
    return Say(act.text.replace("{text}", prompt.text or "").replace("{output}", prompt.output or ""))


_HEADER: Final = re.compile(r"\s*\[\[\s*reply\s*\]\]")


def _wrong(name: str, text: str, param: str, message: str) -> UsageError:
    return UsageError(f"{name}, line {_line(text, param)}: {message}")


def _line(text: str, param: str) -> int:
    """The line, from 1, of a parameter such as ``reply[2].call.name``: that of its key, or of its ``[[reply]]``."""
    lines = text.splitlines()
    path = re.match(r"reply\[(\d+)\](?:\.(\w+))?", param)
    if path is None:
        key = param.partition(".")[0]
        return next((n for n, line in enumerate(lines, 1) if re.match(rf"\s*\[*\s*{re.escape(key)}\b", line)), 1)
    headers = [n for n, line in enumerate(lines, 1) if _HEADER.match(line)] + [len(lines) + 1]
    number = int(path[1])
    if number + 1 >= len(headers):
        return 1  # an inline array, all in one place
    start, stop = headers[number], headers[number + 1]
    key = rf"\s*(\[+\s*reply\s*\.\s*)?{re.escape(path[2] or '[')}\b"
    return next((n for n in range(start, stop) if re.match(key, lines[n - 1])), start)
