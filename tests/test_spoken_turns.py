"""What the user says, and which of it is which turn."""

from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.audio import PCMU, AudioFormat
from realtime_engine.spoken_turns import SpokenTurns

MS = 48  # bytes


def turns() -> SpokenTurns:
    return SpokenTurns(seconds=30.0)


def assert_half_said(said: SpokenTurns, expected: bool) -> None:
    assert said.half_said == expected


def sound(first: int, ms: int) -> bytes:
    """So many milliseconds of which each is another."""
    return b"".join(bytes([number % 256]) * MS for number in range(first, first + ms))


def test_what_is_said_goes_out_at_once_in_pieces_of_a_fair_size() -> None:
    sent = turns().append(0.0, bytes(20_000))

    assert [len(chunk.audio) for chunk in sent] == [8192, 8192, 3616]


def test_half_a_sample_waits_for_its_other_half() -> None:
    said = turns()

    assert [chunk.audio for chunk in said.append(0.0, b"\1\0\2")] == [b"\1\0"]
    assert [chunk.audio for chunk in said.append(0.1, b"\0\3")] == [b"\2\0"]


def test_half_a_sample_at_the_end_of_a_turn_is_no_sound() -> None:
    said = turns()
    said.append(0.0, b"\1\0\2")
    said.commit("event_1")

    assert [chunk.audio for chunk in said.append(0.1, b"\3\0")] == [b"\3\0"]


def test_it_is_half_said_until_a_turn_is_made_of_it() -> None:
    said = turns()
    said.append(0.0, b"\1")
    assert_half_said(said, False)

    said.append(0.0, b"\0")
    assert_half_said(said, True)
    said.commit("event_1")
    assert_half_said(said, False)

    said.append(0.1, bytes(2))
    said.clear()
    assert_half_said(said, False)


def test_a_turn_has_the_sound_that_the_server_says_by_its_times() -> None:
    said = turns()
    said.append(0.0, sound(0, 100))

    assert said.committed(20, 50) == sound(20, 30)
    assert said.committed(60, 70) == sound(60, 10)


def test_a_turn_without_times_has_all_that_was_said_since_the_last_until_it_was_asked_for() -> None:
    said = turns()
    said.append(0.0, sound(0, 30))
    said.commit("event_1")
    said.append(0.0, sound(30, 20))
    said.commit("event_2")
    said.append(0.0, sound(50, 5))

    assert said.committed(None, None) == sound(0, 30)
    assert said.committed(None, None) == sound(30, 20)
    assert said.committed(None, None) == sound(50, 5)


def test_a_commit_during_speech_ends_the_turn_that_has_begun() -> None:
    said = turns()
    said.append(0.0, sound(0, 30))
    said.commit("event_1")

    assert said.committed(10, None) == sound(10, 20)


def test_a_commit_that_the_server_refuses_ends_nothing() -> None:
    said = turns()
    said.append(0.0, sound(0, 1))
    said.commit("event_1")
    said.refused("event_1")
    said.refused("another")
    said.append(0.0, sound(1, 30))
    said.commit("event_2")

    assert said.committed(None, None) == sound(0, 31)


def test_what_was_taken_back_belongs_to_no_turn() -> None:
    said = turns()
    said.append(0.0, sound(0, 30))
    said.clear()
    said.append(0.0, sound(30, 10))
    said.commit("event_1")

    assert said.committed(None, None) == sound(30, 10)


def test_another_format_begins_anew() -> None:
    said = turns()
    said.append(0.0, b"\1\0\2")
    said.use(PCMU)
    said.use(PCMU)

    assert [chunk.audio for chunk in said.append(0.1, b"\3")] == [b"\3"]
    assert said.committed(None, None) == b"\3"


def test_a_server_that_leaves_the_rate_out_means_the_same_format() -> None:
    said = turns()
    said.append(0.0, b"\1\0\2")
    said.use(AudioFormat("audio/pcm"))

    assert [chunk.audio for chunk in said.append(0.1, b"\3")] == [b"\2\3"]
    assert said.committed(None, None) == b"\1\0\2\3"


def test_no_more_than_the_newest_is_kept() -> None:
    said = SpokenTurns(seconds=0.1)
    for _ in range(100):
        said.append(0.0, bytes(10 * MS))

    assert len(said.committed(None, None)) <= 110 * MS


@given(st.lists(st.binary(max_size=9), max_size=20))
def test_wherever_it_is_cut_the_same_samples_go_out(pieces: list[bytes]) -> None:
    said, whole = turns(), b"".join(pieces)

    sent = b"".join(chunk.audio for piece in pieces for chunk in said.append(0.0, piece))

    assert sent == whole[: len(whole) // 2 * 2]
    assert said.half_said == bool(sent)
