"""A card that stops without a word, and cannot be closed: the conversation goes on at another."""

import json
import threading
from collections.abc import Callable, Iterator

import pytest
import trio

from realtime_engine.errors import UsageError, first
from realtime_engine.inputs import Kind
from realtime_engine.options import SessionOptions
from realtime_engine.show import Who
from tests.script import session_created
from tests.transports.device.blocks import FakeCard
from tests.transports.wav_script import Shown
from transports.device import Device, DeviceOptions, conversation
from transports.device.card import Card
from transports.device.conversation import DeviceConversation
from transports.device.front import DeviceFront


class Hung:
    """A stream that does not come back."""

    def __init__(self, never: threading.Event) -> None:
        self._never = never

    def abort(self, *, ignore_errors: bool) -> None:
        self._never.wait()

    def close(self, *, ignore_errors: bool) -> None: ...


class Fine(Hung):
    """A stream that does."""

    def abort(self, *, ignore_errors: bool) -> None: ...


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """Set when the test is over, so that nothing waits for it any more."""
    never = threading.Event()
    yield never
    never.set()


async def test_a_card_that_stands_still_and_hangs_is_left_and_the_default_one_is_taken_up(
    monkeypatch: pytest.MonkeyPatch, never: threading.Event
) -> None:
    opened: list[DeviceOptions] = []
    left: list[bool] = []

    def open_card(options: DeviceOptions, *, wake: Callable[[], None], ended: Callable[[], None]) -> Card:
        opened.append(options)
        if len(opened) == 2:
            raise UsageError("there is none yet")
        if len(opened) == 3:  # it stays, however slow the computer is
            for name in ("STALLED", "CLOSE_WITHIN"):
                monkeypatch.setattr(conversation, name, 60.0)
        stream = Hung(never) if len(opened) == 1 else Fine(never)
        return Card(FakeCard().duplex, f"card {len(opened)}", (0.0, 0.0), stream)

    monkeypatch.setattr(conversation, "open_card", open_card)
    monkeypatch.setattr("transports.device.portaudio.leave_open", lambda: left.append(True))
    monkeypatch.setattr("transports.device.portaudio.look_again", lambda: None)
    for name in ("STALLED", "CLOSE_WITHIN", "TRY_EVERY"):
        monkeypatch.setattr(conversation, name, 0.05)
    shown = Shown()
    talking = DeviceConversation(DeviceOptions(input_device="USB", echo="off"), SessionOptions(), shown, has_keys=False)

    with trio.fail_after(60):
        async with talking.open(trio.current_time) as link:
            link.write(json.dumps(session_created()).encode(), Kind.TEXT)
            link.flush()
            states: list[str] = []
            while len(states) < 2:
                states += [json.loads(message.raw)["state"] for message in await link.read()]

    assert states[:2] == ["lost", "there"]
    assert left == [True]
    assert [options.input_device for options in opened[:3]] == ["USB", None, None], "the default one"
    assert "card 1 is gone: the conversation waits for another" in shown.of(Who.ENGINE)
    talking.raise_problems()


async def test_a_card_whose_microphone_lags_behind_is_opened_anew_or_else_the_default_one(
    monkeypatch: pytest.MonkeyPatch, never: threading.Event
) -> None:
    opened: list[DeviceOptions] = []
    cards = [FakeCard(), FakeCard(), FakeCard()]

    def open_card(options: DeviceOptions, *, wake: Callable[[], None], ended: Callable[[], None]) -> Card:
        opened.append(options)
        if len(opened) == 3:
            raise UsageError("it is gone in this very moment")
        card = cards[len(opened) - 1 - (len(opened) > 3)]
        return Card(card.duplex, f"card {len(opened)}", (0.0, 0.0), Fine(never))

    monkeypatch.setattr(conversation, "open_card", open_card)
    monkeypatch.setattr("transports.device.portaudio.look_again", lambda: None)
    monkeypatch.setattr(conversation, "TRY_EVERY", 0.05)
    monkeypatch.setattr(conversation, "STALLED", 60.0)
    shown = Shown()
    wanted = DeviceOptions(input_device="USB", echo="off")
    for card in cards[:2]:
        for waited in (0.0, 0.2):
            for _ in range(50):
                card.turn(240, waited=waited)
    talking = DeviceConversation(wanted, SessionOptions(), shown, has_keys=False)

    with trio.fail_after(60):
        async with talking.open(trio.current_time) as link:
            states: list[str] = []
            while len(states) < 2:
                states += [json.loads(message.raw)["state"] for message in await link.read()]

    assert states == ["there", "there"], "it was never lost"
    assert [options.input_device for options in opened] == ["USB", "USB", "USB", None]
    assert shown.of(Who.ENGINE).count("the microphone lags 200 ms behind: the card is opened anew") == 2
    talking.raise_problems()


