"""What a file and the environment say: every wrong word is named with its place, and nothing of it is repeated."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import pytest

from cli.given import ConfigFile, from_environment, settable
from cli.options import LimitOptions, ServeOptions
from cli.values import accepted
from realtime_engine.errors import UsageError
from realtime_engine.sizes import size

if TYPE_CHECKING:
    from realtime_engine.objects import Json


@dataclass(frozen=True, kw_only=True)
class Options:
    """One field of each kind."""

    host: str = "127.0.0.1"
    port: int = 8000
    drain: float = 10.0
    trusting: bool = False
    key: Path | None = None
    origins: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    names: list[str] = field(default_factory=list)
    log: Literal["console", "json"] | None = None
    largest: int = field(default=1, metadata={"parse": size})
    turns: tuple[object, ...] = field(default=(), metadata={"flags": {"--input": Path}})
    address: str = field(init=False, default="")


def config(text: str, tmp_path: Path) -> ConfigFile:
    (tmp_path / "engine.toml").write_text(text, "utf-8")
    return ConfigFile.read(tmp_path / "engine.toml")


def test_a_table_gives_the_fields_of_its_options() -> None:
    table: Json = {
        "host": "::1",
        "port": 9000,
        "drain": 5,
        "trusting": True,
        "key": "key.txt",
        "origins": ["https://a", "https://b"],
        "ports": [],
        "log": "json",
        "largest": "2K",
    }

    assert ConfigFile(tables={"transport": {"ws": table}}).values(Options, "transport", "ws") == {
        "host": "::1",
        "port": 9000,
        "drain": 5.0,
        "trusting": True,
        "key": Path("key.txt"),
        "origins": ("https://a", "https://b"),
        "ports": (),
        "log": "json",
        "largest": 2000,
    }


def test_a_table_that_is_not_there_says_nothing() -> None:
    assert ConfigFile().values(Options, "transport", "ws") == {}


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("host", 1, "must be a text"),
        ("port", "sesame", "must be a whole number"),
        ("port", "8000", "must be a whole number"),
        ("port", 80.5, "must be a whole number"),
        ("port", True, "must be a whole number"),
        ("drain", "10", "must be a number"),
        ("trusting", "yes", "must be true or false"),
        ("key", 5, "must be a path"),
        ("key", {"a": 1}, "must be a path"),
        ("origins", "sesame", "must be a list, each entry a text"),
        ("ports", [1, "sesame"], "must be a list, each entry a whole number"),
        ("log", "sesame", 'must be "console" or "json"'),
        ("largest", "sesame", "must be a size, such as 500M or 20GiB"),
        ("largest", 1.5, "must be a whole number"),
    ],
)
def test_a_value_that_does_not_fit_is_named_and_not_repeated(key: str, value: object, problem: str) -> None:
    with pytest.raises(UsageError, match=rf"^engine.toml: \[transport.ws\] {key} {problem}$") as caught:
        ConfigFile(tables={"transport": {"ws": cast("Json", {key: value})}}).values(Options, "transport", "ws")

    assert caught.value.__context__ is None or "sesame" not in repr(caught.value.__cause__)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[serve]\nupstraem = 'local'", r"\[serve\] upstraem: unknown key; did you mean upstream\? Known: client_may"),
        ("[serve]\nzzz = 1", r"\[serve\] zzz: unknown key; known: client_may_set, "),
        ("[limits]\nmax_idle = 'much'", r"\[limits\] max_idle must be a number"),
        ("[server]\nport = 1", r"\[server\]: unknown table; did you mean serve\? Known: limits, prices, serve, "),
        ("prot = 1", r"\[prot\]: unknown table"),
        ("port = 1", r"port: it belongs in \[transport.ws\]"),
        ("[serve]\nport = 1", r"\[serve\] port: it belongs in \[transport.ws\]"),
        ("[transport.ws]\nmax_idle = 1", r"\[transport.ws\] max_idle: it belongs in \[limits\]"),
        ("serve = 1", r"serve must be a table: \[serve\]"),
        ("session = 'x'", r"session: it belongs in \[serve\]"),
        ("prices = 'x'", r"prices must be a table: \[prices\]"),
        ("[upstream.local]\nsede = 1", r"\[upstream.local\] sede: unknown key; did you mean seed\? "),
        ("[upstream.nobody]\nx = 1", r"\[upstream.nobody\]: unknown upstream 'nobody'; known: "),
        ("upstream = 'local'", r"upstream: it belongs in \[serve\]"),
        ("transport = 1", r"transport: it belongs in \[serve\]"),
        ("[upstream]\nlocal = 1", r"upstream.local must be a table: \[upstream.local\]"),
        ("[transport.wav]\nturns = []", r"\[transport.wav\] turns: unknown key; known: mix, output, speed"),
        ("[serve]\nx =\n", "not TOML: .*line 2"),
        ("[prices]\nsourec = 'x'", r"\[prices\] sourec: unknown key; did you mean source\? Known: currency, models"),
        ("[prices]\nsource = 1", r"\[prices\] source must be a text"),
        ("[prices]\ncurrency = 'EUR'", r"\[prices\] source is missing: say where the figures are from"),
        ("[prices]\nsource = 'x'\nmodels = 1", r"prices.models must be a table: \[prices.models\]"),
        (
            "[prices]\nsource = 'x'\n[prices.models.'m-2.1']\ntext = 1",
            r"\[prices.models.m-2.1\] text: unknown key; did you mean text_in\? Known: ",
        ),
        (
            "[prices]\nsource = 'x'\n[prices.models.m]\ntext_in = -1",
            r"\[prices.models.m\] text_in must be a number, and not less than 0",
        ),
        ("[prices]\nsource = 'x'\n[prices.models.m]\ntext_in = true", r".*text_in must be a number, and not"),
    ],
)
def test_what_is_wrong_in_a_file_is_found_also_where_it_is_not_used(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"engine.toml: {problem}"):
        config(text, tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"[serve]\nvoice = '\xe4'")

    with pytest.raises(UsageError, match=r"gone.toml: cannot be read: No such file"):
        ConfigFile.read(tmp_path / "gone.toml")
    with pytest.raises(UsageError, match=r"latin.toml: not UTF-8"):
        ConfigFile.read(tmp_path / "latin.toml")


def test_the_session_is_free_to_have_what_the_engine_does_not_know(tmp_path: Path) -> None:
    read = config("[session]\nnew_thing = 1\n[session.audio.output]\nvoice = 'marin'\n", tmp_path)

    assert read.table("session") == {"new_thing": 1, "audio": {"output": {"voice": "marin"}}}


def test_the_environment_says_the_same_in_text(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {
        "HOST": "::1",
        "PORT": "9000",
        "DRAIN": "5",
        "TRUSTING": "true",
        "KEY": "key.txt",
        "ORIGINS": "https://a, https://b",
        "PORTS": "1,2",
        "NAMES": "a, b",
        "LOG": "json",
        "LARGEST": "2K",
        "TURNS": "x",
        "ADDRESS": "x",
    }
    for name, text in said.items():
        monkeypatch.setenv(f"ENGINE_{name}", text)

    assert from_environment(Options, leave_out={"host"}) == {
        "port": 9000,
        "drain": 5.0,
        "trusting": True,
        "key": Path("key.txt"),
        "origins": ("https://a", "https://b"),
        "ports": (1, 2),
        "names": ["a", "b"],
        "log": "json",
        "largest": 2000,
    }


def test_an_empty_variable_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_PORT", "")

    assert from_environment(Options) == {}


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("ENGINE_PORT", "tcp://10.0.0.1:80", "a whole number"),
        ("ENGINE_PORT", "80.5", "a whole number"),
        ("ENGINE_DRAIN", "10s", "a number"),
        ("ENGINE_HOST", "\udcff", "text in UTF-8"),
        ("ENGINE_TRUSTING", "sesame", "true or false"),
        ("ENGINE_LARGEST", "sesame", "a size, such as 500M or 20GiB"),
        ("ENGINE_PORTS", "1,sesame", "a list, each entry a whole number"),
    ],
)
def test_a_variable_that_does_not_fit_is_named_and_not_repeated(
    name: str, text: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)

    with pytest.raises(UsageError, match=f"^{name} must be {problem}$"):
        from_environment(Options)


def test_what_a_stranger_may_use_as_a_type_is_named_as_it_is() -> None:
    assert accepted(bytes | None) == "<class 'bytes'>"


@pytest.mark.parametrize("options", [ServeOptions, LimitOptions])
def test_every_option_of_the_command_can_stand_in_a_file(options: type) -> None:
    assert len(settable(options)) == len(options.__dataclass_fields__)  # type: ignore[attr-defined]
