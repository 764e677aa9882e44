"""The turns on the screen, event by event: what comes late, what is deleted, what begins anew, what is said of them."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.system.browser import WAIT, Scripted, Visit, chromium, serving, visiting
from tests.system.chatterbox import tone

ADDED = "conversation.item.added"
WORDS = "response.output_audio_transcript.delta"
AUDIO = "response.output_audio.delta"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as server:
        yield server.url


@pytest.fixture
def visit(browser: Browser, url: str) -> Iterator[Visit]:
    with visiting(browser, url) as opened:
        yield opened


@pytest.fixture
def server(visit: Visit) -> Scripted:
    """It has greeted the page."""
    scripted = Scripted(visit)
    scripted.say("session.created", session={"type": "realtime", "audio": {"input": {"transcription": None}}})
    return scripted


def place(item_id: str) -> dict[str, object]:
    return {"item_id": item_id, "response_id": "resp_1", "content_index": 0}


def write(server: Scripted, item_id: str, previous: str | None, text: str) -> None:
    """The person's message, as the server tells of it."""
    message = {"id": item_id, "type": "message", "role": "user", "status": "completed"}
    server.say(ADDED, item={**message, "content": [{"type": "input_text", "text": text}]}, previous_item_id=previous)


def turns(visit: Visit) -> list[str]:
    return [text.strip() for text in visit.page.locator(".turn .text").all_inner_texts()]


def sound(visit: Visit, server: Scripted, item_id: str) -> None:
    """Speech of an answer, twice in so short a time that the second is drawn later."""
    server.say(AUDIO, **place(item_id), delta=tone(0.2))
    visit.painted()
    server.say(AUDIO, **place(item_id), delta=tone(0.2))
    visit.painted()


def test_a_deleted_turn_stays_away_whatever_is_still_to_be_drawn_or_comes_late(visit: Visit, server: Scripted) -> None:
    sound(visit, server, "gone")
    server.say("conversation.item.deleted", item_id="gone")
    server.say(WORDS, **place("gone"), delta="What comes late.")
    server.say(AUDIO, **place("gone"), delta=tone(0.2))
    sound(visit, server, "there")

    visit.shows(".turn .length", "0.4 s")  # drawn when all that waited to be drawn before is

    assert visit.page.locator(".turn").count() == 1


def test_what_the_server_no_longer_has_is_deleted_here(visit: Visit, server: Scripted) -> None:
    write(server, "item_1", None, "Hello")
    visit.page.hover(".turn.user")
    visit.page.click(".turn.user .delete")
    asked = server.hears("conversation.item.delete")

    code = "item_delete_invalid_item_id"
    server.say("error", error={"code": code, "message": "There is none.", "event_id": asked["event_id"]})

    visit.page.wait_for_selector(".turn.user", state="detached", timeout=WAIT)
    assert asked["item_id"] == "item_1"
    assert visit.page.get_attribute("#message", "data-kind") != "error"


def test_a_call_is_deleted_with_what_it_gave_also_when_that_comes_later(visit: Visit, server: Scripted) -> None:
    call = {"type": "function_call", "name": "look", "arguments": "{}", "status": "completed"}
    output = {"type": "function_call_output", "output": "sunny"}
    server.say(ADDED, item={**call, "id": "call_1", "call_id": "c1"}, previous_item_id=None)
    server.say(ADDED, item={**output, "id": "output_1", "call_id": "c1"}, previous_item_id="call_1")
    server.say(ADDED, item={**call, "id": "call_2", "call_id": "c2"}, previous_item_id="output_1")
    visit.shows(".turn.tool .took", "running")
    for left, deleted in ((1, ("output_1", "call_1")), (0, ("call_2",))):
        visit.page.hover(".turn.tool")
        visit.page.locator(".turn.tool .delete").first.click()
        server.hears("conversation.item.delete", 3 - left)
        for item_id in deleted:
            server.say("conversation.item.deleted", item_id=item_id)
        visit.page.wait_for_function("(left) => document.querySelectorAll('.turn').length === left", arg=left)
    server.say(ADDED, item={**output, "id": "output_2", "call_id": "c2"}, previous_item_id="call_2")

    server.hears("conversation.item.delete", 4)

    asked = [event["item_id"] for event in server.all("conversation.item.delete")]
    assert asked == ["output_1", "call_1", "call_2", "output_2"]
    assert visit.page.locator(".turn").count() == 0


