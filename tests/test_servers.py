from realtime_engine.servers import is_server, is_supervisor


class Serving:
    """A stranger's server."""

    async def serve(self) -> None: ...


def test_a_transport_that_serves_is_told_from_one_that_holds_one_conversation() -> None:
    assert is_server(Serving)
    assert not is_server(object)


def test_a_server_may_leave_the_serving_to_other_processes() -> None:
    class Supervises:
        supervises = True

    assert is_supervisor(Supervises())
    assert not is_supervisor(object())
