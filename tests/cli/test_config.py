"""``engine config``: the example says everything, and says the truth."""

import tomllib
from pathlib import Path

import pytest

from cli.example import example
from cli.flags import default_of
from cli.given import OWN, ConfigFile, settable
from cli.prices import read_prices
from realtime_engine.finding import TRANSPORTS, UPSTREAMS, find, installed
from realtime_engine.servers import is_server
from tests.cli.fake import engine

SERVERS = [f"transport.{name}" for name in installed(TRANSPORTS) if is_server(find(TRANSPORTS, name))]
TABLES = {
    **OWN,
    **{table: find(TRANSPORTS, table.partition(".")[2]).Options for table in SERVERS},
    **{f"upstream.{name}": find(UPSTREAMS, name).Options for name in installed(UPSTREAMS)},
}


def uncommented(text: str) -> str:
    """The example with all its defaults said aloud, but for those that are nothing."""
    lines = text.splitlines()
    return "\n".join(line.removeprefix("#") if not line.startswith(("# ", "#\n")) else "" for line in lines)


def without_nothings(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if " = …" not in line)


def test_the_example_as_it_is_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "engine.toml"
    path.write_text(example(), "utf-8")

    config = ConfigFile.read(path)

    assert config.tables["session"] == {}
    assert all(config.values(options, *table.split(".")) == {} for table, options in TABLES.items())


def test_the_example_says_every_default(tmp_path: Path) -> None:
    path = tmp_path / "engine.toml"
    path.write_text(uncommented(without_nothings(example())), "utf-8")

    config = ConfigFile.read(path)

    for table, options in TABLES.items():
        defaults = {name: default_of(field) for name, field in settable(options).items()}
        said = config.values(options, *table.split("."))
        assert said == {name: defaults[name] for name in said}
        assert {name for name in defaults if f"#{name} = " not in example()} == set()
        assert all(defaults[name] in (None, default_of(settable(options)[name])) for name in defaults.keys() - said)
    assert set(config.table("session")) == {"output_modalities", "audio"}
    prices = read_prices(config)
    assert prices is not None
    assert prices.models["gpt-realtime"].audio_out == 20.0


@pytest.mark.parametrize("table", TABLES)
def test_the_example_has_a_table_for_each_part(table: str) -> None:
    assert f"\n[{table}]\n" in example()


def test_it_is_printed_and_can_be_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert engine("config", "--example") == 0
    printed = capsys.readouterr().out
    (tmp_path / "engine.toml").write_text(printed, "utf-8")

    assert printed == example()
    assert tomllib.loads(printed)
    assert engine("config", "--check", tmp_path / "engine.toml") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'engine.toml'}: all of it is known\n"


def test_what_nobody_here_can_judge_is_not_called_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "engine.toml").write_text("[session]\ninstructoins = 'Be brief.'\n")

    assert engine("config", "--check", tmp_path / "engine.toml") == 0
    assert " but for what stands in [session], which only the model's server can judge" in capsys.readouterr().out


def test_a_wrong_file_is_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "engine.toml").write_text("[serve]\nupstraem = 'local'\n")

    assert engine("config", "--check", tmp_path / "engine.toml") == 2
    assert "[serve] upstraem: unknown key; did you mean upstream? Known: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[serve]\ntransport = 'wav'", "the transport 'wav' holds one conversation"),
        ("[serve]\nupstream = 'nobody'", "unknown upstream 'nobody'"),
        ("[serve]\nclient_may_set = 'vioce'", "--client-may-set: a session has no field 'vioce'"),
        ("[serve]\nreconnect_attempts = -1", "--reconnect-attempts must be 0 to 1000, not -1"),
        ("[serve]\nrecord_keep = 0", "--record-keep must be more than 0"),
        ("[limits]\nmax_idle = -1", "--max-idle must be more than 0, not -1"),
        ("[limits]\nmax_cost = 1", "--max-cost needs prices"),
        ("[transport.ws]\nmax_sessions = -1", "--max-sessions must be more than 0, not -1"),
        ("[transport.ws]\nport = 65536", "--port must be from 0 to 65535, not 65536"),
        ("[transport.ws]\nhost = 'http://a'", "--host 'http://a': give a name or an address alone"),
        ("[transport.ws]\nallow_origin = ['nope']", "--allow-origin nope: not an origin"),
        ("[transport.ws]\nallow_host = ['a/b']", "--allow-host a/b: not a host"),
        ("[transport.ws]\ntrusted_proxy = ['proxy']", "--trusted-proxy proxy: not an address"),
        ("[serve]\nupstream = 'openai'\n[upstream.local]\nreply_speed = 0", "--reply-speed must be more than 0"),
        ("[upstream.openai]\nconnect_within = 0", "--connect-within must be more than 0 seconds, not 0"),
        ("[upstream.azure]\nupstream_ping = -1", "--upstream-ping must be more than 0 seconds, not -1"),
        ("[upstream.xai]\nmax_message_upstream = 0", "--max-message-upstream must be at least 1 byte, not 0"),
        ("[upstream.openai]\nurl = 'http://x'", "the upstream's address must be a whole ws:// or wss:// URL"),
        ("[upstream.xai]\nurl = 'wss://me:secret@x'", "the upstream's address must hold no password"),
        ("[upstream.azure]\nupstream_header = ['bad']", "--upstream-header must be 'name: value'"),
        ("[upstream.local]\nexpires_after = -1", "--expires-after must be more than 0 seconds, not -1"),
    ],
)
def test_what_engine_serve_would_refuse_whatever_it_is_told_besides_is_refused_here(
    text: str, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "engine.toml").write_text(text)

    assert engine("config", "--check", tmp_path / "engine.toml") == 2
    assert f"engine: {tmp_path / 'engine.toml'}: {problem}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "[transport.ws]\nhost = '0.0.0.0'",  # a token may come from the environment
        "[transport.ws]\ntls_cert = 'cert.pem'\ntoken_file = 'gone'",  # the key from a flag; and files come and go
        "[upstream.local]\nscript = 'gone.toml'\nspeech = 'espeak'",
        "[upstream.recorded]",  # the path may stand behind the colon
        "[transport.wav]\nspeed = 'max'",
    ],
)
def test_what_may_be_right_with_what_is_said_elsewhere_is_not_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "engine.toml").write_text(text)

    assert engine("config", "--check", tmp_path / "engine.toml") == 0


@pytest.mark.parametrize("tokens", [(), ("--example", "--check", "x")])
def test_one_thing_at_a_time(tokens: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert engine("config", *tokens) == 2
    assert "engine config --example, or engine config --check FILE" in capsys.readouterr().err


def test_a_plug_in_that_cannot_be_loaded_is_not_in_the_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.given.installed", lambda group: {"gone": None} if "upstreams" in group else {})

    assert "[upstream." not in example()
