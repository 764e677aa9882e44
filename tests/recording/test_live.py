"""In real time nobody waits for the disk: a thread writes, and what it cannot write ends the recording only."""

import errno
import os
import threading
import wave
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from realtime_engine.commands import FORWARD, Note, Send, Step
from realtime_engine.errors import UsageError
from realtime_engine.inputs import Kind, Message, Side, ToolResult
from realtime_engine.options import SessionOptions
from realtime_engine.recording import live
from realtime_engine.recording.about import read_about
from realtime_engine.recording.files import GrowingFile
from realtime_engine.recording.live import BEGINNINGS, MOST_BEHIND, PERIOD, LiveRecorder, Writer, open_recorder
from realtime_engine.recording.reader import Recording
from realtime_engine.recording.writer import Recorder, Warn
from tests.recording.parrot import TALK, speech, steps_of, unwarned

SECOND = 1.0


async def until_written(recorder: LiveRecorder, inputs: int) -> None:
    """Wait until the recording holds so many inputs; a test that waits in vain fails after ten seconds."""
    with trio.fail_after(10):
        while len(read(recorder.folder)) < inputs:  # noqa: ASYNC110 - the file is written by a thread
            await trio.sleep(0.01)


def read(folder: Path) -> list[Step]:
    with Recording(folder) as recording:
        return [step for step in recording.steps() if step.input is not None]


async def test_a_conversation_is_written_while_it_lasts_and_complete_when_it_is_over(tmp_path: Path) -> None:
    steps = steps_of(TALK)

    async with open_recorder(tmp_path, SessionOptions(), front="wav", upstream="local", warn=unwarned) as recorder:
        for step in steps[:4]:
            recorder.record(step)
        await until_written(recorder, 4)
        for step in steps[4:]:
            recorder.record(step)
        recorder.end(3.0, "the front has left")

    with Recording(recorder.folder) as recording:
        assert recording.cut is None
        assert [step.input for step in recording.steps() if step.input] == [given for _, given in TALK]


async def test_one_thread_writes_many_recordings_each_to_its_own_end(tmp_path: Path) -> None:
    def writing() -> list[threading.Thread]:  # without those of other tests, which end when they like
        return [each for each in threading.enumerate() if each.name == "recorder" and each not in before]

    before, steps = threading.enumerate(), steps_of(TALK)
    with Writer() as writer:
        assert len(writing()) == 1

        folders: list[Path] = []

        async def talk(seconds: float) -> None:
            async with open_recorder(
                tmp_path, SessionOptions(), front="ws", upstream="local", warn=unwarned, writer=writer
            ) as recorder:
                folders.append(recorder.folder)
                for step in steps:
                    recorder.record(step)
                await trio.sleep(seconds)
                assert len(writing()) == 1
                recorder.end(seconds, "over")

        async with trio.open_nursery() as nursery:
            for n in range(5):
                nursery.start_soon(talk, n / 10)
    with trio.fail_after(10):
        while writing():  # noqa: ASYNC110 - a thread says nothing when it is gone
            await trio.sleep(0.01)

    recordings = [Recording(folder) for folder in folders]
    assert [recording.cut for recording in recordings] == [None] * 5
    assert all(len(list(recording.steps())) == len(steps) for recording in recordings)


@pytest.mark.parametrize(("takes", "then_waits"), [(0.0, PERIOD), (0.75 * PERIOD, 0.25 * PERIOD), (2 * PERIOD, 0.0)])
def test_a_write_begins_each_period_however_long_the_last_one_took(
    monkeypatch: pytest.MonkeyPatch, takes: float, then_waits: float
) -> None:
    now, waited = 100.0, []

    class Slow:
        def write(self) -> bool:
            nonlocal now
            now += takes
            return False

    class News:
        def wait(self, seconds: float) -> None:
            waited.append(seconds)
            writer._over = len(waited) == 3

        def clear(self) -> None:
            """Nothing is new."""

    monkeypatch.setattr(live, "monotonic", lambda: now)
    writer = Writer()
    writer._open = {Slow(): None}  # type: ignore[dict-item]  # it stands in for a recorder
    writer._news = News()  # type: ignore[assignment]
    writer._write()

    assert waited[1:] == pytest.approx([then_waits] * 2)


async def test_the_header_of_an_audio_file_is_right_at_the_end_though_it_may_say_less_before(tmp_path: Path) -> None:
    async with open_recorder(tmp_path, SessionOptions(), front="wav", upstream="local", warn=unwarned) as recorder:
        for at in range(3):
            recorder.record(Step(float(at), speech(b"abcd" * 100), []))
            await until_written(recorder, at + 1)

    with wave.open(str(recorder.folder / "front.wav")) as file:
        assert file.getnframes() == 600


async def test_what_a_link_uses_again_is_copied(tmp_path: Path) -> None:
    buffer, commands = bytearray(b"abcd"), [Note("first")]

    async with open_recorder(tmp_path, SessionOptions(), front="wav", upstream="local", warn=unwarned) as recorder:
        view = memoryview(buffer)
        recorder.record(Step(0.0, Message(Side.FRONT, Kind.BINARY, view), commands))  # type: ignore[arg-type]
        buffer[:] = b"????"
        commands.clear()

    (step,) = read(recorder.folder)
    assert step == Step(0.0, speech(b"abcd"), [Note("first")])


