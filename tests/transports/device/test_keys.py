"""What the keys of a terminal do."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.device.keys import LONGEST, Controls, Keys, Pasted


def pressed(*sent: bytes) -> str:
    keys = Keys()
    return "".join(key for each in sent for key in keys.feed(each))


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        (b" miq", " miq"),
        ("é€\N{GRINNING FACE}".encode(), "é€\N{GRINNING FACE}"),
        (b"\x1b", "\x1b"),
        (b"\r", "\r"),
        (b"\n", "\r"),
        (b"\x7f\b", "\x7f\x7f"),
        (b"a\x1b[Ab\x1bOPc\x1b[1;5Dd\x1b[15~e", "abcde"),  # arrows and function keys
        (b"\x1bmi", "i"),  # Alt and m
        (b"\x1b\x1b[A", "\x1b"),
        (b"\xff\xfei", "i"),  # no UTF-8
    ],
)
def test_characters_are_keys_and_sequences_are_none(sent: bytes, keys: str) -> None:
    assert pressed(sent) == keys


def test_what_is_pasted_is_one_piece_however_the_terminal_cuts_it() -> None:
    keys = Keys()

    assert [type(each) for each in keys.feed(b"q\x1b[200~quit\rnow\x1b[201~q")] == [str, Pasted, str]
    assert keys.feed(b"\x1b[200~a") == ["a"]
    assert keys.feed(b"b\x1b") == ["b"]
    assert keys.feed(b"[201~q") == ["q"]
    assert pressed(b"\x1b[20", b"0~m") == "m"


PIECES = st.lists(st.sampled_from([b"m", b" ", b"\r", "é".encode(), b"\x1b[A", b"\x1bOP", b"\x1b[1;5D"]), max_size=12)


@given(PIECES, st.lists(st.integers(0, 60)))
def test_it_does_not_matter_where_a_terminal_cuts_what_it_sends(pieces: list[bytes], cuts: list[int]) -> None:
    sent = b"".join(pieces)
    places = sorted({cut for cut in cuts if cut < len(sent) and sent[cut - 1 : cut] != b"\x1b"} | {0, len(sent)})

    cut = [sent[start:end] for start, end in pairwise(places)]

    assert pressed(*cut) == pressed(sent)


@given(st.binary())
def test_whatever_is_sent_the_keys_after_it_are_understood(sent: bytes) -> None:
    keys = Keys()
    keys.feed(sent)
    keys.feed(b"~~~")  # whatever has begun has ended

    assert keys.feed(b"q") == ["q"]


class Pressed:
    """Somebody for whom keys are pressed."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def talk(self, now: float) -> None:
        self.done.append(f"talk at {now}")

    def mute(self) -> None:
        self.done.append("mute")

    def interrupt(self) -> None:
        self.done.append("interrupt")

    def write(self, now: float, words: str) -> None:
        self.done.append(f"write {words}")

    def leave(self) -> None:
        self.done.append("leave")


def press(keys: str, *, talks: bool = True) -> tuple[Controls, list[str]]:
    someone = Pressed()
    controls = Controls(someone, talks=talks)
    for key in keys:
        controls.press(1.5, key)
    return controls, someone.done


def test_each_key_does_what_it_says() -> None:
    controls, done = press(" miMQx")

    assert done == ["talk at 1.5", "mute", "interrupt", "mute", "leave"]
    assert [key for key, _ in controls.keys] == ["space", "m", "i", "t", "q"]


def test_space_means_nothing_where_the_microphone_is_open() -> None:
    controls, done = press(" ", talks=False)

    assert not done
    assert [key for key, _ in controls.keys] == ["m", "i", "t", "q"]


def test_while_a_message_is_written_keys_are_letters() -> None:
    controls, done = press("tquit? Im")
    assert controls.typed == "quit? Im"
    assert [key for key, _ in controls.keys] == ["Enter", "Esc"]
    assert not done

    for key in "x\x7f!\r":
        controls.press(2.0, key)
    assert done == ["write quit? Im!"]
    assert controls.typed is None


def test_what_is_pasted_is_written_in_one_line_and_commands_nothing() -> None:
    controls, done = press("")
    controls.press(1.0, Pasted("q"))
    controls.press(1.0, "t")
    controls.press(1.0, Pasted("quit?\r\nNo,\x1b\x07 ü"))
    assert controls.typed == "quit?  No, ü"
    controls.press(1.0, Pasted("x" * LONGEST))
    controls.press(1.0, "\r")

    assert [words[:18] for words in done] == ["write quit?  No, ü"]
    assert len(done[0]) == len("write ") + LONGEST


@pytest.mark.parametrize("keys", ["thello\x1b", "t\r", "t  \r", "thello\x15\r"])
def test_a_message_that_is_given_up_or_empty_is_not_sent(keys: str) -> None:
    controls, done = press(keys)

    assert controls.typed is None
    assert not done


def test_a_message_has_no_control_characters_and_an_end() -> None:
    controls, _ = press("t\x01\tab" + "c" * LONGEST)

    assert controls.typed == "ab" + "c" * (LONGEST - 2)
