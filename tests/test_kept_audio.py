"""How much sound a client keeps: whole samples, so much of each item, and so much in all."""

from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.audio import PCM16, PCMU
from realtime_engine.kept_audio import KeptAudio

MS = 48  # bytes


def kept(per_item: float = 1.0, in_all: float = 10.0) -> KeptAudio:
    return KeptAudio(per_item=per_item, in_all=in_all)


def test_the_sound_of_an_item_is_kept_from_its_beginning() -> None:
    audio = kept()

    assert audio.grow("item_1", 0, b"\1\0") == b"\1\0"
    assert audio.grow("item_1", 0, b"\2\0") == b"\2\0"

    assert audio.get("item_1") == b"\1\0\2\0"
    assert audio.get("item_2") == b""


def test_half_a_sample_waits_for_its_other_half() -> None:
    audio = kept()

    assert audio.grow("item_1", 0, b"\1\0\2") == b"\1\0"
    assert audio.grow("item_2", 0, b"\7") == b""
    assert audio.grow("item_1", 0, b"\0\3\0") == b"\2\0\3\0"

    assert audio.get("item_1") == b"\1\0\2\0\3\0"


def test_every_byte_of_another_format_is_a_sample() -> None:
    audio = KeptAudio(per_item=1.0, in_all=1.0, format=PCMU)

    assert audio.grow("item_1", 0, b"\1\2\3") == b"\1\2\3"


def test_more_than_an_item_may_have_is_not_kept_but_passed_on() -> None:
    audio = kept(per_item=0.01)

    assert audio.grow("item_1", 0, bytes(20 * MS)) == bytes(20 * MS)
    assert audio.grow("item_1", 0, bytes(MS)) == bytes(MS)

    assert (len(audio.get("item_1")), audio.size) == (10 * MS, 10 * MS)


def test_the_oldest_item_loses_its_sound_when_all_together_have_too_much() -> None:
    audio = kept(in_all=0.025)

    for item in ("item_1", "item_2", "item_3"):
        audio.grow(item, 0, bytes(10 * MS))

    assert [len(audio.get(item)) for item in ("item_1", "item_2", "item_3")] == [0, 10 * MS, 10 * MS]
    assert audio.size == 20 * MS


def test_an_item_that_alone_has_too_much_keeps_its_beginning() -> None:
    audio = kept(per_item=1.0, in_all=0.01)

    audio.grow("item_1", 0, b"\1\0" + bytes(20 * MS))

    assert audio.get("item_1") == b"\1\0" + bytes(10 * MS - 2)


def test_an_item_whose_sound_is_let_go_of_in_the_middle_of_a_sample_stays_whole() -> None:
    audio = kept(in_all=0.01)
    audio.grow("item_1", 0, b"\1\0\2")
    audio.grow("item_2", 0, bytes(10 * MS))

    assert audio.get("item_1") == b""
    assert audio.grow("item_1", 0, b"\3\4\5") == b"\2\3\4\5"


def test_no_server_can_make_it_remember_items_without_end() -> None:
    audio = kept()
    for number in range(5000):
        audio.grow(f"item_{number}", 0, b"\1")

    assert audio.grow("item_0", 0, b"\2") == b""
    assert audio.grow("item_4999", 0, b"\2") == b"\1\2"


def test_it_can_be_cut_to_what_was_heard_and_half_a_sample_goes_with_the_rest() -> None:
    audio = kept()
    audio.grow("item_1", 0, bytes(10 * MS + 1))

    audio.cut("item_1", 4)
    audio.cut("item_2", 4)

    assert (len(audio.get("item_1")), audio.size) == (4 * MS, 4 * MS)
    assert audio.grow("item_1", 0, b"\1\0") == b"\1\0"


def test_all_of_it_can_be_put_in_its_place_and_let_go_of() -> None:
    audio = kept()
    audio.grow("item_1", 2, bytes(100))

    audio.put("item_1", b"\1\0")
    assert (audio.get("item_1"), audio.size) == (b"\1\0", 2)

    audio.drop("item_1")
    audio.drop("item_1")
    assert (audio.get("item_1"), audio.size) == (b"", 0)


def test_what_is_put_is_whole_whatever_the_format_of_the_rest() -> None:
    audio = kept()

    audio.put("item_1", b"\1\2\3")
    assert audio.get("item_1") == b"\1\2\3"


def test_it_knows_which_part_of_the_item_the_sound_is() -> None:
    audio = kept()
    audio.grow("item_1", 2, bytes(2))

    assert audio.content_index("item_1") == 2
    assert audio.content_index("item_2") == 0


PIECES = st.lists(st.tuples(st.sampled_from("abc"), st.binary(max_size=40)), max_size=30)


@given(PIECES, st.integers(0, 60), st.integers(0, 90))
def test_whatever_comes_no_bound_is_passed_and_no_sample_is_lost_on_the_way(
    pieces: list[tuple[str, bytes]], per_item: int, in_all: int
) -> None:
    audio = KeptAudio(per_item=per_item / 24_000, in_all=in_all / 24_000)
    passed = {"a": b"", "b": b"", "c": b""}
    came = dict(passed)

    for item, piece in pieces:
        came[item] += piece
        passed[item] += audio.grow(item, 0, piece)

        sizes = [len(audio.get(each)) for each in "abc"]
        assert audio.size == sum(sizes) <= in_all * PCM16.sample_bytes
        assert max(sizes) <= per_item * PCM16.sample_bytes
    for item in "abc":
        assert audio.get(item) in passed[item]
        assert came[item].startswith(passed[item])
        assert len(came[item]) - len(passed[item]) == len(came[item]) % 2
