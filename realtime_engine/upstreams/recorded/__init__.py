"""The recorded upstream: the model's side of a recording, without a key, a network or a cost.

This module is light: what reads recordings is imported when one is chosen.
"""

from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from realtime_engine.plugins import ANYTHING, Wanted

if TYPE_CHECKING:
    from realtime_engine.machine import Machine


@dataclass(frozen=True, slots=True)
class RecordedOptions:
    """Which recording answers.

    Attributes:
        path: The recording's folder.
    """

    path: Path


class Recorded:
    """The plug-in: see `realtime_engine.plugins.MachineUpstream`.

    It answers what it is sent as the model did then, so it must be sent the same: the same session, as much audio, the
    same words. `realtime_engine.upstreams.recorded.model` says what is the same. What functions returned then it tells
    too, where nobody has named functions of today.

    Attributes:
        tools: What the engine's functions returned; None: it had none.

    Raises:
        RecordingError: There is no recording, or it is damaged, or of a newer version.
    """

    Options: ClassVar[type] = RecordedOptions
    name: str = "recorded"

    def __init__(self, options: RecordedOptions) -> None:
        from realtime_engine.recording.reader import Recording
        from realtime_engine.upstreams.recorded.script import scripts
        from realtime_engine.upstreams.recorded.tools import RecordedTools

        with Recording(options.path) as recording:
            self.dialect = recording.about.options.upstream_dialect
            self._scripts = scripts(recording.steps())
            schemas = recording.about.options.tools
            self.tools = RecordedTools(schemas, recording.steps()) if schemas else None
        self._connections = 0

    def anew(self) -> "Recorded":
        """The same recording for another conversation: from its first connection."""
        again = copy(self)
        again._connections = 0
        return again

    def connect(self, wanted: Wanted = ANYTHING) -> "Machine":
        """The recording's first connection, the second, …; after the last, one that is refused."""
        from realtime_engine.upstreams.recorded.model import RecordedModel
        from realtime_engine.upstreams.recorded.script import refusal

        self._connections += 1
        if self._connections <= len(self._scripts):
            return RecordedModel(self._scripts[self._connections - 1])
        return RecordedModel(refusal(f"the recording has no connection {self._connections} to a model"))
