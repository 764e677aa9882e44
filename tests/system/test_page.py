"""The page without a voice: writing, tools, deleting, the inspector, messages, keys, and how it is served."""

import base64
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

import pytest
from playwright.sync_api import Browser, Download, WebSocketRoute, expect

from tests.system.browser import PHONE, WAIT, Event, Scripted, Server, Visit, chromium, serving, visiting
from tests.wires import free_port

READY: Final = 300  # milliseconds; page_soak asks for 150, on a machine that has nothing else to do
REPLIES: Final = """
[[reply]]
text = "weather on the moon"
call = { name = "get_weather", arguments = { planet = "Moon" } }

[[reply]]
text = "weather"
call = { name = "get_weather", arguments = { city = "Paris" } }

[[reply]]
after = "get_weather"
say = "It is sunny."

[[reply]]
text = "fail"
fail = { code = "rate_limit_exceeded", message = "Slow down.", type = "rate_limit_error" }

[[reply]]
text = "key"
error = { code = "invalid_api_key", message = "Incorrect API key provided." }

[[reply]]
text = "leave"
close = { code = 1011, reason = "worn out" }

[[reply]]
text = "poem"
say = "Roses are red, violets are blue, sugar is sweet, and so on and so forth for quite a while, until somebody says \
that it is enough."
"""
TOOLS: Final = '''
"""Tools."""


def get_weather(city: str) -> dict[str, str]:
    """The weather in a city."""
    return {"city": city, "sky": "sunny"}
'''


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """It has no microphone."""
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    folder = tmp_path_factory.mktemp("server")
    script, tools = folder / "replies.toml", folder / "page_tools.py"
    script.write_text(REPLIES, "utf-8")
    tools.write_text(TOOLS, "utf-8")
    return "--script", str(script), "--tools", str(tools)


@pytest.fixture(scope="module")
def server(arguments: tuple[str, ...]) -> Iterator[Server]:
    with serving(*arguments) as started:
        yield started


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("access") / "token"
    path.write_text("a-token-that-is-long-enough-for-anybody\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def guarded(arguments: tuple[str, ...], token: Path) -> Iterator[Server]:
    """A server that asks for a token."""
    with serving(*arguments, "--token-file", str(token)) as started:
        yield started


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visit]:
    with visiting(browser, server.url) as opened:
        yield opened


def test_whoever_comes_is_told_where_the_voice_goes_and_nothing_else_of_the_address(
    browser: Browser, server: Server
) -> None:
    upstream = f"ws://localhost:{server.port}/v1/realtime?api-key=sesame"
    with serving(upstream=upstream) as ours, visiting(browser, ours.url) as visit:
        visit.shows("#where", f"goes to 127.0.0.1:{ours.port} and from there to the model at localhost.")
        told = visit.page.request.get(f"{ours.url}about").text()
        assert "sesame" not in told
        assert "v1/realtime" not in told

        visit.write("Hello")

        visit.comes("session.created")
        assert visit.page.inner_text("#upstream") == "localhost"


# --- the conversation ----------------------------------------------------------------------------------------------


def test_what_is_written_is_answered_aloud_and_in_words(visit: Visit) -> None:
    visit.write("Good morning")
    visit.state("speaking")
    visit.shows(".turn.assistant .text", "You said: Good morning")
    visit.comes("output_audio_buffer.stopped")

    assert visit.page.locator(".turn .text").all_inner_texts() == ["Good morning", "You said: Good morning"]
    assert "tokens" in visit.page.inner_text("#usage")
    visit.state("muted")


def test_an_answer_grows_while_it_comes_and_is_lighter_until_it_is_all_there(visit: Visit) -> None:
    visit.write("a poem")
    visit.shows(".turn.assistant .partial", "Roses")
    visit.goes("output_audio_buffer.played", 12)

    visit.page.keyboard.press("Escape")

    visit.shows(".turn.assistant .cut", "heard")
    visit.comes("conversation.item.truncated")
    text = visit.page.inner_text(".turn.assistant .text")
    assert text.startswith("Roses")
    assert "enough" not in text


def test_a_call_is_one_line_that_opens_to_its_arguments_result_and_time(visit: Visit) -> None:
    visit.write("How is the weather?")
    visit.shows(".turn.tool .took", "ms")
    visit.shows(".turn.assistant .text", "It is sunny.")

    assert visit.page.inner_text(".turn.tool code") == 'get_weather("Paris")'
    assert not visit.page.locator(".turn.tool pre").first.is_visible()
    visit.page.click(".turn.tool summary")
    given, got = visit.page.locator(".turn.tool pre").all_inner_texts()
    assert json.loads(given) == {"city": "Paris"}
    assert json.loads(got) == {"city": "Paris", "sky": "sunny"}