async def test_a_batch_that_was_passed_on_is_a_step_for_each_message(tmp_path: Path) -> None:
    buffer = bytearray(b"abcd")

    async with open_recorder(tmp_path, SessionOptions(), front="ws", upstream="openai", warn=unwarned) as recorder:
        recorder.record(Step(0.0, speech(b"first"), [Note("first")]))
        batch = [speech(b"one"), Message(Side.FRONT, Kind.BINARY, memoryview(buffer))]  # type: ignore[arg-type]
        recorder.passed(1.0, batch)
        buffer[:] = b"????"
        batch.clear()
        recorder.record(Step(2.0, speech(b"last"), []))

    assert read(recorder.folder)[1:] == [
        Step(1.0, speech(b"one"), [FORWARD]),
        Step(1.0, speech(b"abcd"), [FORWARD]),
        Step(2.0, speech(b"last"), []),
    ]


async def test_a_block_that_fails_leaves_all_that_was_recorded_and_counts_as_cut_off(tmp_path: Path) -> None:
    recorders = []

    async def fail() -> None:
        async with open_recorder(tmp_path, SessionOptions(), front="wav", upstream="local", warn=unwarned) as recorder:
            recorders.append(recorder)
            for step in steps_of(TALK):
                recorder.record(step)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    with Recording(recorders[0].folder) as recording:
        assert recording.cut == "cut off"
        assert len(list(recording.steps())) == len(steps_of(TALK))


async def test_a_block_that_is_cancelled_leaves_all_that_was_recorded(tmp_path: Path) -> None:
    with trio.CancelScope() as scope:
        async with open_recorder(tmp_path, SessionOptions(), front="wav", upstream="local", warn=unwarned) as recorder:
            recorder.record(steps_of(TALK)[0])
            scope.cancel()
            await trio.sleep_forever()

    assert len(read(recorder.folder)) == 1


async def test_a_place_that_cannot_be_written_is_said_before_the_conversation(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match="cannot record in"):
        async with open_recorder(tmp_path / "file", SessionOptions(), front="wav", upstream="local", warn=unwarned):
            raise AssertionError("there is no recorder")


