import pytest

from realtime_engine.errors import (
    EngineError,
    RecordingError,
    RemoteProtocolError,
    Stalled,
    UpstreamError,
    UsageError,
    first,
    place,
)
from realtime_engine.inputs import Side


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (EngineError("x"), 3),
        (UsageError("x"), 2),
        (RecordingError("x"), 2),
        (RemoteProtocolError("x", side=Side.FRONT), 3),
        (UpstreamError("x"), 3),
        (Stalled("x"), 3),
    ],
)
def test_an_error_knows_the_exit_status_of_the_command_line(error: EngineError, status: int) -> None:
    assert error.exit_status == status


def test_an_error_of_a_recording_names_the_line() -> None:
    error = RecordingError("line 7 is torn", line=7)

    assert (str(error), error.line) == ("line 7 is torn", 7)
    assert RecordingError("no such folder").line is None


def test_an_error_of_a_peer_names_the_peer_and_the_close_code() -> None:
    error = RemoteProtocolError("a reserved bit is set", side=Side.UPSTREAM)

    assert str(error) == "upstream: a reserved bit is set"
    assert (error.side, error.close_code) == (Side.UPSTREAM, 1002)
    assert RemoteProtocolError("too big", side=Side.FRONT, close_code=1009).close_code == 1009


@pytest.mark.parametrize(
    ("status", "final"), [(None, False), (401, True), (404, True), (408, False), (429, False), (503, False)]
)
def test_a_refusal_is_final_if_the_network_is_not_to_blame(status: int | None, final: bool) -> None:
    assert UpstreamError("no", status=status).final == final
    assert UpstreamError("no", status=status, final=True).final


def test_the_first_error_of_a_group_tells_and_an_error_tells_itself() -> None:
    error = UsageError("first")
    inner = BaseExceptionGroup("from a nursery", [error, KeyboardInterrupt()])

    assert first(BaseExceptionGroup("from the one around it", [inner, ValueError("second")])) is error
    assert first(error) is error


def test_the_place_of_a_fault_is_modules_and_lines_and_not_what_was_in_them() -> None:
    def dig(depth: int) -> None:
        if depth == 0:
            raise ValueError("sk-secret")
        dig(depth - 1)

    with pytest.raises(ValueError, match="sk-secret") as caught:
        dig(20)

    frames = place(caught.value).split(" > ")
    assert len(frames) == 8
    assert all(frame.startswith("tests.test_errors:") for frame in frames)
    assert place(ValueError("raised by nobody")) == ""