def test_a_call_that_fails_says_so_and_why(visit: Visit) -> None:
    visit.write("How is the weather on the moon?")
    visit.shows(".turn.tool .took", "failed")
    visit.comes("response.done", 2)

    visit.page.click(".turn.tool summary")
    _, got = visit.page.locator(".turn.tool pre").all_inner_texts()
    assert got == "wrong arguments for get_weather: Object contains unknown field `planet`"


def test_a_turn_that_is_deleted_is_gone_here_and_for_the_model(visit: Visit) -> None:
    visit.write("Forget this")
    visit.comes("response.done")
    visit.page.hover(".turn.user")
    visit.page.click(".turn.user .delete")

    deleted = visit.comes("conversation.item.deleted")

    visit.page.wait_for_selector(".turn.user", state="detached", timeout=WAIT)
    assert deleted["item_id"] == visit.goes("conversation.item.delete")["item_id"]
    assert visit.page.locator(".turn").count() == 1
    assert visit.page.evaluate("() => document.activeElement.closest('.turn').className") == "turn assistant"


def test_writing_during_an_answer_interrupts_it(visit: Visit) -> None:
    visit.write("a poem")
    visit.state("speaking")
    visit.write("Enough")

    visit.comes("conversation.item.truncated")
    visit.shows(".turn.assistant .text", "You said: Enough")


def test_settings_reach_the_model(visit: Visit) -> None:
    visit.page.click("#show-settings")
    visit.page.select_option("#voice", "cedar")
    visit.page.fill("#instructions", "Be brief.")
    visit.page.check("input[name=turns][value=semantic_vad]")
    visit.page.select_option("#eagerness", "high")
    visit.page.keyboard.press("Escape")
    visit.write("Hello")

    def now() -> Event:
        return cast("Event", visit.all("session.updated")[-1]["session"])

    visit.comes("session.updated", 4)
    visit.until(lambda: now()["audio"]["input"]["transcription"] is not None, "no transcript was asked for")
    session = now()
    assert session["audio"]["output"]["voice"] == "cedar"
    assert session["instructions"] == "Be brief."
    assert session["audio"]["input"]["turn_detection"]["eagerness"] == "high"


def test_a_voice_that_can_no_longer_be_changed_says_so_beside_it(visit: Visit) -> None:
    visit.write("Hello")
    visit.comes("output_audio_buffer.stopped")
    visit.page.click("#show-settings")
    visit.page.select_option("#voice", "cedar")

    visit.shows("[data-path='audio.output.voice'] .problem", "next conversation")
    assert not visit.page.is_visible("#message")


def locks(visit: Visit) -> dict[str, str]:
    """What the locked settings say of themselves, by the path of each."""
    said = "(boxes) => boxes.map((box) => [box.dataset.path, box.querySelector('.lock').innerText])"
    return dict(visit.page.locator("fieldset:disabled").evaluate_all(said))


def test_what_the_operator_set_is_shown_locked_with_the_reason_before_and_in_a_conversation(browser: Browser) -> None:
    with (
        serving("--voice", "cedar", "--instructions", "Be brief.") as server,
        visiting(browser, server.url) as visit,
    ):
        visit.page.click("#show-settings")
        locked = dict.fromkeys(["audio.output.voice", "instructions"], "Set by the operator.")

        def is_told() -> bool:
            fields = visit.page.input_value("#voice"), visit.page.input_value("#instructions")
            return (*fields, locks(visit)) == ("cedar", "Be brief.", locked)

        visit.until(is_told, "it is not shown before")
        visit.write("Hello")
        visit.comes("session.updated")
        visit.until(is_told, "it is not shown in the conversation")
        assert visit.page.is_enabled("input[value=semantic_vad]")


def test_what_the_operator_has_closed_is_shown_as_soon_as_it_is_known(browser: Browser) -> None:
    with serving("--client-may-set", "audio.input") as server, visiting(browser, server.url) as visit:
        visit.page.click("#show-settings")
        later = "Set by the operator. It is shown here once you are connected."
        visit.until(lambda: locks(visit) == dict.fromkeys(["audio.output.voice", "instructions"], later), "not told")
        assert not visit.page.is_visible("#voice")
        assert not visit.page.is_visible("#instructions")

        visit.write("Hello")

        visit.shows("#voice")
        assert visit.page.input_value("#voice") == visit.comes("session.created")["session"]["audio"]["output"]["voice"]
        assert locks(visit) == dict.fromkeys(["audio.output.voice", "instructions"], "Set by the operator.")


