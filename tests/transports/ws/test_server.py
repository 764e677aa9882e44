"""The server over real sockets: page, HTTP and WebSockets on one port."""

from tests.servers import open_client, open_server


async def test_a_realtime_client_has_its_question_answered() -> None:
    async with open_server() as server, open_client(f"{server.ws_url}/v1/realtime?model=any") as client:
        created = await client.hear()
        done = await client.ask("Are you there?")

    assert created["type"] == "session.created"
    assert done["response"]["status"] == "completed"


async def test_a_managed_front_is_told_what_is_pinned_and_has_its_question_answered() -> None:
    async with open_server() as server, open_client(f"{server.ws_url}/ws") as client:
        told = await client.hear()
        done = await client.ask("Are you there?")

    assert (told["type"], told["upstream"], told["pinned"]) == ("engine.session", "local", {})
    assert done["response"]["status"] == "completed"