def test_a_call_that_nobody_answers_any_more_has_no_result(visit: Visit, server: Scripted) -> None:
    call = {"type": "function_call", "name": "look", "arguments": "{}", "status": "completed"}
    server.say(ADDED, item={**call, "id": "call_1", "call_id": "c1"}, previous_item_id=None)
    visit.shows(".turn.tool .took", "running")
    visit.page.click("#end")

    visit.shows(".turn.tool .took", "no result")
    assert visit.page.text_content("#spoken") == "Tool: look gave no result"


def test_what_is_spoken_and_not_written_down_says_so(visit: Visit, server: Scripted) -> None:
    speech = {"id": "item_1", "type": "message", "role": "user", "status": "completed"}
    server.say("input_audio_buffer.speech_started", item_id="item_1", audio_start_ms=0)
    visit.shows(".turn.user", "…")
    server.say("input_audio_buffer.speech_stopped", item_id="item_1", audio_end_ms=900)
    server.say("input_audio_buffer.committed", item_id="item_1", previous_item_id=None)
    server.say(ADDED, item={**speech, "content": [{"type": "input_audio", "transcript": None}]}, previous_item_id=None)

    visit.shows(".turn.user", "Spoken, without a transcript")
    visit.state("thinking")


def test_who_pauses_is_not_answered_when_the_session_says_so(visit: Visit, server: Scripted) -> None:
    detection = {"type": "server_vad", "create_response": False}
    server.say("session.updated", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    server.say("input_audio_buffer.speech_started", item_id="item_1", audio_start_ms=0)
    visit.state("hearing")
    visit.remember_states()
    server.say("input_audio_buffer.speech_stopped", item_id="item_1", audio_end_ms=900)

    visit.state("muted")
    assert "thinking" not in visit.states()
    server.say(AUDIO, **place("item_2"), delta=tone(0.2))
    visit.until(lambda: "speaking" in visit.states(), "nothing is heard")
    assert not visit.page.is_visible("#latency")


def test_a_line_stands_between_two_conversations_and_nowhere_else(visit: Visit, server: Scripted) -> None:
    dividers = visit.page.locator(".divider")
    write(server, "item_1", None, "In the first")
    visit.shows(".turn", "In the first")
    visit.page.click("#end")
    server.connect()
    visit.shows(".divider", "does not remember")
    visit.page.hover(".turn.user")
    visit.page.click(".turn.user .delete")
    visit.painted()
    assert dividers.count() == 0

    write(server, "item_1", None, "In the second")
    visit.shows(".turn", "In the second")
    assert dividers.count() == 0
    visit.page.click("#end")
    server.connect()
    write(server, "item_1", None, "In the third")
    visit.shows(".turn", "In the third")
    assert visit.page.locator(".turns li").evaluate_all("(all) => all.map((each) => each.className)") == [
        *("turn user old", "divider", "turn user")
    ]


def test_two_turns_that_end_at_once_are_both_said_to_screen_readers(visit: Visit, server: Scripted) -> None:
    said = "[...document.querySelectorAll('#spoken p')].map((each) => each.textContent)"
    write(server, "item_1", None, "One")
    write(server, "item_2", "item_1", "Two")
    visit.page.wait_for_function("() => document.querySelectorAll('#spoken p').length === 2")
    assert visit.page.evaluate(said) == ["You: One", "You: Two"]

    for n in range(3, 10):
        write(server, f"item_{n}", f"item_{n - 1}", str(n))
    visit.shows(".turn", "9")

    assert visit.page.evaluate(said) == [f"You: {n}" for n in range(5, 10)]
    assert turns(visit)[-1] == "9"


def test_figures_are_those_of_one_session_and_the_inspector_says_where_one_begins(
    visit: Visit, server: Scripted
) -> None:
    usage = {"total_tokens": 1500, "input_tokens": 1000, "output_tokens": 500}
    server.say("input_audio_buffer.speech_stopped", item_id="item_1", audio_end_ms=900)
    server.say(AUDIO, **place("item_2"), delta=tone(0.2))
    server.say("response.done", response={"id": "resp_1", "status": "completed", "output": [], "usage": usage})
    visit.shows("#usage", "1.5k tokens")
    visit.shows("#latency", "ms")
    assert visit.page.get_attribute("#usage", "title") == "Of this session: 1000 tokens in, 500 out"
    assert visit.page.locator(".rows .page").count() == 0

    visit.page.click("#end")
    server.connect()

    visit.shows(".rows .page", "a new session")
    assert not visit.page.is_visible("#usage")
    assert not visit.page.is_visible("#latency")
    server.say("response.done", response={"id": "resp_2", "status": "completed", "output": [], "usage": usage})
    visit.shows("#usage", "1.5k tokens")


def test_how_soon_an_answer_comes_is_told_from_what_asked_for_it(visit: Visit, server: Scripted) -> None:
    visit.page.clock.install()
    server.say("input_audio_buffer.speech_started", item_id="item_1", audio_start_ms=0)
    server.say("input_audio_buffer.speech_stopped", item_id="item_1", audio_end_ms=900)
    visit.state("thinking")
    visit.page.clock.fast_forward(3_600_000)
    visit.write("hello")
    server.hears("response.create")
    server.say(AUDIO, **place("item_2"), delta=tone(0.2))

    visit.shows("#latency", "ms")
    assert int(visit.page.inner_text("#latency").split()[0]) < WAIT


def test_nothing_can_be_played_again_while_the_model_speaks_and_the_buttons_say_why(
    visit: Visit, server: Scripted
) -> None:
    plays = visit.page.locator(".play:visible")
    server.say(AUDIO, **place("item_1"), delta=tone(0.2))
    expect(plays).to_have_count(1, timeout=WAIT)
    server.say(AUDIO, **place("item_2"), delta=tone(30.0))
    expect(plays).to_have_count(2, timeout=WAIT)
    for play in plays.all():
        expect(play).to_be_disabled(timeout=WAIT)
        expect(play).to_have_attribute("title", "Not while the model speaks", timeout=WAIT)
    plays.first.focus()  # whoever walks by keys loses no place
    visit.page.keyboard.press("Escape")

    for play in plays.all():
        expect(play).to_be_enabled(timeout=WAIT)
        expect(play).to_have_attribute("title", "", timeout=WAIT)
    expect(plays.first).to_be_focused(timeout=WAIT)


def test_esc_in_the_filter_takes_its_text_away_and_only_then_interrupts(visit: Visit, server: Scripted) -> None:
    server.say(AUDIO, **place("item_1"), delta=tone(30.0))
    visit.state("speaking")
    visit.page.fill("#filter", "session.created")
    visit.page.wait_for_selector(".row:has-text('audio')", state="hidden")
    visit.page.press("#filter", "Escape")
    visit.shows(".row", "audio")
    assert visit.page.input_value("#filter") == ""
    assert not server.all("output_audio_buffer.clear")
    visit.page.press("#filter", "Escape")

    server.hears("output_audio_buffer.clear")


def test_a_voice_that_is_refused_for_another_reason_than_having_spoken_says_why_and_shows_which_holds(
    visit: Visit, server: Scripted
) -> None:
    audio = {"input": {"transcription": None}, "output": {"voice": "alloy"}}
    server.say("session.updated", session={"type": "realtime", "audio": audio})
    visit.page.click("#show-settings")
    for count, code in enumerate(("invalid_value", "cannot_update_voice"), 2):  # after one about transcription
        visit.page.select_option("#voice", "cedar")
        asked = server.hears("session.update", count)
        error = {"code": code, "message": f"It is {code}.", "event_id": asked["event_id"]}
        server.say("error", error=error)
        problem = "It is invalid_value." if code == "invalid_value" else "From the next conversation on"
        visit.shows("[data-path='audio.output.voice'] .problem", problem)
        assert visit.page.input_value("#voice") == ("alloy" if code == "invalid_value" else "cedar")
