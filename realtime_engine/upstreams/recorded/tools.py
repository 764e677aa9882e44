"""What functions returned in a recorded conversation, told again to a session whose model is that recording.

No function is run: so a test needs nothing that they need, and always goes the same way.
"""

from collections.abc import Iterable, Sequence

from realtime_engine.commands import RunTool, Step
from realtime_engine.inputs import ToolResult
from realtime_engine.options import ToolSchema


class RecordedTools:
    """The functions of a recording (`realtime_engine.tools.Runner`).

    Attributes:
        schemas: What the model was told of them.

    Raises:
        RecordingError: The steps cannot be read to their end.
    """

    def __init__(self, schemas: Sequence[ToolSchema], steps: Iterable[Step]) -> None:
        self.schemas = tuple(schemas)
        self._calls: dict[str, RunTool] = {}
        self._results: dict[str, ToolResult] = {}
        for step in steps:
            if isinstance(step.input, ToolResult):
                self._results[step.input.call_id] = step.input
            self._calls |= {command.call_id: command for command in step.commands if isinstance(command, RunTool)}

    def anew(self) -> "RecordedTools":
        """The same for another conversation."""
        return self

    async def run_in_time(self, call: RunTool) -> ToolResult:
        """The result of then, at once."""
        return self.run(call)

    def run(self, call: RunTool) -> ToolResult:
        """The result of then, if it was called then, and with the same arguments."""
        then = self._calls.get(call.call_id)
        if then is None:
            return _lost(call, f"{call.name} was not called in the recording")
        if call != then:
            return _lost(call, f"{call.name}({call.arguments}) was {then.name}({then.arguments}) in the recording")
        return self._results.get(call.call_id) or _lost(call, f"{call.name} returned nothing in the recording")


def _lost(call: RunTool, why: str) -> ToolResult:
    return ToolResult(call.call_id, f"not as recorded: {why}", failed=True)
