"""What every part of the model has at hand: an agenda for what comes later, and a way to send events now."""

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec

from realtime_engine.audio import microseconds
from realtime_engine.events import Event, encode
from realtime_engine.machine import Frame, MachineOutput, Work
from realtime_engine.upstreams.local.ids import Ids

Errand: TypeAlias = Callable[[float], None]
"""Something to be done later; it is given the time it was due, however late it is called."""


@dataclass(slots=True)
class Appointment:
    """An entry of the agenda."""

    at: float
    errand: Errand
    cancelled: bool = False

    def cancel(self) -> None:
        """It shall not happen."""
        self.cancelled = True


class Agenda:
    """What is to be done later, in the order of the times; at one time, in the order it was noted down."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Appointment]] = []
        self._count = 0

    def note(self, at: float, errand: Errand) -> Appointment:
        """Note down an errand for a time in seconds."""
        appointment = Appointment(microseconds(at), errand)
        self._count += 1
        heapq.heappush(self._heap, (appointment.at, self._count, appointment))
        return appointment

    @property
    def deadline(self) -> float:
        """When the next errand is due, or ``inf``."""
        while self._heap and self._heap[0][2].cancelled:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def run(self, now: float) -> None:
        """Do all that is due by ``now``, each at its own time, and what falls due through it."""
        while self.deadline <= now:
            appointment = heapq.heappop(self._heap)[2]
            appointment.errand(appointment.at)

    def clear(self) -> None:
        """Forget everything."""
        self._heap.clear()


@dataclass(slots=True)
class Desk:
    """The agenda, the source of ids, and the tray in which what goes out is laid."""

    ids: Ids
    agenda: Agenda = field(default_factory=Agenda)
    tray: list[MachineOutput] = field(default_factory=list)
    works: dict[int, Callable[[float, object], None]] = field(default_factory=dict)
    _work_count: int = 0

    def send(self, event: Event) -> None:
        """Send an event, with an id of its own."""
        self.tray.append(Frame(encode(msgspec.structs.replace(event, event_id=self.ids.new("event")))))

    def work(self, run: Callable[[], object], done: Callable[[float, object], None]) -> None:
        """Have something slow done. ``done`` gets the time and the result; an exception is a result too."""
        self._work_count += 1
        self.works[self._work_count] = done
        self.tray.append(Work(self._work_count, run))

    def worked(self, number: int, at: float, result: object) -> None:
        """Something slow is done; what is not known, or not wanted any more, is passed over."""
        done = self.works.pop(number, None)
        if done is not None:
            done(at, result)

    def empty(self) -> list[MachineOutput]:
        """Take what goes out."""
        tray, self.tray = self.tray, []
        return tray
