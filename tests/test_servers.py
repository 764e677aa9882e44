from collections.abc import Callable, Sequence

from realtime_engine.servers import is_server, is_supervisor


class Serving:
    """A stranger's server."""

    async def serve(self) -> None: ...


def test_a_transport_that_serves_is_told_from_one_that_holds_one_conversation() -> None:
    assert is_server(Serving)
    assert not is_server(object)


class Supervising(Serving):
    """One that leaves the serving to others, if it has any."""

    def __init__(self, workers: int) -> None:
        self.supervises = workers > 1

    def supervise(self, announce: Callable[[Sequence[str]], None]) -> int:
        raise AssertionError("it is only asked whether it would")


def test_a_server_may_leave_the_serving_to_other_processes() -> None:
    assert is_supervisor(Supervising(workers=2))
    assert not is_supervisor(Supervising(workers=1))
    assert not is_supervisor(Serving())
