"""How the page looks and keeps up: for everybody (axe-core), under a finger, with a long conversation."""

from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser

from tests.system.browser import AXE, DESKTOP, PHONE, Scripted, Server, Visit, chromium, serving, visiting
from tests.system.chatterbox import Chatterbox, tasks, tone
from tests.system.eyes import contrasts, types

SIZES: Final = {"desktop": DESKTOP, "phone": PHONE}
TURNS: Final = 500
NARROW: Final = (360, 640)
ALIKE: Final = (
    *("response.output_audio.delta", "response.output_audio_transcript.delta", "response.output_text.delta"),
    *("response.function_call_arguments.delta", "conversation.item.input_audio_transcription.delta"),
    *("response.output_audio.done", "response.output_audio_transcript.done", "response.output_text.done"),
    *("response.output_item.added", "response.content_part.added", "conversation.item.added"),
    *("input_audio_buffer.cleared", "output_audio_buffer.cleared"),
)
"""Types of events that are long, and begin or end as others do."""

REPLIES: Final = """
[[reply]]
text = "weather"
call = { name = "get_weather", arguments = { city = "Paris" } }

[[reply]]
after = "get_weather"
say = "It is sunny in Paris, and it will be so for the rest of the week, with some clouds in the evening, a light wind \
from the west that nobody minds, and hardly a drop of rain before the end of the month, as far as anybody can say now."
"""
TOOLS: Final = '''
"""Tools."""


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"
'''


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Its model calls a tool where the weather is spoken of."""
    folder = tmp_path_factory.mktemp("server")
    script, tools = folder / "replies.toml", folder / "looks_tools.py"
    script.write_text(REPLIES, "utf-8")
    tools.write_text(TOOLS, "utf-8")
    with serving("--script", str(script), "--tools", str(tools)) as started:
        yield started


def judge(visit: Visit) -> None:
    """What axe-core finds, is wrong."""
    assert AXE.exists(), "axe-core is missing: make tests/node/node_modules/.ready"
    if not visit.page.evaluate("() => 'axe' in window"):
        visit.page.evaluate(AXE.read_text("utf-8"))
    found = visit.page.evaluate("() => axe.run({ resultTypes: ['violations'] })")["violations"]
    told = [f"{each['id']}: {each['help']}: {[node['html'] for node in each['nodes']][:3]}" for each in found]
    assert not told, "\n".join(told)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_the_page_is_accessible_before_during_and_after_a_conversation(
    browser: Browser, server: Server, size: str, dark: bool
) -> None:
    with visiting(browser, server.url, size=SIZES[size], dark=dark) as visit:
        judge(visit)
        visit.page.click("#talk")
        visit.shows("#message-what")
        judge(visit)
        visit.page.click("#message-hide")
        visit.write("How is the weather?")
        visit.state("speaking")
        visit.page.click(".turn.tool summary")
        judge(visit)
        visit.page.keyboard.press("Escape")
        visit.comes("conversation.item.truncated")
        visit.page.click("#tab-events" if size == "phone" else "#theme")
        visit.page.locator(".row", has_text="session.created").click()
        judge(visit)
        visit.page.click("#tab-settings" if size == "phone" else "#show-settings")
        judge(visit)
        visit.page.keyboard.press("Escape")
        visit.page.click("#show-keys")
        judge(visit)
        visit.page.keyboard.press("Escape")
        visit.page.click("#end")
        visit.state("off")
        judge(visit)
        if size == "phone":
            visit.page.click("#tab-talk")
        visit.write("How is the weather now?")
        visit.shows(".divider", "does not remember")
        visit.state("speaking")
        judge(visit)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_settings_that_are_locked_can_be_read_like_all_others(browser: Browser, dark: bool) -> None:
    pinned = ("--voice", "cedar", "--instructions", "Be brief.", "--client-may-set", "none")
    with serving(*pinned) as server, visiting(browser, server.url, dark=dark) as visit:
        visit.write("Hello")
        visit.page.click("#show-settings")
        known = visit.page.locator("fieldset:disabled[data-known]")
        visit.until(lambda: known.count() == 4, "they are not all locked and known")

        told = contrasts(visit, "fieldset:disabled")

        assert len(told) > 15
        assert [text for text, contrast in told if contrast < 4.5] == []
        judge(visit)


def test_the_sign_in_form_is_accessible(browser: Browser, server: Server) -> None:
    with visiting(browser, server.url) as visit:
        visit.page.route("**/about", lambda route: route.fulfill(json={"token_required": True, "signed_in": False}))
        visit.page.reload()
        visit.shows("#sign-in")
        judge(visit)


def test_everything_on_a_phone_is_large_enough_for_a_finger(browser: Browser, server: Server) -> None:
    with visiting(browser, server.url, size=PHONE, has_touch=True) as visit:
        visit.write("How is the weather?")
        visit.shows(".turn.assistant .text", "It is sunny")
        small: list[str] = []
        for tab in ("events", "settings", "talk"):
            visit.page.click(f"#tab-{tab}")
            small += too_small(visit)
        assert not small


def test_everything_on_a_tablet_is_large_enough_for_a_finger(browser: Browser, server: Server) -> None:
    with visiting(browser, server.url, size=DESKTOP, has_touch=True, is_mobile=True) as visit:
        visit.write("How is the weather?")
        visit.shows(".turn.assistant .text", "It is sunny")
        visit.shows(".row", "session.created")

        assert not too_small(visit)


def too_small(visit: Visit) -> list[str]:
    """What is less high than a finger is wide."""
    small: list[str] = visit.page.evaluate(
        """() => [...document.querySelectorAll("button, summary, select, textarea, input")]
          .map((each) => each.closest("label") ?? each)
          .filter((each) => each.checkVisibility() && each.getBoundingClientRect().height < 43.9)
          .map((each) => each.outerHTML.slice(0, 100))"""
    )
    return small


@pytest.mark.parametrize("size", [PHONE, (960, 700), DESKTOP], ids=["phone", "narrow", "desktop"])
def test_messages_and_what_they_offer_are_seen_while_settings_are_open(
    browser: Browser, server: Server, size: tuple[int, int]
) -> None:
    with visiting(browser, server.url, size=size) as visit:
        visit.page.click("#talk")
        visit.shows("#message-what", "There is no microphone")
        visit.page.click("#tab-settings" if size == PHONE else "#show-settings")
        visit.shows("#wishes")

        offered = {"message-act", "message-hide"} | (set() if size == PHONE else {"talk", "mic", "text", "send", "end"})
        assert covered(visit, offered) == set()
        visit.page.click("#message-hide")
        visit.page.wait_for_selector("#dock" if size == PHONE else "#message", state="hidden")


def covered(visit: Visit, ids: set[str]) -> set[str]:
    """Which of them a pointer would not find in their middle, or at their ends."""
    found = """(id) => {
      const { left, right, top, bottom } = document.getElementById(id).getBoundingClientRect();
      const isThere = (x) => document.elementFromPoint(x, (top + bottom) / 2)?.closest(`#${id}`);
      return right > left && [left + 2, (left + right) / 2, right - 2].every(isThere);
    }"""
    return {each for each in ids if not visit.page.evaluate(found, each)}


@pytest.mark.parametrize("size", SIZES)
def test_the_button_stays_in_the_middle_whatever_it_says(browser: Browser, server: Server, size: str) -> None:
    def middle() -> float:
        found = "() => { const { left, width } = document.getElementById('talk').getBoundingClientRect();"
        return float(visit.page.evaluate(f"{found} return left + width / 2; }}"))

    with visiting(browser, server.url, size=SIZES[size]) as visit:
        at = [middle()]
        visit.page.click("#talk")
        visit.shows("#state", "Microphone off")
        at.append(middle())
        visit.write("How are you today?")
        visit.state("speaking")
        at.append(middle())

        assert at == [pytest.approx(SIZES[size][0] / 2, abs=0.5)] * 3


def begin_to_write(visit: Visit, beside: set[str]) -> float:
    """Write while the model speaks, with nothing over these buttons; how wide the box for it is then, in pixels."""
    visit.write("How is the weather?")
    visit.state("speaking")
    visit.page.fill("#text", "And tomorrow?")
    assert covered(visit, beside) == set()
    box = visit.page.locator("#text").bounding_box()
    assert box is not None
    return box["width"]


@pytest.mark.parametrize("width", [320, 360])
def test_there_is_room_to_write_on_a_narrow_phone_while_the_model_speaks(
    browser: Browser, server: Server, width: int
) -> None:
    with visiting(browser, server.url, size=(width, 640)) as visit:
        assert begin_to_write(visit, {"mic", "send", "interrupt"}) > width * 0.4
        assert not visit.page.is_visible("#end")
        visit.page.fill("#text", "")

        visit.page.wait_for_selector("#end:visible")


@pytest.mark.parametrize("width", [430, 900])
def test_who_has_begun_to_write_can_end_the_conversation_where_there_is_room_for_both(
    browser: Browser, server: Server, width: int
) -> None:
    with visiting(browser, server.url, size=(width, 800)) as visit:
        assert begin_to_write(visit, {"mic", "send", "interrupt", "end"}) > 150
        visit.page.click("#end")
        visit.state("off")


def test_finished_turns_are_said_to_screen_readers_and_partial_words_are_not(browser: Browser, server: Server) -> None:
    with visiting(browser, server.url) as visit:
        visit.page.evaluate(
            """() => {
              window.said = [];
              const spoken = document.getElementById("spoken");
              new MutationObserver(() => said.push(spoken.lastChild.textContent)).observe(spoken, { childList: true });
            }"""
        )
        visit.write("One two three")
        visit.page.wait_for_function("() => said.length >= 2")

        assert visit.page.evaluate("() => said") == ["You: One two three", "Model: You said: One two three"]
        assert visit.page.locator("[aria-live]").count() == 1
        assert visit.page.locator("[role=alert] button").count() == 0  # a button that counts seconds is not read out


def test_nothing_moves_for_whoever_wants_nothing_to_move(browser: Browser, server: Server) -> None:
    with visiting(browser, server.url, reduced_motion="reduce") as visit:
        visit.page.evaluate(
            """() => {
              window.moving = {};
              const look = () => (moving[document.body.dataset.state] = document.getAnimations().length);
              new MutationObserver(look).observe(document.body, { attributeFilter: ["data-state"] });
            }"""
        )
        visit.write("How are you today?")
        visit.state("speaking")
        visit.goes("output_audio_buffer.played", 3)
        ring = visit.page.evaluate("() => getComputedStyle(document.getElementById('ring')).transform")

        assert visit.page.evaluate("() => moving.thinking") == 0
        assert ring == "none"


def test_light_and_dark_can_be_switched_and_are_remembered(browser: Browser, server: Server) -> None:
    paper = "() => getComputedStyle(document.body).backgroundColor"
    with visiting(browser, server.url) as visit:
        light = visit.page.evaluate(paper)
        visit.page.click("#theme")
        dark = visit.page.evaluate(paper)
        visit.page.reload()

        assert light != dark
        assert visit.page.evaluate(paper) == dark


def test_the_picture_on_the_button_is_seen_under_the_pointer_too(browser: Browser, server: Server) -> None:
    with visiting(browser, server.url) as visit:
        visit.page.click("#talk")
        visit.page.hover("#talk")
        visit.write("One two three four five six seven")
        visit.state("speaking")
        look = "() => { const { color, backgroundColor } = getComputedStyle(document.getElementById('talk'));"
        look += " return [color, backgroundColor]; }"

        colours = ["rgb(255, 255, 255)", "rgb(11, 106, 97)"]
        visit.until(lambda: visit.page.evaluate(look) == colours, "the picture is not white on green")


def test_the_first_visit_fits_on_a_phone_that_lies_on_its_side(browser: Browser, server: Server) -> None:
    with visiting(browser, server.url, size=(PHONE[1], PHONE[0])) as visit:
        for part in (".lead", "#where", "#talk", "#text"):
            box = visit.page.locator(part).bounding_box()
            assert box is not None
            assert box["y"] >= 0
            assert box["y"] + box["height"] <= PHONE[0]
        button = visit.page.locator("#talk").bounding_box()
        assert button is not None
        assert button["width"] == button["height"]


@pytest.mark.parametrize("size", [(960, 700), DESKTOP, PHONE, NARROW], ids=lambda size: str(size[0]))
def test_events_are_told_apart_by_what_is_seen_of_their_types(
    browser: Browser, server: Server, size: tuple[int, int]
) -> None:
    with visiting(browser, server.url, size=size) as visit:
        model = Scripted(visit)
        for kind in [kind for kind in ALIKE for _ in range(12)]:
            model.say(
                kind, item_id="item", delta="", transcript="", text="", part={}, item={"id": "item", "content": []}
            )
        if size[0] < 960:
            visit.page.click("#tab-events")
        visit.shows(".row", ALIKE[-1])
        visit.painted()

        looks: dict[str, set[str]] = {}
        for whole, seen, title in types(visit):
            assert whole.endswith(seen)
            assert title.startswith(whole)
            looks.setdefault(seen if seen == whole else seen[2:], set()).add(whole)  # two give way to the dots
        assert not [alike for alike in looks.values() if len(alike) > 1]
        assert set(ALIKE) <= set().union(*looks.values())


# --- a long conversation -------------------------------------------------------------------------------------------


def test_a_conversation_of_500_turns_holds_up_no_frame(browser: Browser, server: Server) -> None:
    with visiting(browser, server.url) as visit:
        box, speech = Chatterbox(visit), tone(0.1)
        while box.turns < TURNS - 40:
            box.ask_and_answer(speech, pieces=1)
        box.shown()
        with tasks(browser, visit.page) as took:
            while box.turns < TURNS:
                box.ask_and_answer(speech)
                visit.page.wait_for_timeout(100)

        box.shown()
        assert len(took) > 100
        assert took[-1] < 50
        at_end = "() => { const { scrollTop, scrollHeight, clientHeight } = document.getElementById('scroll');"
        at_end += " return scrollHeight - scrollTop - clientHeight < 64; }"
        visit.until(lambda: bool(visit.page.evaluate(at_end)), "the newest turn is not seen")


def test_whoever_has_scrolled_up_stays_there(browser: Browser, server: Server) -> None:
    with visiting(browser, server.url) as visit:
        box, speech = Chatterbox(visit), tone(0.05)
        while box.turns < 60:
            box.ask_and_answer(speech, pieces=1)
        box.shown()
        visit.page.hover("#conversation")
        visit.page.mouse.wheel(0, -100_000)
        visit.shows("#newest")
        top = "() => document.getElementById('scroll').scrollTop"
        visit.until(lambda: visit.page.evaluate(top) == 0, "it is not scrolled up")
        box.ask_and_answer(speech)
        box.shown()
        assert visit.page.evaluate(top) == 0

        visit.page.click("#newest")

        visit.page.wait_for_selector("#newest", state="hidden")
        assert visit.page.locator(".turn").last.is_visible()