def test_what_a_server_gives_as_the_reason_is_shown_as_it_is(visit: Visit) -> None:
    server = Scripted(visit)
    visit.shows("#upstream", "embedded model")  # all that the real server says has come
    server.say("engine.session", upstream="local", pinned={"audio.output.voice": "the voice of the house"})
    voice = {"audio": {"output": {"voice": {"id": "voice_of_the_house"}}}}
    server.say("session.created", session={"type": "realtime", **voice})
    visit.page.click("#show-settings")

    visit.shows("#voice")
    assert locks(visit) == {"audio.output.voice": "The voice of the house."}
    assert visit.page.input_value("#voice") == "voice_of_the_house"


def test_what_a_server_does_not_tell_is_not_promised_any_more_once_it_has_spoken(visit: Visit) -> None:
    server = Scripted(visit)
    server.say("engine.session", upstream="local", may_set="none")
    visit.page.click("#show-settings")
    visit.shows("[data-path='audio.output.voice'] .later")
    server.say("session.created", session={"type": "realtime", "instructions": "Be brief."})

    visit.shows("#instructions")
    assert visit.page.input_value("#instructions") == "Be brief."
    closed = ["audio.input.turn_detection", "audio.input.transcription", "audio.output.voice", "instructions"]
    assert locks(visit) == dict.fromkeys(closed, "Set by the operator.")
    assert not visit.page.is_visible("#voice")
    assert not visit.page.is_visible("[name=turns]")


# --- the inspector -------------------------------------------------------------------------------------------------


def rows(visit: Visit) -> list[str]:
    found = visit.page.locator(".rows li:not([hidden]) .type").all_text_contents()
    return [text for text in found if text]


def test_the_inspector_shows_each_event_and_counts_what_repeats(visit: Visit) -> None:
    visit.write("a poem")
    visit.comes("response.done")

    assert rows(visit)[:2] == ["engine.session", "session.created"]
    run = visit.page.locator(".rows li", has=visit.page.get_by_text("output_audio.", exact=False)).first
    assert int((run.locator(".count").text_content() or "")[1:]) > 5  # without the sign of multiplication
    visit.page.locator(".row", has_text="session.created").click()
    shown = json.loads(visit.page.inner_text(".json pre"))
    assert shown["session"]["model"] == "local"


def test_audio_in_the_inspector_is_shortened(visit: Visit) -> None:
    visit.write("Hello")
    visit.comes("response.done")
    visit.page.locator(".row", has_text="output_audio.delta").first.click()

    visit.shows(".json pre", "kB of audio")


def test_a_row_that_is_pressed_stays_under_the_pointer_while_others_come(visit: Visit) -> None:
    server = Scripted(visit)
    for number in range(100):
        server.say(f"example.event_{number}")
    visit.shows(".row", "event_99")
    visit.painted()
    visit.page.locator(".row", has_text="event_98").hover()
    visit.page.mouse.down()
    for number in range(100, 200):
        server.say(f"example.event_{number}")
    visit.until(lambda: rows(visit)[-1] == "example.event_199", "they are not shown")
    visit.page.mouse.up()

    visit.shows(".json pre", "example.event_98")
    expect(visit.page.locator(".row").last).to_be_in_viewport(timeout=WAIT)


def test_events_are_filtered_by_text_without_audio_and_by_errors(visit: Visit) -> None:
    visit.write("fail")
    visit.comes("response.done")
    visit.page.fill("#filter", "slow down")
    visit.until(lambda: rows(visit) == ["response.done"], "it is not the only one")
    visit.page.fill("#filter", "")

    visit.page.check("#only-errors")
    assert rows(visit) == ["response.done"]
    assert visit.page.locator(".failed .row").first.is_visible()
    visit.page.uncheck("#only-errors")

    visit.write("Hello")
    visit.comes("response.output_audio.done")
    visit.page.check("#hide-audio")
    visit.until(lambda: "response.output_audio.done" in rows(visit), "it is not shown")
    assert "response.output_audio.delta" not in rows(visit)


