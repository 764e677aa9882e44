"""Talking to the page: speech in by the microphone, speech out by the loudspeaker, and over each other."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import soundfile
import soxr
from playwright.sync_api import Browser

from realtime_engine.sound import from_pcm16
from realtime_engine.upstreams.local.voice import espeak
from tests.system.browser import RATE, Server, Sound, Visit, chromium, likeness, pcm, serving, visiting

QUESTION: Final = "What is the weather like in Lisbon today?"
INTERRUPTION: Final = "Wait, stop, I would like to know something else."
ELSEWHERE: Final = "elsewhere.example"
REPLIES: Final = """
[[reply]]
turn = 1
play = "rain.wav"
transcript = "This is the sound of rain that falls on the roof of a house by the sea, in the evening, without a pause."

[[reply]]
say = "So be it."
"""


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the microphone hears: a question, a pause that lasts into the answer, and an interruption."""
    path = tmp_path_factory.mktemp("speech") / "microphone.wav"
    question, interruption = (from_pcm16(espeak(text, "marin", 1.0)) for text in (QUESTION, INTERRUPTION))
    pause = np.zeros(int(RATE * 0.6), np.float32)
    waits = np.zeros(int(RATE * 3.2), np.float32)
    soundfile.write(path, np.concatenate([pause, question, waits, interruption, np.zeros(RATE * 30)]), RATE)
    return path


