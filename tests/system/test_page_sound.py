"""The page's microphone and loudspeaker when somebody, the browser or the network comes between."""

import socket
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser

from realtime_engine.sound import from_pcm16
from realtime_engine.upstreams.local.voice import espeak
from tests.system.browser import RATE, Scripted, Server, Visit, chromium, serving, visiting

_LOOK = """
() => {
  const canvas = document.getElementById("wave-you");
  const isFar = (row) => Math.abs(row - canvas.height / 2) > 4;
  const look = () => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    window.level = Number(document.getElementById("ring").style.getPropertyValue("--level"));
    window.pixels = 0;
    for (let n = 3; n < data.length; n += 4) if (data[n] && isFar(Math.floor(n / 4 / canvas.width))) pixels++;
    most = { pixels: Math.max(most.pixels, pixels), level: Math.max(most.level, level) };
    requestAnimationFrame(look);
  };
  window.most = { pixels: 0, level: 0 };
  look();
}
"""
_HIDE = """
(isHidden) => {
  Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Its microphone hears a question, and then nothing more."""
    path = tmp_path_factory.mktemp("speech") / "microphone.wav"
    question = from_pcm16(espeak("What is the weather like in Lisbon today, and what will it be like?", "marin", 1.0))
    soundfile.write(path, np.concatenate([np.zeros(RATE // 2, np.float32), question, np.zeros(RATE * 60)]), RATE)
    with chromium(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as started:
        yield started


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visit]:
    with visiting(browser, server.url, ear=True) as opened:
        yield opened


def tracks(visit: Visit) -> list[str]:
    return [str(state) for state in visit.page.evaluate("() => ear.tracks.map((track) => track.readyState)")]


def push_to_talk(visit: Visit) -> None:
    visit.page.click("#show-settings")
    visit.page.check("input[name=turns][value=none]")
    visit.page.keyboard.press("Escape")


# --- the microphone ------------------------------------------------------------------------------------------------


def test_the_m_key_switches_the_microphone_on_and_off(visit: Visit) -> None:
    visit.page.keyboard.press("m")
    visit.state("hearing")
    visit.page.keyboard.press("m")
    visit.goes("input_audio_buffer.stopped")
    assert tracks(visit) == ["ended"]
    assert visit.page.get_attribute("#mic", "aria-pressed") == "false"

    visit.page.keyboard.press("m")
    visit.until(lambda: tracks(visit) == ["ended", "live"], "it is not on again")


def test_the_microphone_can_be_switched_off_while_the_browser_still_asks_for_it(visit: Visit) -> None:
    visit.page.evaluate(
        """() => {
             const ask = navigator.mediaDevices.getUserMedia;
             const answered = new Promise((resolve) => (window.answer = resolve));
             navigator.mediaDevices.getUserMedia = async (wanted) => {
               window.asking = true;
               await answered;
               return ask(wanted);
             };
           }"""
    )
    visit.page.click("#talk")
    visit.page.wait_for_function("() => window.asking")
    visit.comes("session.created")
    assert visit.page.get_attribute("#mic", "aria-pressed") == "true"
    visit.page.click("#mic")
    visit.state("muted")
    visit.page.evaluate("() => answer()")

    visit.until(lambda: tracks(visit) == ["ended"], "it is on")
    assert visit.page.get_attribute("body", "data-state") == "muted"
    assert not visit.spoken


def test_who_holds_the_button_is_not_heard_without_also_before_the_server_knows(visit: Visit) -> None:
    def says(kind: str, turns: object, voice: str) -> None:
        audio = {"input": {"turn_detection": turns}, "output": {"voice": voice}}
        model.say(kind, session={"type": "realtime", "audio": audio})
        visit.page.wait_for_function(f"() => document.getElementById('voice').value === '{voice}'")

    model = Scripted(visit)
    push_to_talk(visit)
    for kind, voice in (("session.created", "ash"), ("session.updated", "ballad")):
        says(kind, {"type": "server_vad"}, voice)
        assert visit.page.is_checked("input[name=turns][value=none]")
    visit.shows("#state", "Hold to talk")
    says("session.updated", None, "coral")
    says("session.updated", {"type": "server_vad"}, "echo")

    assert visit.page.is_checked("input[name=turns][value=server_vad]")


@pytest.mark.parametrize("wanted", [True, False])
def test_the_browser_is_asked_to_remove_echo_and_noise_unless_the_person_wants_none_of_it(
    visit: Visit, wanted: bool
) -> None:
    visit.page.click("#show-settings")
    visit.page.set_checked("#processing", wanted)
    visit.page.keyboard.press("Escape")
    visit.page.click("#talk")
    visit.state("hearing")

    asked, given = visit.page.evaluate("() => [ear.asked[0], ear.tracks[0].getSettings()]")
    assert [asked[each] for each in ("echoCancellation", "noiseSuppression", "autoGainControl")] == [wanted] * 3
    assert given["echoCancellation"] == wanted


def test_the_microphone_of_the_last_time_is_listened_to(visit: Visit) -> None:
    visit.page.click("#talk")
    visit.page.wait_for_function("() => document.getElementById('microphone').options.length > 2")
    visit.page.click("#show-settings")
    visit.page.select_option("#microphone", index=2)
    visit.page.wait_for_function("() => ear.tracks.length === 2")
    chosen = visit.page.input_value("#microphone")

    visit.page.add_init_script(  # as where devices have no name before a microphone was allowed
        """if (navigator.mediaDevices) {
             const devices = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
             navigator.mediaDevices.enumerateDevices = async () => ear.tracks.length ? await devices() : [];
           }"""
    )
    visit.page.reload()
    visit.page.click("#talk")
    visit.page.wait_for_function("() => ear.tracks.length === 1")

    assert visit.page.evaluate("() => ear.tracks[0].getSettings().deviceId") == chosen
    visit.page.wait_for_function(f"() => document.getElementById('microphone').value === '{chosen}'")


def test_what_the_microphone_hears_is_seen_in_the_waveform_and_in_the_ring(visit: Visit) -> None:
    visit.page.evaluate(_LOOK)
    visit.page.click("#talk")
    visit.page.wait_for_function("() => most.pixels > 300 && most.level > 0.2")

    visit.page.click("#mic")
    visit.page.wait_for_function("() => pixels === 0 && level === 0")  # it flows away, and the ring is still


def test_a_hidden_page_still_listens_and_speaks(visit: Visit) -> None:
    visit.page.click("#talk")
    visit.state("hearing")
    visit.page.evaluate(_HIDE, True)
    spoken = len(visit.spoken)
    visit.comes("response.done")
    visit.comes("output_audio_buffer.stopped")
    assert len(visit.spoken) > spoken
    assert visit.all_sent("output_audio_buffer.played")

    visit.page.evaluate(_HIDE, False)
    visit.page.evaluate(_LOOK)
    visit.page.click("#mic")
    visit.page.click("#mic")  # it hears the question once more
    visit.page.wait_for_function("() => most.pixels > 300")


# --- the network ---------------------------------------------------------------------------------------------------


def test_a_microphone_that_was_on_is_on_again_when_the_server_is_back(browser: Browser) -> None:
    with serving() as server, visiting(browser, server.url, ear=True) as visit:
        visit.page.click("#talk")
        visit.state("hearing")
        server.stop(at_once=True)
        visit.shows("#message-what", "The server does not answer")
        assert tracks(visit) == ["ended"]
        server.start()

        visit.comes("session.created", 2)
        visit.state("hearing")
        assert tracks(visit) == ["ended", "live"]


def test_a_button_that_is_held_while_the_server_restarts_is_let_go(browser: Browser) -> None:
    with serving() as server, visiting(browser, server.url, ear=True) as visit:
        push_to_talk(visit)
        visit.page.click("#talk")
        visit.until(lambda: tracks(visit) == ["live"], "there is no microphone")
        visit.page.keyboard.down("Space")
        visit.state("hearing")
        server.stop(at_once=True)
        visit.shows("#message-what", "The server does not answer")
        server.start()
        visit.comes("session.created", 2)
        visit.until(lambda: tracks(visit) == ["ended", "live"], "it is not on again")
        visit.state("listening")
        visit.page.keyboard.up("Space")
        visit.page.keyboard.down("Space")
        visit.state("hearing")

        assert not visit.all_sent("input_audio_buffer.commit")
        assert not visit.all_sent("input_audio_buffer.clear")


def test_whoever_does_not_want_to_wait_for_a_connection_can_give_up(browser: Browser, server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, visiting(browser, server.url, ear=True) as visit:
        visit.page.evaluate(
            f"""() => {{
                 const Real = WebSocket;
                 window.WebSocket = class extends Real {{
                   constructor() {{
                     super("ws://127.0.0.1:{silent.getsockname()[1]}/");
                     window.socket = this;
                   }}
                 }};
               }}"""
        )
        visit.page.click("#talk")
        visit.state("connecting")
        assert visit.page.inner_text("#talk-hint") == "Press to give up."
        visit.page.click("#talk")
        visit.state("off")

        visit.page.wait_for_function("() => socket.readyState === WebSocket.CLOSED")
        assert visit.page.get_attribute("body", "data-state") == "off"
        assert tracks(visit) == []
        assert not visit.page.is_visible("#message")


# --- the loudspeaker -----------------------------------------------------------------------------------------------


def test_a_loudspeaker_that_is_unplugged_is_replaced_by_the_systems(browser: Browser, server: Server) -> None:
    with visiting(browser, server.url) as visit:
        visit.page.add_init_script(
            """window.sinks = [];
               window.devices = [{ kind: "audiooutput", deviceId: "headset", label: "Headset" }];
               navigator.mediaDevices.enumerateDevices = async () => devices;
               AudioContext.prototype.setSinkId = async (device) => void sinks.push(device);"""
        )
        visit.page.reload()
        visit.write("Hello")
        visit.state("speaking")
        visit.page.click("#show-settings")
        visit.page.select_option("#speaker", "headset")
        visit.page.keyboard.press("Escape")
        visit.page.evaluate("() => { devices = []; navigator.mediaDevices.dispatchEvent(new Event('devicechange')); }")

        visit.shows("#message-what", "The loudspeaker is gone")
        assert visit.page.evaluate("() => sinks") == ["headset", ""]
        visit.page.evaluate(
            """() => {
                 devices = [{ kind: "audiooutput", deviceId: "headset", label: "Headset" }];
                 navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
               }"""
        )
        visit.page.wait_for_function("() => sinks.at(-1) === 'headset'")  # it is plugged in again


def test_sound_that_is_held_back_is_told_and_goes_on_with_the_next_key(visit: Visit) -> None:
    visit.page.click("#talk")
    visit.state("hearing")
    visit.page.evaluate(
        """() => {
             window.held = true;
             const resume = AudioContext.prototype.resume;
             AudioContext.prototype.resume = function () {
               return held ? new Promise(() => {}) : resume.call(this);
             };
             return ear.context.suspend();
           }"""
    )
    visit.shows("#message-what", "Sound and microphone stand still")
    visit.page.evaluate("() => { held = false; }")
    assert visit.page.is_visible("#message")
    visit.page.keyboard.press("Shift")

    visit.page.wait_for_selector("#message", state="hidden")
    assert visit.page.evaluate("() => ear.context.state") == "running"


def test_sound_that_the_system_has_halted_for_a_moment_goes_on_by_itself(visit: Visit) -> None:
    visit.page.click("#talk")
    visit.state("hearing")
    visit.page.evaluate("() => ear.context.suspend()")

    visit.page.wait_for_function("() => ear.context.state === 'running'")
    visit.page.wait_for_selector("#message", state="hidden")