def test_what_is_shown_can_be_copied_and_saved_as_json_lines(visit: Visit, tmp_path: Path) -> None:
    visit.write("Hello")
    visit.comes("response.done")
    visit.page.fill("#filter", "session.")
    visit.page.click("#copy")
    visit.shows("#copy", "Copied")
    copied = visit.page.evaluate("() => navigator.clipboard.readText()")

    with visit.page.expect_download() as download:
        visit.page.click("#save")
    saved = saved_text(download.value, tmp_path)

    lines = [json.loads(line) for line in saved.splitlines()]
    assert saved == copied
    assert {line["event"]["type"] for line in lines} >= {"session.created", "session.updated", "session.update"}
    assert all(line["at"] >= 0 and {"from", "to"} & line.keys() for line in lines)
    assert visit.page.inner_text("#kept") == "The newest 4,000 events are kept"


def saved_text(download: Download, folder: Path) -> str:
    assert re.fullmatch(r"events-[\dT-]+\.jsonl", download.suggested_filename)
    path = folder / "saved.jsonl"
    download.save_as(path)
    return path.read_text("utf-8")


def test_the_inspector_can_be_halted(visit: Visit) -> None:
    visit.write("Hello")
    visit.comes("response.done")
    visit.until(lambda: "response.done" in rows(visit), "it is not shown")
    visit.page.click("#pause")
    visit.painted()  # a picture may have been under way
    before = rows(visit)
    visit.write("fail")
    visit.comes("response.done", 2)

    assert rows(visit) == before
    visit.page.click("#pause")
    visit.until(lambda: len(rows(visit)) > len(before), "it does not go on")


# --- messages ------------------------------------------------------------------------------------------------------


def test_without_a_microphone_the_page_says_so_and_one_can_write(visit: Visit) -> None:
    visit.page.click("#talk")
    visit.shows("#message-what", "There is no microphone")

    visit.write("Hello")

    visit.shows(".turn.assistant .text", "You said: Hello")


def test_the_button_hears_nobody_while_there_is_no_microphone(visit: Visit) -> None:
    visit.page.click("#show-settings")
    visit.page.check("input[name=turns][value=none]")
    visit.page.keyboard.press("Escape")
    visit.write("Hello")
    visit.comes("output_audio_buffer.stopped")
    visit.page.evaluate("() => document.activeElement.blur()")
    visit.remember_states()
    visit.page.keyboard.down("Space")
    visit.shows("#message-what", "There is no microphone")
    visit.page.keyboard.up("Space")

    visit.goes("input_audio_buffer.clear")
    assert "hearing" not in visit.states()
    assert not visit.all_sent("input_audio_buffer.commit")


def test_a_full_server_says_when_to_try_again(browser: Browser, arguments: tuple[str, ...]) -> None:
    with serving(*arguments, "--max-sessions", "1") as server, visiting(browser, server.url) as first:
        first.write("Hello")
        first.comes("session.created")
        with visiting(browser, server.url) as second:
            second.page.click("#talk")
            second.shows("#message-what", "The server is full")
            assert re.search(r"in about \d+ seconds", second.page.inner_text("#message-why"))
            second.state("off")

            first.page.click("#end")

            def is_let_in() -> bool:
                if second.page.is_visible("#message-act"):
                    second.page.click("#message-act")
                return bool(second.all("session.created"))

            second.until(is_let_in, "the place has not come free")


def test_a_server_that_restarts_is_found_again(browser: Browser, arguments: tuple[str, ...]) -> None:
    with serving(*arguments) as server, visiting(browser, server.url) as visit:
        visit.page.clock.install()
        visit.write("a poem")
        visit.state("speaking")
        server.stop(at_once=True)
        visit.shows("#message-what", "The server does not answer")
        visit.shows("#message-act", "Try now (")
        server.start()
        visit.page.clock.run_for(3_000)

        visit.comes("session.created", 2)
        assert not visit.page.is_visible("#message")
        assert visit.page.locator(".partial:not(:empty)").count() == 0
        visit.write("Are you back?")
        visit.state("speaking")
        visit.shows(".turn.assistant .text", "You said: Are you back?")
        assert "does not remember" in visit.page.inner_text(".divider")


def test_a_network_that_is_gone_is_missed_and_the_page_goes_on_when_it_is_back(visit: Visit) -> None:
    visit.page.clock.install()
    visit.write("Hello")
    visit.comes("session.created")
    visit.page.context.set_offline(True)
    visit.shows("#message-what", "The server does not answer")
    visit.page.context.set_offline(False)
    visit.page.clock.run_for(3_000)

    visit.comes("session.created", 2)