@pytest.fixture(scope="module")
def browser(speech: Path) -> Iterator[Browser]:
    with chromium(speech, f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1") as opened:
        yield opened


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Its answer has no pause in it, so that it can be told where it was cut, and no treble, as speech has little."""
    script = tmp_path_factory.mktemp("script") / "replies.toml"
    script.write_text(REPLIES, "utf-8")
    rain = np.convolve(np.random.default_rng(1).uniform(-0.3, 0.3, RATE * 12), np.hanning(12) / 4)
    soundfile.write(script.parent / "rain.wav", rain, RATE)
    with serving("--script", str(script), "--allow-host", ELSEWHERE) as started:
        yield started


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visit]:
    with visiting(browser, server.url, ear=True) as opened:
        yield opened


def as_it_is(visit: Visit) -> None:
    """Take the microphone's sound without what browsers do to it."""
    visit.page.click("#show-settings")
    visit.page.uncheck("#processing")
    visit.page.keyboard.press("Escape")


def push_to_talk(visit: Visit) -> None:
    visit.page.click("#show-settings")
    visit.page.check("input[name=turns][value=none]")
    visit.page.keyboard.press("Escape")


def question_of(speech: Path) -> Sound:
    sound, _ = soundfile.read(speech)
    return np.asarray(sound[int(RATE * 0.6) : int(RATE * 2.4)], np.float64)


def sounding(sound: Sound) -> Sound:
    """From the first to the last sample that can be heard."""
    loud = np.flatnonzero(np.abs(sound) > 0.002)
    return sound[loud[0] : loud[-1] + 1] if len(loud) else sound[:0]


def test_a_question_is_heard_by_the_model_and_its_answer_by_the_person(visit: Visit, speech: Path) -> None:
    as_it_is(visit)
    visit.remember_states()
    visit.page.click("#talk")
    visit.state("speaking")
    visit.page.click("#mic")  # nobody interrupts
    assert visit.states()[:5] == ["connecting", "listening", "hearing", "thinking", "speaking"]
    answer = visit.comes("response.output_item.added")["item"]["id"]
    visit.comes("response.done")
    visit.goes("output_audio_buffer.played", 35)  # one for each 0.1 s

    heard, _ = visit.heard()

    assert likeness(question_of(speech), pcm(bytes(visit.spoken))) > 0.95
    assert likeness(visit.answer(answer)[: RATE * 3], heard) > 0.98
    assert visit.page.inner_text(".turn.assistant .text").startswith("This is the sound of rain")
    assert "s of speech" in visit.page.inner_text(".turn.user .text")
    assert 0 < int(visit.page.inner_text("#latency").split()[0]) < 2000
    assert "tokens" in visit.page.inner_text("#usage")


def test_microphone_audio_goes_up_as_frames_of_20_to_40_ms(visit: Visit) -> None:
    sizes: list[int] = []
    visit.page.on("websocket", lambda ws: ws.on("framesent", lambda frame: sizes.append(len(frame))))
    visit.page.click("#talk")

    visit.until(lambda: sum(size in range(960, 1921) for size in sizes) > 20, "there are not many such frames")
    assert not visit.all_sent("input_audio_buffer.append")


def test_speaking_over_the_answer_silences_it_at_once_and_cuts_it_to_what_was_heard(visit: Visit) -> None:
    visit.page.click("#talk")
    truncated = visit.comes("conversation.item.truncated")
    visit.shows(".turn.assistant .cut", "heard")
    visit.page.click("#mic")

    heard, first_frame = visit.heard()
    cut = visit.page.evaluate("() => ear.cleared[0]")  # when the audio thread was told, by its own clock
    upto = int((cut + 0.25) * RATE) - first_frame  # the next answer comes later
    spoken = sounding(heard[:upto])
    last = first_frame + np.flatnonzero(np.abs(heard[:upto]) > 0.002)[-1]
    whole = visit.answer(truncated["item_id"])

    assert visit.page.evaluate("() => ear.atOnce[0]")  # it was told as soon as the page was
    assert last / RATE - cut < 0.02
    assert abs(np.count_nonzero(spoken) / RATE * 1000 - truncated["audio_end_ms"]) < 60
    assert likeness(spoken[: -RATE // 50], whole) > 0.95
    assert len(spoken) < len(whole) / 2
    assert len(visit.page.inner_text(".turn.assistant .text")) < 100


def test_what_is_played_is_reported_ten_times_a_second(visit: Visit) -> None:
    visit.page.click("#talk")
    visit.state("speaking")
    visit.page.click("#mic")
    visit.goes("output_audio_buffer.played", 12)

    reports = visit.page.evaluate("() => ear.played")[2:12]  # by the clock of the sound itself
    between = [later[0] - earlier[0] for earlier, later in pairwise(reports)]
    assert 0.08 < float(np.median(between)) < 0.15
    assert all(abs((reports[0][0] - at) - (reports[0][1] - heard)) < 0.1 for at, heard in reports)


def test_a_turn_can_be_played_again(visit: Visit, speech: Path) -> None:
    as_it_is(visit)
    visit.page.click("#talk")
    visit.state("speaking")
    visit.page.click("#mic")
    visit.page.keyboard.press("Escape")
    visit.comes("conversation.item.truncated")
    before, _ = visit.heard()

    visit.page.click("#end")  # also when nobody is connected any more
    visit.page.click(".turn.user .play")
    visit.shows(".turn.user .play[aria-pressed=true]")
    visit.shows(".turn.user .play:not([aria-pressed=true])")
    after, _ = visit.heard()
    visit.page.wait_for_function("() => ear.context.state === 'suspended'")
    visit.page.click(".turn.user .play")  # and once more
    visit.shows(".turn.user .play[aria-pressed=true]")
    visit.page.click(".turn.user .play")  # and no further
    visit.shows(".turn.user .play:not([aria-pressed=true])")

    assert likeness(question_of(speech), after[len(before) :]) > 0.95
    assert not [e for e in visit.all_sent("output_audio_buffer.played") if not e["item_id"]]


def test_switching_the_microphone_off_stops_its_tracks(visit: Visit) -> None:
    visit.page.click("#talk")
    visit.state("hearing")
    visit.page.click("#mic")
    visit.goes("input_audio_buffer.stopped")
    spoken = len(visit.spoken)

    visit.page.wait_for_timeout(300)

    assert visit.page.evaluate("() => ear.tracks.map((track) => track.readyState)") == ["ended"]
    assert len(visit.spoken) == spoken


def test_parting_stops_the_microphone_too(visit: Visit) -> None:
    visit.page.click("#talk")
    visit.comes("session.created")
    visit.page.wait_for_function("() => ear.tracks.length > 0")
    visit.page.click("#end")
    visit.state("off")

    assert visit.page.evaluate("() => ear.tracks.map((track) => track.readyState)") == ["ended"]


@pytest.mark.parametrize("by", ["button", "space"])
def test_push_to_talk_sends_what_is_said_while_it_is_held(visit: Visit, by: str, speech: Path) -> None:
    as_it_is(visit)
    push_to_talk(visit)
    visit.page.click("#talk")
    visit.shows("#state", "Hold to talk")
    visit.comes("session.updated", 2)
    visit.page.wait_for_function("() => ear.tracks.length > 0")
    visit.page.wait_for_timeout(200)
    assert not visit.spoken

    mouse, keyboard = visit.page.mouse, visit.page.keyboard
    if by == "button":
        box = visit.page.locator("#talk").bounding_box()
        assert box is not None
        mouse.move(box["x"] + 40, box["y"] + 40)
        mouse.down()
    else:
        keyboard.down("Space")
    visit.state("hearing")
    visit.until(lambda: len(visit.spoken) / 2 / RATE > 2.4, "not enough was sent")
    mouse.up() if by == "button" else keyboard.up("Space")

    visit.goes("input_audio_buffer.commit")
    visit.goes("response.create")
    visit.state("speaking")
    spoken = len(visit.spoken)
    assert 2.4 < spoken / 2 / RATE < 3.5
    assert likeness(pcm(bytes(visit.spoken)), soundfile.read(speech)[0]) > 0.95
    visit.shows(".turn.user .play")
    visit.page.wait_for_timeout(200)
    assert len(visit.spoken) == spoken


@pytest.mark.parametrize(
    "pressed",
    [
        *("#show-settings Escape", "#show-settings #hide-settings", "#show-settings #show-settings"),
        "#show-settings [value=none]",
        *("#show-keys Escape", ".assistant>.acts>.play", ".row", "#theme"),
    ],
)
def test_space_talks_whatever_was_clicked_before(visit: Visit, pressed: str) -> None:
    push_to_talk(visit)
    visit.write("hello")
    visit.comes("session.updated", 2)
    visit.shows(".turn.assistant .play")
    visit.page.click("#interrupt")
    visit.comes("conversation.item.truncated")
    for each in pressed.split():
        visit.page.keyboard.press(each) if each == "Escape" else visit.page.click(each)
    visit.page.evaluate("() => { window.clicks = 0; addEventListener('click', () => clicks++, true); }")

    visit.page.keyboard.down("Space")
    visit.state("hearing")
    visit.until(lambda: len(visit.spoken) > RATE, "nothing was sent")
    visit.page.keyboard.up("Space")

    visit.goes("input_audio_buffer.commit")
    assert visit.page.evaluate("() => clicks") == 0


def test_in_push_to_talk_the_enter_key_begins_and_ends_a_turn(visit: Visit) -> None:
    push_to_talk(visit)
    visit.page.click("#talk")
    visit.shows("#state", "Hold to talk")
    visit.comes("session.updated", 2)
    visit.page.focus("#talk")
    visit.page.keyboard.press("Enter")
    visit.state("hearing")
    visit.until(lambda: len(visit.spoken) > RATE, "nothing was sent")
    visit.page.keyboard.press("Enter")

    visit.goes("input_audio_buffer.commit")
    visit.comes("response.created")


def test_a_tap_on_the_button_in_push_to_talk_is_no_turn(visit: Visit) -> None:
    push_to_talk(visit)
    visit.page.click("#talk")
    visit.shows("#state", "Hold to talk")
    visit.comes("session.updated", 2)
    visit.page.click("#talk")

    visit.goes("input_audio_buffer.clear")
    assert not visit.all_sent("input_audio_buffer.commit")


def test_holding_the_button_interrupts_the_answer(visit: Visit) -> None:
    push_to_talk(visit)
    visit.write("hello")
    visit.state("speaking")
    visit.page.wait_for_timeout(500)
    visit.page.evaluate("() => document.activeElement.blur()")
    visit.page.keyboard.down("Space")

    visit.goes("output_audio_buffer.clear")
    visit.comes("conversation.item.truncated")
    visit.state("hearing")
    visit.page.keyboard.up("Space")


def test_a_refused_microphone_is_explained_for_this_very_browser(browser: Browser, server: Server) -> None:
    with visiting(browser, server.url, microphone=False) as visit:
        visit.page.click("#talk")
        visit.shows("#message-what", "The microphone is not allowed")

        assert "Click the icon left of the address" in visit.page.inner_text("#message-why")
        visit.state("muted")
        visit.page.context.grant_permissions(["microphone"])
        visit.page.click("#message-act")
        visit.state("listening")
        assert not visit.page.is_visible("#message")


def test_an_address_that_gets_no_microphone_is_explained_and_one_can_write(browser: Browser, server: Server) -> None:
    with visiting(browser, server.url.replace("127.0.0.1", ELSEWHERE)) as visit:
        visit.page.click("#talk")
        visit.shows("#message-what", "No microphone and no sound on this address")
        assert "https://" in visit.page.inner_text("#message-why")
        visit.state("muted")
        visit.write("hello")

        visit.shows(".turn.assistant .text", "rain")
        visit.comes("response.done")
        visit.page.click(".turn.assistant .play")  # there is no audio thread, but there is sound
        visit.shows(".turn.assistant .play[aria-pressed=true]")
        visit.page.click(".turn.assistant .play")
        visit.shows(".turn.assistant .play:not([aria-pressed=true])")


def test_a_microphone_that_is_unplugged_is_missed(visit: Visit) -> None:
    visit.page.click("#talk")
    visit.state("hearing")
    visit.page.evaluate("() => { ear.tracks[0].stop(); ear.tracks[0].dispatchEvent(new Event('ended')); }")

    visit.shows("#message-what", "The microphone is gone")
    visit.goes("input_audio_buffer.stopped")
    visit.page.click("#message-act")
    visit.page.wait_for_function("() => ear.tracks.length === 2 && ear.tracks[1].readyState === 'live'")


def test_another_microphone_can_be_chosen_in_the_middle(visit: Visit) -> None:
    visit.page.click("#talk")
    visit.page.wait_for_function("() => document.getElementById('microphone').options.length > 1")
    visit.page.click("#show-settings")
    visit.page.select_option("#microphone", index=1)

    visit.page.wait_for_function("() => ear.tracks.length === 2 && ear.tracks[1].readyState === 'live'")
    chosen = visit.page.evaluate(
        "() => [document.getElementById('microphone').value, ear.tracks[1].getSettings().deviceId]"
    )
    assert chosen[0] == chosen[1]
    assert visit.page.evaluate("() => ear.tracks[0].readyState") == "ended"
    visit.page.reload()
    assert visit.page.evaluate("() => localStorage.getItem('microphone-id')") == chosen[0]


def test_a_browser_that_keeps_to_the_rate_of_its_sound_card_is_heard_and_hears_as_well(
    browser: Browser, server: Server, speech: Path
) -> None:
    with visiting(browser, server.url, ear=True) as visit:
        visit.page.add_init_script(
            """window.AudioContext = class extends AudioContext {
                 constructor({ sampleRate } = {}) {
                   if (sampleRate) throw new DOMException("no such rate", "NotSupportedError");
                   super({ latencyHint: "interactive" });
                 }
               };"""
        )
        visit.page.reload()
        as_it_is(visit)
        visit.page.click("#talk")
        visit.state("speaking")
        visit.page.click("#mic")
        visit.goes("output_audio_buffer.played", 15)
        visit.page.wait_for_timeout(500)

        rate = visit.page.evaluate("() => ear.context.sampleRate")
        heard, _ = visit.heard()
        answer = visit.answer(visit.comes("response.output_item.added")["item"]["id"])
        assert rate != RATE
        assert likeness(question_of(speech), pcm(bytes(visit.spoken))) > 0.95
        assert likeness(answer[:RATE], soxr.resample(heard, rate, RATE)) > 0.9


def test_a_browser_that_takes_a_microphone_only_at_its_own_rate_is_heard_as_well(
    browser: Browser, server: Server, speech: Path
) -> None:
    with visiting(browser, server.url, ear=True) as visit:
        visit.page.add_init_script(
            """const source = AudioContext.prototype.createMediaStreamSource;
               AudioContext.prototype.createMediaStreamSource = function (stream) {
                 window.rate = this.sampleRate;
                 if (this.sampleRate === 24000) throw new DOMException("another rate", "NotSupportedError");
                 return source.call(this, stream);
               };"""
        )
        visit.page.reload()
        as_it_is(visit)
        visit.page.click("#talk")
        visit.comes("input_audio_buffer.speech_stopped")

        assert visit.page.evaluate("() => rate") != RATE
        assert likeness(question_of(speech), pcm(bytes(visit.spoken))) > 0.95