async def test_a_card_that_has_ended_and_is_still_there_is_taken_up_again_before_the_default_one(
    monkeypatch: pytest.MonkeyPatch, never: threading.Event
) -> None:
    opened: list[DeviceOptions] = []

    def open_card(options: DeviceOptions, *, wake: Callable[[], None], ended: Callable[[], None]) -> Card:
        opened.append(options)
        if len(opened) == 1:
            ended()
        return Card(FakeCard().duplex, f"card {len(opened)}", (0.0, 0.0), Fine(never))

    monkeypatch.setattr(conversation, "open_card", open_card)
    monkeypatch.setattr("transports.device.portaudio.look_again", lambda: None)
    monkeypatch.setattr(conversation, "STALLED", 60.0)
    wanted = DeviceOptions(input_device="USB", echo="off")
    talking = DeviceConversation(wanted, SessionOptions(), Shown(), has_keys=False)

    with trio.fail_after(60):
        async with talking.open(trio.current_time) as link:
            states: list[str] = []
            while len(states) < 2:
                states += [json.loads(message.raw)["state"] for message in await link.read()]

    assert states == ["lost", "there"]
    assert [options.input_device for options in opened] == ["USB", "USB"]


@pytest.mark.parametrize(
    ("options", "installed", "told"),
    [
        (DeviceOptions(), False, True),
        (DeviceOptions(), True, False),
        (DeviceOptions(echo="off"), False, False),
        (Device(DeviceOptions(mode="ptt")).options, False, False),
    ],
)
async def test_who_may_be_heard_by_the_model_it_is_told_of_a_headset(
    options: DeviceOptions, installed: bool, told: bool, never: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "open_card", lambda *_, **__: Card(FakeCard().duplex, "", (0, 0), Fine(never)))
    monkeypatch.setattr(conversation, "is_installed", lambda: installed)
    shown = Shown()

    async with DeviceConversation(options, SessionOptions(), shown, has_keys=False).open(trio.current_time):
        pass

    assert any(line.startswith("wear a headset") for line in shown.of(Who.ENGINE)) is told


async def test_what_goes_wrong_with_a_block_ends_the_conversation_where_it_is_held(
    never: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards: list[FakeCard] = []

    def open_card(options: DeviceOptions, *, wake: Callable[[], None], ended: Callable[[], None]) -> Card:
        cards.append(FakeCard(wake=wake))
        return Card(cards[0].duplex, "", (0, 0), Fine(never))

    def fail(front: DeviceFront, now: float) -> None:
        raise MemoryError("what nobody has foreseen")

    monkeypatch.setattr(conversation, "open_card", open_card)
    monkeypatch.setattr(DeviceFront, "advance", fail)
    talking = DeviceConversation(DeviceOptions(echo="off"), SessionOptions(), Shown(), has_keys=False)

    async def hold() -> None:
        async with talking.open(trio.current_time):
            cards[0].turn(240)
            await trio.sleep(60)

    with pytest.raises(BaseExceptionGroup) as raised:
        await hold()
    assert isinstance(first(raised.value), MemoryError)