def test_whoever_gives_up_while_the_page_connects_is_not_connected_after_all(
    browser: Browser, arguments: tuple[str, ...]
) -> None:
    with serving(*arguments) as server, visiting(browser, server.url) as visit:
        assert server.process is not None
        server.process.send_signal(signal.SIGSTOP)
        visit.page.click("#talk")
        visit.state("connecting")
        visit.page.click("#talk")
        visit.state("off")
        server.process.send_signal(signal.SIGCONT)
        visit.write("Now I want to talk")

        visit.comes("response.created")
        assert len(visit.all("session.created")) == 1
        assert not visit.page.is_visible("#message")


def test_a_key_that_is_refused_upstream_is_explained(visit: Visit) -> None:
    visit.write("key")
    visit.shows("#message-what", "The model's server refused the key")

    assert "OPENAI_API_KEY" in visit.page.inner_text("#message-why")


def test_a_key_that_is_refused_at_the_door_is_explained_and_not_shown(
    browser: Browser, guarded: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-key-that-nobody-has-given-out")
    upstream = f"ws://127.0.0.1:{guarded.port}/v1/realtime"
    with serving(upstream=upstream) as server, visiting(browser, server.url) as visit:
        visit.page.click("#talk")
        visit.shows("#message-act", "Start again")
        visit.state("off")

        assert visit.page.inner_text("#message-what") == "The model cannot be reached"
        why = visit.page.inner_text("#message-why")
        assert "127.0.0.1 refuses the connection (401): it does not accept the key of OPENAI_API_KEY: check it" in why
        assert why.endswith(".")
        assert "sk-" not in why


def test_an_upstream_that_is_not_there_is_explained_and_can_be_tried_again(browser: Browser) -> None:
    upstream = f"ws://127.0.0.1:{free_port()}/v1/realtime"
    with serving(upstream=upstream) as server, visiting(browser, server.url) as visit:
        visit.page.click("#talk")
        for attempt in (1, 2):
            visit.shows("#message-act", "Start again")
            assert visit.page.inner_text("#message-what") == "The model cannot be reached"
            assert "127.0.0.1" in visit.page.inner_text("#message-why")
            visit.page.click("#message-act")
            visit.comes("engine.session", attempt + 1)


def test_a_response_that_fails_is_explained_and_can_be_asked_for_again(visit: Visit) -> None:
    visit.write("fail")
    visit.shows("#message-what", "Too many requests")
    visit.page.click("#message-act")

    visit.goes("response.create", 2)


def test_nothing_can_be_asked_for_again_once_the_conversation_has_ended(visit: Visit) -> None:
    visit.write("fail")
    visit.shows("#message-act", "Ask again")
    visit.page.click("#end")
    visit.state("off")

    assert not visit.page.is_visible("#message")


def says(ws: WebSocketRoute, **event: object) -> None:
    ws.send(json.dumps({"event_id": "event_1", **event}))


def test_an_expired_session_is_explained_and_begun_anew(visit: Visit) -> None:
    sockets: list[WebSocketRoute] = []
    visit.page.route_web_socket("**/ws", lambda ws: sockets.append(ws))  # noqa: PLW0108 - playwright marks it
    visit.page.reload()
    visit.page.click("#talk")
    visit.shows("#live-word", "live")
    error = {"type": "invalid_request_error", "code": "session_expired", "message": "Your session hit the limit."}
    says(sockets[0], type="error", error=error)
    sockets[0].close(code=1011, reason="the upstream has failed")

    visit.shows("#message-what", "The session has expired")
    visit.state("off")
    visit.page.click("#message-act")
    visit.shows("#live-word", "live")
    assert len(sockets) == 2


def test_whoever_does_not_want_to_wait_for_a_lost_server_can_stop(browser: Browser, arguments: tuple[str, ...]) -> None:
    with serving(*arguments) as server, visiting(browser, server.url) as visit:
        visit.page.clock.install()
        visit.write("Hello")
        visit.comes("session.created")
        server.stop(at_once=True)
        visit.shows("#message-hide", "Stop trying")
        visit.page.click("#message-hide")
        visit.remember_states()
        visit.page.clock.run_for(10_000)

        assert "connecting" not in visit.states()
        visit.state("off")


def test_speech_in_a_format_for_telephones_is_not_played_as_noise(visit: Visit) -> None:
    sockets: list[WebSocketRoute] = []
    visit.page.route_web_socket("**/ws", lambda ws: sockets.append(ws))  # noqa: PLW0108 - playwright marks it
    visit.page.reload()
    visit.page.click("#talk")
    visit.shows("#live-word", "live")
    output = {"format": {"type": "audio/pcmu"}, "voice": "alloy"}
    says(sockets[0], type="session.created", session={"type": "realtime", "audio": {"output": output}})
    place = {"item_id": "answer", "response_id": "r", "content_index": 0}
    says(sockets[0], type="response.output_audio.delta", **place, delta="/////w==" * 1000)
    says(sockets[0], type="response.output_audio_transcript.delta", **place, delta="Hello.")

    visit.shows("#message-what", "Here one can only write and read")
    visit.shows(".turn.assistant .text", "Hello.")
    assert not visit.page.locator(".turn .play").first.is_visible()


def test_a_turn_whose_sound_had_to_make_room_can_no_longer_be_played(visit: Visit) -> None:
    sockets: list[WebSocketRoute] = []
    visit.page.route_web_socket("**/ws", lambda ws: sockets.append(ws))  # noqa: PLW0108 - playwright marks it
    visit.page.reload()
    visit.page.click("#talk")
    visit.shows("#live-word", "live")
    minute = base64.b64encode(bytes(60 * 48_000)).decode()
    delta = {"type": "response.output_audio.delta", "response_id": "r", "content_index": 0, "delta": minute}
    says(sockets[0], **delta, item_id="first")
    visit.shows(".turn .play", "60.0 s")
    for _ in range(8):
        says(sockets[0], **delta, item_id="second")

    visit.shows(".turn .play", "480.0 s")
    assert visit.page.locator(".turn .play:visible").count() == 1


def test_a_model_that_is_lost_and_comes_back_is_no_more_than_a_message(visit: Visit) -> None:
    sockets: list[WebSocketRoute] = []
    visit.page.route_web_socket("**/ws", lambda ws: sockets.append(ws))  # noqa: PLW0108 - playwright marks it
    visit.page.reload()
    visit.page.click("#talk")
    visit.shows("#message-what", "There is no microphone")  # which it may be long in saying
    visit.page.click("#message-hide")

    words = "response.output_audio_transcript.delta"
    says(sockets[0], type=words, item_id="answer", response_id="r", content_index=0, delta="I was about")
    said = {"id": "half", "type": "message", "role": "user", "status": "completed"}
    says(sockets[0], type="conversation.item.added", item={**said, "id": "whole", "content": []}, previous_item_id=None)
    says(sockets[0], type="input_audio_buffer.speech_started", item_id="half", audio_start_ms=0)
    visit.state("hearing")
    says(sockets[0], type="error", error={"code": "upstream_closed", "message": "lost"})
    says(sockets[0], type="engine.upstream", state="reconnecting", attempt=1, retry_in=2, reason="lost")
    visit.shows("#message-why", "connects again in 2 s")
    visit.painted()
    assert visit.page.locator(".turn").count() == 2  # what was half said is said again to the next connection
    assert visit.page.locator(".partial:not(:empty)").count() == 0
    says(sockets[0], type="engine.upstream", state="connected", attempt=1)

    visit.page.wait_for_selector("#message", state="hidden", timeout=WAIT)


def sign_in(visit: Visit, token: Path) -> None:
    visit.page.fill("#token", token.read_text("utf-8").strip())
    visit.page.click("#sign-in button")
    visit.page.wait_for_selector("#sign-in", state="hidden", timeout=WAIT)


def test_an_address_with_a_token_asks_for_it_and_keeps_it_out_of_reach(
    browser: Browser, guarded: Server, token: Path
) -> None:
    with visiting(browser, guarded.url) as visit:
        visit.shows("#sign-in")
        visit.page.fill("#token", "not it")
        visit.page.press("#token", "Enter")
        visit.shows("#sign-in-problem")
        assert visit.page.inner_text("#sign-in-problem")

        sign_in(visit, token)
        visit.write("Hello")

        visit.comes("session.created")
        cookies = visit.page.context.cookies()
        assert [(cookie["httpOnly"], cookie["sameSite"]) for cookie in cookies] == [(True, "Strict")]
        assert visit.page.evaluate("() => document.cookie + JSON.stringify(localStorage)") == "{}"


def test_a_cookie_that_is_no_longer_good_brings_the_sign_in_form_back_and_loses_nothing(
    browser: Browser, guarded: Server, token: Path
) -> None:
    with visiting(browser, guarded.url) as visit:
        sign_in(visit, token)
        visit.write("Hello")
        visit.shows(".turn.assistant .text", "You said: Hello")
        visit.page.click("#end")
        visit.page.context.clear_cookies()
        visit.write("Are you still there?")
        visit.shows("#sign-in")
        assert visit.page.locator(".turn .text").all_inner_texts() == ["Hello", "You said: Hello"]

        sign_in(visit, token)

        visit.shows(".turn.assistant .text", "You said: Are you still there?")


def test_the_sign_in_form_is_seen_whatever_part_of_the_page_is(browser: Browser, guarded: Server, token: Path) -> None:
    with visiting(browser, guarded.url, size=PHONE) as visit:
        sign_in(visit, token)
        visit.page.context.clear_cookies()
        visit.page.click("#tab-events")
        visit.page.keyboard.press("m")
        visit.shows("#sign-in")

        sign_in(visit, token)

        visit.comes("session.created")


def test_a_conversation_that_is_recorded_says_so_before_it_begins(
    browser: Browser, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    with serving(*arguments, "--record", str(tmp_path)) as server, visiting(browser, server.url) as visit:
        visit.shows("#recorded", "recorded")

        visit.shows("#where", "The conversation is recorded there.")


# --- keys ----------------------------------------------------------------------------------------------------------


def test_all_of_it_works_by_keyboard_alone(visit: Visit) -> None:
    press, focused = visit.page.keyboard.press, "() => document.activeElement.id"
    press("?")
    visit.shows("#keys h2", "Keys")
    press("Escape")
    press("/")
    assert visit.page.evaluate(focused) == "text"
    visit.page.keyboard.type("a poem / m e ?")
    press("Enter")
    visit.state("speaking")
    press("Escape")
    visit.comes("conversation.item.truncated")

    visit.page.evaluate("() => document.activeElement.blur()")
    press("e")
    assert not visit.page.is_visible("#events")
    press("e")
    visit.page.focus("#filter")
    for _ in range(3):
        press("Tab")
    press("End")
    press("Enter")
    visit.shows(".json pre")
    press("ArrowUp")
    assert visit.page.evaluate("() => document.activeElement.className") == "row"
    visit.page.evaluate("() => document.activeElement.blur()")
    press("m")
    visit.shows("#message-what", "There is no microphone")


def test_events_come_where_the_settings_were(visit: Visit) -> None:
    visit.write("Hello")
    visit.shows("#events")
    visit.page.click("#show-settings")
    assert not visit.page.is_visible("#events")
    visit.page.keyboard.press("e")

    assert visit.page.is_visible("#events")
    assert not visit.page.is_visible("#settings")


def test_space_presses_what_the_tab_key_has_led_to(visit: Visit) -> None:
    theme = "() => document.documentElement.dataset.theme"
    visit.page.click("#theme")
    assert visit.page.evaluate(theme) == "dark"
    visit.page.keyboard.press("Tab")
    visit.page.keyboard.press("Shift+Tab")
    visit.page.keyboard.press("Space")

    assert visit.page.evaluate(theme) == "light"
    visit.state("off")


def tab_to(visit: Visit, selector: str) -> None:
    """Walk there by the Tab key alone."""
    for _ in range(60):
        visit.page.keyboard.press("Tab")
        if visit.page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"the Tab key does not lead to {selector}")


def is_left_alone_by_space(visit: Visit) -> bool:
    """Whether space, pressed here, is nothing to the talk button."""
    visit.remember_states()
    visit.page.keyboard.press("Space")
    visit.painted()
    return visit.states() == []


def test_space_on_a_choice_or_a_slider_that_keys_have_led_to_begins_no_conversation(visit: Visit) -> None:
    tab_to(visit, "#show-settings")
    visit.page.keyboard.press("Enter")
    tab_to(visit, "[value=server_vad]")
    assert is_left_alone_by_space(visit)
    tab_to(visit, "#silence")
    assert is_left_alone_by_space(visit)

    visit.page.click("[value=server_vad]")
    visit.page.keyboard.press("ArrowDown")  # who clicked has begun to walk
    assert visit.page.is_checked("[value=semantic_vad]")
    assert is_left_alone_by_space(visit)
    visit.page.click("[value=server_vad]")
    assert not is_left_alone_by_space(visit)


@pytest.mark.parametrize("closed", ["Escape", "Enter"])
def test_who_has_opened_the_settings_by_keys_is_back_where_that_was_once_they_are_closed(
    visit: Visit, closed: str
) -> None:
    tab_to(visit, "#show-settings")
    visit.page.keyboard.press("Enter")
    visit.shows("#wishes")
    tab_to(visit, "#hide-settings")
    visit.page.keyboard.press(closed)

    visit.page.wait_for_selector("#wishes", state="hidden")
    expect(visit.page.locator("#show-settings")).to_be_focused(timeout=WAIT)


def test_who_has_opened_the_settings_by_a_click_is_at_the_talk_button_once_they_are_closed(visit: Visit) -> None:
    visit.page.click("#show-settings")
    tab_to(visit, "#voice")
    visit.page.keyboard.press("Escape")

    visit.page.wait_for_selector("#wishes", state="hidden")
    expect(visit.page.locator("#talk")).to_be_focused(timeout=WAIT)


def test_settings_that_are_closed_from_elsewhere_leave_the_focus_there(visit: Visit) -> None:
    visit.page.click("#show-settings")
    visit.page.fill("#text", "Hel")
    visit.page.keyboard.press("Escape")

    visit.page.wait_for_selector("#wishes", state="hidden")
    expect(visit.page.locator("#text")).to_be_focused(timeout=WAIT)


def test_who_closes_the_settings_on_a_phone_by_keys_is_at_the_tab_of_the_conversation(
    browser: Browser, server: Server
) -> None:
    with visiting(browser, server.url, size=PHONE) as visit:
        tab_to(visit, "#tab-talk")
        visit.page.keyboard.press("ArrowLeft")
        visit.shows("#wishes")
        tab_to(visit, "#transcribe")
        visit.page.keyboard.press("Escape")

        visit.page.wait_for_selector("#wishes", state="hidden")
        expect(visit.page.locator("#tab-talk")).to_be_focused(timeout=WAIT)


def test_every_control_can_be_reached_with_the_tab_key(visit: Visit) -> None:
    visit.write("Hello")
    visit.comes("response.done")
    seen: set[str] = set()
    for _ in range(60):
        visit.page.keyboard.press("Tab")
        seen.add(visit.page.evaluate("() => document.activeElement.id || document.activeElement.className"))

    wanted = {"show-events", "show-settings", "theme", "show-keys", "talk", "mic", "text", "send", "end"}
    wanted |= {"filter", "hide-audio", "only-errors", "row", "pause", "copy", "save", "play", "icon delete"}
    assert wanted - seen == set()


# --- how it is served ----------------------------------------------------------------------------------------------


def test_the_page_is_small_asks_nobody_else_and_is_soon_ready(browser: Browser, server: Server) -> None:
    with visiting(browser, server.url) as visit:
        ready = [visit.reload()]
        while min(ready) >= READY and len(ready) < 20:  # it depends on what else the machine does
            ready.append(visit.reload())
        visit.page.click("#talk")
        visit.comes("session.created")
        visit.page.wait_for_timeout(200)

        assert all(url.startswith((server.url, f"blob:{server.url}")) for url in visit.requests)
        assert min(ready) < READY
    with visiting(browser, server.url) as visit:  # and with nothing in the cache
        sizes = "(r) => r.map((each) => [each.name, each.encodedBodySize])"
        served = visit.page.evaluate(f"() => ({sizes})(performance.getEntriesByType('resource'))")
        worklets = visit.page.request
        total = sum(size for name, size in served if name.endswith((".js", ".css")))
        for name in ("capture-worklet.js", "playback-worklet.js", "resampler.js"):
            total += len(worklets.get(server.url + name).body())  # unpacked: an upper bound
        assert 10_000 < total < 80_000


def test_the_page_keeps_its_own_rules(browser: Browser, server: Server) -> None:
    with visiting(browser, server.url) as visit:
        broken: list[str] = []
        visit.page.on("console", lambda message: broken.append(message.text) if message.type == "error" else None)
        visit.page.reload()
        visit.page.click("#talk")
        visit.write("<img src=x onerror=alert(1)>")
        visit.shows(".turn.assistant .text", "<img src=x onerror=alert(1)>")
        visit.goes("output_audio_buffer.played")

        assert not [text for text in broken if "Content Security Policy" in text]
        assert visit.page.locator(".turn img").count() == 0


def test_on_a_phone_events_and_settings_are_tabs(browser: Browser, server: Server) -> None:
    with visiting(browser, server.url, size=PHONE) as visit:
        visit.write("Hello")
        visit.comes("output_audio_buffer.stopped")
        visit.page.click("#tab-events")
        visit.shows(".row", "session.created")
        expect(visit.page.locator(".row").last).to_be_in_viewport(timeout=WAIT)
        assert not visit.page.is_visible("#conversation")
        visit.page.keyboard.press("ArrowRight")
        visit.shows("#wishes")
        visit.page.click("#tab-talk")
        visit.shows(".turn.assistant .text")
        wide = visit.page.evaluate("() => document.documentElement.scrollWidth")
        assert wide <= PHONE[0]
