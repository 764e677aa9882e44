"""Which plug-ins are chosen: by name, by a path or an address, by a key that is there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cli.chosen import check_options, choose_transport, choose_upstream, key_among
from realtime_engine.errors import UsageError
from realtime_engine.finding import UPSTREAMS
from tests.cli.fake import Fake, PathOptions, Reading, polite


@dataclass(frozen=True)
class HostedOptions:
    """What a hosted upstream is made from."""

    url: str = "wss://api.example"
    model_name: str | None = None
    key_file: Path | None = None


class Hosted(Fake):
    """One that has an address."""

    Options: ClassVar[type] = HostedOptions
    made: ClassVar[HostedOptions]

    def __init__(self, options: HostedOptions) -> None:
        Hosted.made = options


class Serving:
    """A transport that serves."""

    def serve(self) -> None: ...


KNOWN: dict[str, type[Any]] = {
    "openai": Hosted,
    "stranger": Hosted,
    "local": Fake,
    "reading": Reading,
    "ws": Serving,
    "wav": Fake,
}


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fake, "model", staticmethod(polite), raising=False)
    monkeypatch.setattr("cli.chosen.find", lambda group, name: KNOWN[name])


@pytest.mark.parametrize(
    ("named", "made"),
    [
        ("openai", HostedOptions()),
        ("openai:wss://host/v1/realtime", HostedOptions(url="wss://host/v1/realtime")),
        ("wss://host/v1/realtime?x=y", HostedOptions(url="wss://host/v1/realtime?x=y")),
        ("ws://127.0.0.1:8000/v1/realtime", HostedOptions(url="ws://127.0.0.1:8000/v1/realtime")),
    ],
)
def test_an_upstream_is_named_or_is_an_address(named: str, made: HostedOptions) -> None:
    chosen = choose_upstream(named, key=None)

    chosen.make({}, model=None)

    assert (chosen.name, chosen.why, Hosted.made) == ("openai", None, made)


def test_a_strangers_upstream_may_take_an_address_too() -> None:
    choose_upstream("stranger:ws://host/?a=b", key=None).make({}, model=None)

    assert Hosted.made == HostedOptions(url="ws://host/?a=b")


def test_an_address_on_the_command_line_counts_more_than_that_of_a_file() -> None:
    choose_upstream("wss://flag", key=None).make({"url": "wss://file"}, model="gpt-realtime")

    assert Hosted.made == HostedOptions(url="wss://flag", model_name="gpt-realtime")


def test_the_flags_of_an_upstream_are_those_that_nothing_else_fills() -> None:
    names = [argument.name for argument in choose_upstream("openai", key="x is set").arguments()]

    assert names == ["key_file"]


def test_a_path_stands_behind_the_colon_or_in_a_file() -> None:
    made: list[object] = []
    for named, values in (("reading:a:b", {}), ("reading", {"path": Path("c")})):
        choose_upstream(named, key=None).make(values, model=None)
        made.append(Fake.options)

    assert made == [PathOptions(path=Path("a:b")), PathOptions(path=Path("c"))]


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        ("reading", "--upstream reading needs a path: --upstream reading:PATH"),
        ("local:x", "--upstream local takes no path: leave :x out"),
        (
            "https://sesame@host/v1/realtime",
            "^--upstream: the address of a Realtime server begins with wss:// or ws://$",
        ),
    ],
)
def test_what_does_not_fit_the_upstream_is_said(named: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        choose_upstream(named, key=None).make({}, model=None)


@pytest.mark.parametrize(
    ("key", "tokens", "name", "why"),
    [
        (None, [], "local", "the embedded model; it needs no key"),
        ("", [], "local", "the embedded model; it needs no key"),
        ("sk-x", ["--key-file", "key.txt"], "openai", "OPENAI_API_KEY is set"),
        (None, ["--key-file", "key.txt"], "openai", "--key-file is given"),
        (None, ["--upstream-header=api-key: x"], "openai", "--upstream-header is given"),
    ],
)
def test_where_nobody_is_named_a_key_decides(
    key: str | None, tokens: list[str], name: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if key is not None:
        monkeypatch.setenv("OPENAI_API_KEY", key)

    chosen = choose_upstream(None, key=key_among(tokens))

    assert (chosen.name, chosen.why) == (name, why)


def test_each_transport_is_for_one_of_the_two_commands() -> None:
    assert choose_transport("ws", server=True) is Serving
    assert choose_transport("wav", server=False) is Fake
    with pytest.raises(UsageError, match="'ws' serves many conversations: engine serve --transport ws"):
        choose_transport("ws", server=False)
    with pytest.raises(UsageError, match="'wav' holds one conversation: engine run --transport wav"):
        choose_transport("wav", server=True)


class Choosy(Reading):
    """One that needs a path, and can tell what is wrong with it."""

    @staticmethod
    def check(options: PathOptions) -> None:
        if options.path == Path("bad"):
            raise UsageError("the path is bad")
        options.path.relative_to("good")


def test_a_plug_in_that_can_judge_its_options_is_asked_as_soon_as_all_that_it_needs_is_said() -> None:
    check_options(UPSTREAMS, "choosy", Choosy, {})
    check_options(UPSTREAMS, "choosy", Choosy, {"path": Path("good/one")})
    check_options(UPSTREAMS, "reading", Reading, {"path": Path("bad")})
    with pytest.raises(UsageError, match=r"^the path is bad$"):
        check_options(UPSTREAMS, "choosy", Choosy, {"path": Path("bad")})
    with pytest.raises(UsageError, match=r"^the upstream 'choosy' fails: ValueError: "):
        check_options(UPSTREAMS, "choosy", Choosy, {"path": Path("other")})
