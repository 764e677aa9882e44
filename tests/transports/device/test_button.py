"""Push-to-talk: what of the microphone is a turn."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from transports.device.button import TAIL, Button, Ended


def test_the_first_press_begins_a_turn_and_the_second_ends_it_a_little_later() -> None:
    button = Button()
    assert button.press(1.0)
    button.heard(2.0)
    assert not button.press(3.0)
    assert button.open, "a word's end is heard"
    assert button.deadline == 3.0 + TAIL
    assert [button.ended(now) for now in (3.05, 3.1, 3.2)] == [None, Ended.SAID, None]
    assert (button.open, button.deadline) == (False, inf)


def test_what_is_short_is_no_turn() -> None:
    button = Button()
    button.press(1.0)
    button.heard(0.14)
    button.press(1.05)

    assert button.ended(2.0) is Ended.TOO_SHORT


def test_who_presses_again_at_once_goes_on() -> None:
    button = Button()
    button.press(1.0)
    button.heard(1.0)
    button.press(2.0)
    assert button.press(2.05)
    assert button.ended(3.0) is None
    button.press(4.0)

    assert button.ended(4.2) is Ended.SAID


def test_a_turn_counts_what_was_said_in_it_alone() -> None:
    button = Button()
    for at, expected in [(1.0, Ended.SAID), (5.0, Ended.TOO_SHORT)]:
        button.press(at)
        if expected is Ended.SAID:
            button.heard(1.0)
        button.press(at + 1)
        assert button.ended(at + 2) is expected


@given(st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans())))
def test_each_turn_that_begins_ends_once(steps: list[tuple[float, bool]]) -> None:
    button, now, begun, ended = Button(), 0.0, 0, 0
    for wait, pressed in steps:
        now += wait
        ended += button.ended(now) is not None
        if pressed:
            begun += not button.open
            button.press(now)
        assert begun - ended == button.open
