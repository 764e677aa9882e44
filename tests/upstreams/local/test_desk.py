"""The agenda: everything at its own time, in order, however late somebody looks."""

from functools import partial
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.upstreams.local.desk import Agenda, Desk
from realtime_engine.upstreams.local.ids import Ids


def _note(done: list[str], name: str, at: float) -> None:
    done.append(f"{name} at {at}")


def test_errands_are_run_in_the_order_of_their_times_and_then_of_their_noting() -> None:
    agenda = Agenda()
    done: list[str] = []
    for name, at in (("b", 2.0), ("a", 1.0), ("c", 2.0)):
        agenda.note(at, partial(_note, done, name))

    agenda.run(3.0)

    assert done == ["a at 1.0", "b at 2.0", "c at 2.0"]
    assert agenda.deadline == inf


def test_an_errand_may_note_another_that_is_due_at_once() -> None:
    agenda = Agenda()
    done: list[float] = []

    def twice(at: float) -> None:
        agenda.note(at, done.append)

    agenda.note(1.0, twice)

    agenda.run(5.0)

    assert done == [1.0]


def test_what_is_cancelled_does_not_happen_and_is_no_deadline() -> None:
    agenda = Agenda()
    agenda.note(1.0, lambda _at: None).cancel()
    agenda.note(2.0, lambda _at: None)

    assert agenda.deadline == 2.0


def test_a_cleared_agenda_is_empty() -> None:
    agenda = Agenda()
    agenda.note(1.0, lambda _at: None)

    agenda.clear()

    assert agenda.deadline == inf


@given(st.lists(st.integers(0, 20), max_size=20), st.lists(st.integers(0, 25), max_size=5))
def test_waking_late_runs_the_same_errands_at_the_same_times(times: list[int], wakings: list[int]) -> None:
    in_time, late = Agenda(), Agenda()
    one: list[float] = []
    two: list[float] = []
    for at in times:
        in_time.note(at, one.append)
        late.note(at, two.append)

    while in_time.deadline < inf:
        in_time.run(in_time.deadline)
    for now in [*sorted(wakings), 30]:
        late.run(now)

    assert one == two == sorted(times)


def test_work_that_nobody_knows_of_is_passed_over() -> None:
    Desk(Ids("seed")).worked(7, 0.0, b"")