class Stuck:
    """A disk on which nothing can be written until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._free = threading.Event()
        append = GrowingFile.append

        def wait(file: GrowingFile, content: bytes) -> None:
            assert self._free.wait(10 * SECOND)
            append(file, content)

        self.go = self._free.set
        self._wait = wait
        self._monkeypatch = monkeypatch

    def stick(self) -> None:
        self._monkeypatch.setattr(GrowingFile, "append", self._wait)


async def test_a_writer_too_far_behind_ends_the_recording_and_not_the_conversation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    disk = Stuck(monkeypatch)
    large = bytes(MOST_BEHIND // 4)

    async with open_recorder(
        tmp_path, SessionOptions(), front="wav", upstream="local", warn=warnings.append
    ) as recorder:
        disk.stick()
        for at in range(8):
            recorder.record(Step(at / 10, speech(large), [Send(Side.FRONT, b"{}")]))
        disk.go()
        await until_written(recorder, 4)
        recorder.end(3.0, "over")

    assert len(read(recorder.folder)) == 4
    assert warnings == [f"the recording {recorder.folder} ends at 0.300 s: the disk is 8 MiB behind"]
    told = read_about((recorder.folder / "recording.json").read_bytes(), "it").ended
    assert told is not None
    assert (told.complete, told.n, told.reason) == (False, 4, "the disk is 8 MiB behind")


async def test_all_that_waits_counts_also_the_results_of_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    disk = Stuck(monkeypatch)
    third = "x" * (MOST_BEHIND // 3)

    async with open_recorder(
        tmp_path, SessionOptions(), front="wav", upstream="local", warn=warnings.append
    ) as recorder:
        disk.stick()
        recorder.record(Step(0.1, ToolResult("call_1", third), []))
        recorder.record(Step(0.2, ToolResult("call_2", third), [Send(Side.UPSTREAM, third.encode())]))
        recorder.record(Step(0.3, ToolResult("call_3", "more"), []))
        disk.go()

    assert len(read(recorder.folder)) == 2
    assert len(warnings) == 1


async def test_a_full_disk_gives_one_warning_while_the_conversation_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: GrowingFile, content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    warnings: list[str] = []
    async with open_recorder(
        tmp_path, SessionOptions(), front="wav", upstream="local", warn=warnings.append
    ) as recorder:
        recorder.record(steps_of(TALK)[0])
        await until_written(recorder, 1)
        monkeypatch.setattr(GrowingFile, "append", full)
        with trio.fail_after(10):
            while not warnings:
                recorder.record(steps_of(TALK)[1])
                await trio.sleep(0.01)

    assert warnings == [f"the recording {recorder.folder} ends at 0.000 s: No space left on device"]


async def test_a_disk_that_never_answers_holds_up_the_end_for_a_stated_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    disk = Stuck(monkeypatch)
    monkeypatch.setattr(live, "GRACE", 0.01)

    async with open_recorder(
        tmp_path, SessionOptions(), front="wav", upstream="local", warn=warnings.append
    ) as recorder:
        disk.stick()
        recorder.record(steps_of(TALK)[0])

    assert warnings == [f"the recording {recorder.folder} is not all written: the disk does not answer"]
    disk.go()
    await until_written(recorder, 1)


async def test_to_wait_for_a_disk_takes_no_thread_from_anybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Stuck(monkeypatch)
    left = trio.Event()

    async def talk() -> None:
        async with open_recorder(tmp_path, SessionOptions(), front="wav", upstream="local", warn=unwarned) as recorder:
            disk.stick()
            recorder.record(steps_of(TALK)[0])
            left.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk)
        await left.wait()
        await trio.testing.wait_all_tasks_blocked()
        assert trio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
        assert nursery.child_tasks
        disk.go()


async def test_recordings_that_cannot_begin_take_no_thread_from_anybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Stuck(monkeypatch)
    disk.stick()
    begun: list[Path] = []

    async def talk(writer: Writer) -> None:
        async with open_recorder(
            tmp_path, SessionOptions(), front="ws", upstream="local", warn=unwarned, writer=writer
        ) as recorder:
            begun.append(recorder.folder)

    with Writer() as writer:
        async with trio.open_nursery() as nursery:
            for _ in range(2 * BEGINNINGS):
                nursery.start_soon(talk, writer)
            await trio.testing.wait_all_tasks_blocked()
            assert trio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
            assert writer.beginnings.borrowed_tokens == BEGINNINGS
            disk.go()

    assert len(begun) == 2 * BEGINNINGS


def test_a_disk_that_answers_when_the_loop_is_gone_stops_no_other_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Stuck(monkeypatch)

    async def talk(writer: Writer, warn: Warn, *, stick: bool) -> Path:
        async with open_recorder(
            tmp_path, SessionOptions(), front="ws", upstream="local", warn=warn, writer=writer
        ) as recorder:
            if stick:
                disk.stick()
            recorder.record(steps_of(TALK)[0])
            recorder.end(0.0, "over")
        return recorder.folder

    warnings: list[str] = []
    with Writer() as writer:
        with monkeypatch.context() as patch:
            patch.setattr(live, "GRACE", 0.01)
            given_up = trio.run(partial(talk, writer, warnings.append, stick=True))
        disk.go()
        later = trio.run(partial(talk, writer, unwarned, stick=False))

    assert len(warnings) == 1
    assert [Recording(folder).cut for folder in (given_up, later)] == [None, None]


@pytest.mark.parametrize(
    ("broken", "warning"),
    [
        ("record_all", "ends at 0.000 s"),
        ("end", "ends at 0.000 s"),
        ("close", "is not all written"),
    ],
)
async def test_a_fault_in_one_recording_ends_that_one_and_no_other(
    broken: str, warning: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    sound = getattr(Recorder, broken)

    def fail(recorder: Recorder, *args: object, **options: object) -> None:
        if recorder.folder == unlucky.folder:
            raise ZeroDivisionError
        sound(recorder, *args, **options)

    with Writer() as writer:
        recording = partial(open_recorder, tmp_path, SessionOptions(), front="ws", upstream="local", writer=writer)
        async with recording(warn=unwarned) as lucky:
            async with recording(warn=warnings.append) as unlucky:
                monkeypatch.setattr(Recorder, broken, fail)
                unlucky.record(steps_of(TALK)[0])
                unlucky.end(0.0, "over")
            lucky.record(steps_of(TALK)[0])
            lucky.end(0.0, "over")

    (told,) = warnings
    assert told.startswith(f"the recording {unlucky.folder} {warning}: a fault in the engine: ZeroDivisionError in ")
    assert Recording(lucky.folder).cut is None
    assert len(read(lucky.folder)) == 1


async def test_a_fault_is_told_while_the_conversation_goes_on_unrecorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(recorder: Recorder, steps: Iterable[Step], *, headers: bool) -> None:
        raise ZeroDivisionError

    warnings: list[str] = []
    async with open_recorder(
        tmp_path, SessionOptions(), front="wav", upstream="local", warn=warnings.append
    ) as recorder:
        recorder.record(steps_of(TALK)[0])
        await until_written(recorder, 1)
        monkeypatch.setattr(Recorder, "record_all", fail)
        with trio.fail_after(10):
            while not warnings:
                recorder.record(steps_of(TALK)[1])
                await trio.sleep(0.01)
        recorder.record(steps_of(TALK)[2])
        recorder.end(3.0, "over")

    assert len(warnings) == 1
    with Recording(recorder.folder) as recording:
        assert recording.cut is not None
        assert recording.cut.startswith("ended early: a fault in the engine: ZeroDivisionError")
