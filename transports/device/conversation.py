"""One conversation at a sound card: the card is opened, watched, and another is taken up when it is lost."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from time import perf_counter
from typing import Final

import trio

from realtime_engine.errors import UsageError
from realtime_engine.inputs import Side
from realtime_engine.link import Link
from realtime_engine.machine_link import MachineLink, open_machine
from realtime_engine.options import SessionOptions
from realtime_engine.show import Show, Who
from realtime_engine.upstreams.local.frames import Silero
from transports.device import DeviceOptions, portaudio
from transports.device.card import Card, open_card
from transports.device.echo import is_installed
from transports.device.front import DeviceFront
from transports.device.keyboard import open_keyboard

STALLED: Final = 2.0
"""Seconds without a block after which a card is lost: some stop without a word."""

BEHIND: Final = 0.1
"""Seconds by which the microphone may lag behind itself, until the card is opened anew: see `Duplex.behind`."""

CLOSE_WITHIN: Final = 2.0
"""Seconds that a card has to close; one that is lost may hang for ever."""

TRY_EVERY: Final = 0.5
"""Seconds between two looks for another card."""

_HEADSET: Final = (
    "wear a headset, or the model hears itself: the extra echo helps without one "
    "(from the checkout, pip install '.[echo]'), or --echo mute"
)


class DeviceConversation:
    """A conversation, from the first block to the last."""

    def __init__(self, options: DeviceOptions, session: SessionOptions, show: Show, *, has_keys: bool) -> None:
        self._options = options
        self._default = DeviceOptions(block_ms=options.block_ms, latency=options.latency)
        self._session = session
        self._show = show
        self._has_keys = has_keys
        self._front: DeviceFront | None = None
        self._card: Card | None = None
        self._ended = trio.Event()  # the card has
        self._turned = trio.Event()  # the card has, a block

    def raise_problems(self) -> None:
        """Say what went wrong, as an error.

        Raises:
            UsageError: The card was lost, or the settings were refused.
            UpstreamError: The model's side has ended the conversation.
        """
        if self._front is not None and self._front.problems:
            raise self._front.problems[0]

    @asynccontextmanager
    async def open(self, clock: Callable[[], float]) -> AsyncIterator[Link]:
        """The link to the person, while a card runs.

        Raises:
            UsageError: There is no such device, or it cannot be used.
        """
        detector = Silero() if self._session.detects_speech else None  # loaded before a card is to be served
        card = await self._open(self._options)
        try:
            self._show.line(clock(), Who.ENGINE, _described(card))
            if self._options.echo == "auto" and not is_installed():
                self._show.line(clock(), Who.ENGINE, _HEADSET)
            offset = clock() - perf_counter()
            front = self._front = DeviceFront(
                self._session,
                card.duplex,
                self._show,
                offset,
                detector,
                self._options.echo,
                has_keys=self._has_keys,
                push_to_talk=self._options.mode == "ptt",
            )
            async with open_machine(Side.FRONT, front, clock) as link, trio.open_nursery() as nursery:
                nursery.start_soon(self._follow, link)
                nursery.start_soon(self._keep, card, front, link, clock)
                if self._has_keys:
                    nursery.start_soon(self._heed_keys, front, link, clock)
                yield link
                nursery.cancel_scope.cancel()
        finally:
            self._show.scene(None)
            await self._close()

    async def _follow(self, link: MachineLink) -> None:
        """See what each block brings: in a task, so that what goes wrong there ends the conversation in good order."""
        while True:
            await self._turned.wait()
            self._turned = trio.Event()
            link.wake()

    async def _keep(self, card: Card, front: DeviceFront, link: MachineLink, clock: Callable[[], float]) -> None:
        """Whenever the card lags or has ended open it anew; where it hangs or is gone, the default one, or all ends."""
        while True:
            behind = await self._until_lost(card)
            if behind:
                problem = f"the microphone lags {behind * 1000:.0f} ms behind: the card is opened anew"
            else:
                problem = f"{card.name} is gone: the conversation waits for another"
                front.lost()
                link.wake()
            self._show.line(clock(), Who.ENGINE, problem)
            try:
                hangs = not behind and not self._ended.is_set()
                card = await self._another(self._default if hangs else self._options)
            except UsageError as error:
                front.leave(UsageError(f"the sound card is gone, and no other is there: {error}"))
                link.wake()
                return
            self._show.line(clock(), Who.ENGINE, _described(card))
            front.use(card.duplex)
            link.wake()

    async def _heed_keys(self, front: DeviceFront, link: MachineLink, clock: Callable[[], float]) -> None:
        """Do what the keys ask for, until the conversation ends or the terminal is gone."""
        with open_keyboard() as keyboard:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(keyboard.stand_by, partial(self._show.scene, None))
                while keys := await keyboard.read():
                    for key in keys:
                        front.press(clock(), key)
                    link.wake()
                nursery.cancel_scope.cancel()

    async def _until_lost(self, card: Card) -> float:
        """Wait until a card has ended, or says nothing any more; or only lags behind: then by how many seconds."""
        blocks = -1
        while card.duplex.blocks != blocks and not self._ended.is_set():
            if (behind := card.duplex.behind) > BEHIND:
                return behind
            blocks = card.duplex.blocks
            with trio.move_on_after(STALLED):
                await self._ended.wait()
        return 0.0

    async def _another(self, options: DeviceOptions) -> Card:
        """Let go of the card, and open this one; or else the default one, as soon as there is one.

        Raises:
            UsageError: There is none.
        """
        closed = await self._close()
        deadline = trio.current_time() + self._options.card_wait
        while True:
            try:
                if closed:
                    await trio.to_thread.run_sync(portaudio.look_again)
                return await self._open(options)
            except UsageError:
                if trio.current_time() >= deadline:
                    raise
                options = self._default
            await trio.sleep(TRY_EVERY)

    async def _open(self, options: DeviceOptions) -> Card:
        token = trio.lowlevel.current_trio_token()
        self._ended = trio.Event()
        opened = partial(
            open_card, options, wake=partial(_soon, token, self._wake), ended=partial(_soon, token, self._ended.set)
        )
        self._card = await trio.to_thread.run_sync(opened)
        return self._card

    async def _close(self) -> bool:
        """Close the card that is open; False: it hangs, and is left to itself."""
        card, self._card = self._card, None
        if card is None:
            return True
        with trio.move_on_after(CLOSE_WITHIN, shield=True) as scope:
            await trio.to_thread.run_sync(card.close, abandon_on_cancel=True)
        if scope.cancelled_caught:
            portaudio.leave_open()
        return not scope.cancelled_caught

    def _wake(self) -> None:
        """The card has turned a block over."""
        self._turned.set()


def _soon(token: trio.lowlevel.TrioToken, call: Callable[[], None]) -> None:
    """Have something called in the engine's thread; once is enough until it has been. Called in the card's."""
    with suppress(trio.RunFinishedError):
        token.run_sync_soon(call, idempotent=True)


def _described(card: Card) -> str:
    heard, played = card.latency
    return (
        f"{card.name}: {card.duplex.rate} Hz, {heard * 1000:.0f} ms from the microphone, "
        f"{played * 1000:.0f} ms to the speaker"
    )
