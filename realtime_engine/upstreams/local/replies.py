"""What the model answers, before it is spoken: acts, the prompt they answer, and the default, a parrot.

The parrot says speech back, the very audio; speaks the answer to what is typed; and says what a function returned.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from msgspec import Struct

from realtime_engine.audio import AudioFormat
from realtime_engine.upstreams.local.items import Entry
from realtime_engine.upstreams.local.settings import FunctionChoice, FunctionTool, ToolChoice
from realtime_engine.upstreams.local.sounds import trimmed


class Say(Struct, frozen=True):
    """Speak a text, or write it where the response is text."""

    text: str


class Play(Struct, frozen=True):
    """Let a sound be heard; ``transcript`` is what it says, and what is written where the response is text."""

    audio: bytes
    format: AudioFormat
    transcript: str


class Call(Struct, frozen=True):
    """Call a function; ``arguments`` is JSON text."""

    name: str
    arguments: str


class Fail(Struct, frozen=True):
    """End the response as failed."""

    code: str
    message: str
    type: str = "server_error"


class Complain(Struct, frozen=True):
    """Send an ``error`` event; alone, it comes in place of the response."""

    code: str
    message: str
    type: str = "server_error"


class Leave(Struct, frozen=True):
    """Close the connection."""

    code: int
    reason: str


Act: TypeAlias = Say | Play | Call | Fail | Complain | Leave


class Prompt(Struct, frozen=True):
    """What is to be answered.

    Attributes:
        instructions: The instructions in force.
        turn: How many messages the user has made so far, typed or spoken.
        text: What the user typed last; None if they spoke, or said nothing at all.
        picture: There is a picture in what the user sent last.
        speech: What the user said last; None if they typed.
        output: What functions returned, if that is what came last.
        called: The names of those functions.
        idle: Nobody has spoken for a while.
        tools: The functions that may be called.
        tool_choice: Whether they must be.
    """

    instructions: str = ""
    turn: int = 0
    text: str | None = None
    picture: bool = False
    speech: Entry | None = None
    output: str | None = None
    called: tuple[str, ...] = ()
    idle: bool = False
    tools: tuple[FunctionTool, ...] = ()
    tool_choice: ToolChoice = "auto"


Replier: TypeAlias = Callable[[Prompt], Sequence[Act]]


def prompt_of(
    context: Sequence[Entry],
    instructions: str,
    tools: tuple[FunctionTool, ...],
    tool_choice: ToolChoice,
    *,
    idle: bool,
) -> Prompt:
    """What a context asks for: an answer to the newest outputs of functions, or to the user's newest message."""
    users = [entry for entry in context if entry.item.role == "user"]
    outputs = _outputs(context)
    last = users[-1] if users else None
    speech = last if last is not None and last.size else None
    return Prompt(
        instructions=instructions,
        turn=len(users),
        text=None if outputs or speech is not None or last is None else last.texts,
        picture=last is not None and any(part.type == "input_image" for part in last.parts),
        speech=None if outputs else speech,
        output="\n".join(str(entry.item.output) for entry in outputs) if outputs else None,
        called=tuple(_name(context, entry) for entry in outputs),
        idle=idle,
        tools=tools,
        tool_choice=tool_choice,
    )


def _outputs(context: Sequence[Entry]) -> list[Entry]:
    """The outputs of functions at the end of a context, in order; what is neither said nor called is passed over."""
    found: list[Entry] = []
    for entry in reversed(context):
        if entry.item.type == "function_call_output":
            found.insert(0, entry)
        elif entry.item.role != "system":
            break
    return found


def _name(context: Sequence[Entry], output: Entry) -> str:
    """The name of the function that an output is of; empty if its call is not in the context."""
    for entry in context:
        if entry.item.type == "function_call" and entry.item.call_id == output.item.call_id:
            return str(entry.item.name)
    return ""


def parrot(prompt: Prompt) -> Sequence[Act]:
    """The answer where no script says otherwise."""
    if prompt.output is not None:
        return (Say(prompt.output or "Done."),)
    if prompt.idle:
        return (Say("Are you still there?"),)
    call = _forced_call(prompt)
    if call is not None:
        return (call,)
    if prompt.speech is not None:
        return tuple(_echo(prompt.speech))
    if prompt.text is None:
        return (Say("Hello."),)
    if prompt.text.strip():
        return (Say(f"You said: {prompt.text}"),)
    return (Say("You sent a picture. I cannot see." if prompt.picture else "You said nothing."),)


def _forced_call(prompt: Prompt) -> Call | None:
    """The call that the client insists on: the function it named, or the first there is."""
    match prompt.tool_choice:
        case FunctionChoice(name=name):
            return Call(name, "{}")
        case "required" if prompt.tools:
            return Call(prompt.tools[0].name, "{}")
        case _:
            return None


def _echo(speech: Entry) -> Sequence[Act]:
    audio = trimmed(b"".join(bytes(part) for part in speech.audio.values()), speech.format)
    return (Play(audio, speech.format, f"[{speech.format.seconds(len(audio)):.1f} s of your speech]"),)
