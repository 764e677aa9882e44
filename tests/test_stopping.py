"""Many conversations are told at once that they shall end."""

from realtime_engine.inputs import Stop
from realtime_engine.stopping import Stopping


def test_all_who_listen_are_told_and_nobody_who_has_left() -> None:
    stopping, told = Stopping(), list[str]()
    one, other = (lambda stop: told.append(f"one {stop.reason}")), (lambda stop: told.append("other"))
    stopping.add(one)
    stopping.add(other)
    stopping.discard(other)

    stopping.say(Stop("restart"))

    assert told == ["one restart"]
    assert stopping.said == Stop("restart")
