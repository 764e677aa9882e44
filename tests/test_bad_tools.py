"""Functions that do the worst: the model is told of each, the front and the log too, and the conversation goes on."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from realtime_engine.commands import RunTool
from realtime_engine.events import EngineToolFailed, decode
from realtime_engine.inputs import Side, ToolResult
from realtime_engine.recording.reader import Recording
from realtime_engine.upstreams.recorded.script import sent
from tests.cli.fake import engine

TOOLS = """
import sys
import threading
import trio

ENDED = threading.Event()

def raises() -> str:
    raise LookupError("no such lamp")

def never_ends() -> str:
    ENDED.wait(60)
    return "late"

async def never_ends_async() -> None:
    await trio.sleep_forever()

def gives_no_json() -> object:
    return threading.Lock()

def gives_a_flood() -> list[str]:
    return ["drop"] * 1_000_000

def leaves() -> None:
    sys.exit(3)

def doubles(number: int) -> int:
    return 2 * number
"""

WORST: Mapping[str, Sequence[tuple[str, str, str]]] = {
    "30": [
        ("doubles", "{ number = 2 }", "4"),
        ("doubles", '{ number = "two" }', "wrong arguments for doubles: Expected `int`, got `str` - at `$.number`"),
        ("gives_a_flood", "{}", "the result has 7000001 characters; at most 256000 can be passed on"),
        (
            "gives_no_json",
            "{}",
            "the result cannot be written as JSON: Encoding objects of type _thread.lock is unsupported",
        ),
        ("leaves", "{}", "leaves failed: SystemExit: 3"),
        ("raises", "{}", "raises failed: LookupError: no such lamp"),
        (
            "unheard_of",
            "{}",
            f"there is no function 'unheard_of'; there are: {', '.join(re.findall(r'def (.*)[(]', TOOLS))}",
        ),
    ],
    "0.2": [
        ("never_ends", "{}", "never_ends took longer than 0.2 s, and was given up"),
        ("never_ends_async", "{}", "never_ends_async took longer than 0.2 s, and was given up"),
    ],
}
"""What is called, with what arguments (TOML), and what the model is told; by the seconds that a call may take."""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder with the functions; at the end, what has not ended does."""
    monkeypatch.chdir(tmp_path)
    Path("worst.py").write_text(TOOLS)
    Path("session.toml").write_text('output_modalities = ["text"]\n')
    yield
    sys.modules["engine_tools_worst"].ENDED.set()


@pytest.mark.parametrize("speed", ["realtime", "max"])
@pytest.mark.parametrize("timeout", WORST)
def test_whatever_a_function_does_the_conversation_goes_on(
    timeout: str, speed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = [f'[[reply.call]]\nname = "{name}"\narguments = {arguments}\n' for name, arguments, _ in WORST[timeout]]
    Path("replies.toml").write_text('[[reply]]\ntext = "worst"\n' + "".join(calls))
    model = ("--upstream", "local", "--script", "replies.toml", "--session", "session.toml", "--speed", speed)
    said = ("--text", "Do your worst", "--text", "And now?", "--record", "kept")

    assert engine("run", *said, *model, "--tools", "worst.py", "--tool-timeout", timeout) == 0

    assert "model  You said: And now?" in capsys.readouterr().out
    (folder,) = Path("kept").iterdir()
    with Recording(folder) as recording:
        steps = list(recording.steps())
    names = {call.call_id: call.name for step in steps for call in step.commands if isinstance(call, RunTool)}
    results = [step.input for step in steps if isinstance(step.input, ToolResult)]
    told = [(names[result.call_id], result.output) for result in results]
    assert sorted(told) == [(name, output) for name, _, output in WORST[timeout]]
    events = [decode(frame.raw) for step in steps for frame in sent(step, Side.FRONT)]
    failed = [(event.name, event.message) for event in events if isinstance(event, EngineToolFailed)]
    assert failed == [(names[result.call_id], result.output) for result in results if result.failed]
    assert engine("replay", folder) == 0
