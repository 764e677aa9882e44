"""``engine serve``: what it makes of flags, environment and file, before anybody connects."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from logging import DEBUG
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
import trio

from realtime_engine import finding
from realtime_engine.commands import RunTool
from realtime_engine.errors import UsageError
from realtime_engine.journal import log
from realtime_engine.options import Limits
from realtime_engine.prices import Price, Prices
from realtime_engine.service import Service
from realtime_engine.tools import Tools
from realtime_engine.upstreams.recorded.tools import RecordedTools
from tests.cli.fake import Fake, PathOptions, Reading, Wired, engine, polite
from tests.cli.test_chosen import Hosted


@dataclass(frozen=True, kw_only=True)
class DoorOptions:
    """What the door is made from.

    Attributes:
        port: Where it is.
        names: Who may come in.
    """

    port: int = 8000
    names: tuple[str, ...] = ()


class Door:
    """A server that notes what it is to serve, and has served."""

    Options: ClassVar[type] = DoorOptions
    name: ClassVar[str] = "door"
    example: ClassVar[str] = "--port 9000"
    options: ClassVar[DoorOptions]
    service: ClassVar[Service]
    local: bool = True
    access: str = "nobody may come in"
    secrets: Sequence[str] = ("sesame-sesame",)

    def __init__(self, options: DoorOptions) -> None:
        if options.port < 0:
            raise UsageError("--port must not be negative")
        Door.options = options

    async def serve(self, service: Service, *, task_status: trio.TaskStatus[Sequence[str]]) -> None:
        Door.service = service
        task_status.started(["http://127.0.0.1:8000/", "http://[::1]:8000/"])

    def drain(self) -> None: ...


FAKES: dict[str, type[Any]] = {
    "door": Door,
    "fake": Fake,
    "reading": Reading,
    "wired": Wired,
    "openai": Hosted,
    "local": Fake,
}


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def find(group: str, name: str) -> type[Any]:
        return FAKES.get(name) or finding.find(group, name)

    monkeypatch.setattr(Fake, "model", staticmethod(polite), raising=False)
    monkeypatch.setattr("cli.chosen.find", find)
    monkeypatch.setattr("cli.given.find", find)
    monkeypatch.setenv("ENGINE_TRANSPORT", "door")
    monkeypatch.chdir(tmp_path)


def write(text: str) -> Path:
    Path("engine.toml").write_text(text, "utf-8")
    return Path("engine.toml")


def session() -> Any:
    return msgspec.json.decode(Door.service.settings)


def test_it_says_where_to_go_who_answers_and_who_may_come_in(capsys: pytest.CaptureFixture[str]) -> None:
    assert engine("serve") == 0

    told = capsys.readouterr()
    assert told.err.splitlines() == [
        "engine: open http://127.0.0.1:8000/ or http://[::1]:8000/",
        "engine: no --upstream was named: 'local' answers, the embedded model; it needs no key",
        "engine: nobody may come in",
    ]
    assert told.out == ""


def test_what_it_says_is_written_line_by_line_so_that_nothing_comes_between(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    class Unbuffered(StringIO):
        def write(self, text: str) -> int:
            if text:
                written.append(text)
            return len(text)

    monkeypatch.setattr("sys.stderr", Unbuffered())

    assert engine("serve") == 0
    assert len(written) == 3
    assert all(text.startswith("engine: ") and text.endswith("\n") for text in written)


def test_with_a_key_the_hosted_model_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-sesame")

    assert engine("serve") == 0

    assert Door.service.upstream.name == "fake"
    told = capsys.readouterr().err
    assert "'openai' answers, OPENAI_API_KEY is set" in told
    assert "sk-sesame" not in told


def test_an_address_is_said_by_its_host_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert engine("serve", "--upstream", "wss://user:sesame@host:9/v1/realtime?api-key=sesame") == 0

    told = capsys.readouterr().err
    assert "engine: 'openai' answers, at host\n" in told
    assert "sesame" not in told


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("flag", "--key-file is given"),
        ("environment", "ENGINE_KEY_FILE is set"),
        ("file", "engine.toml: [upstream.openai] key_file is there"),
    ],
)
def test_a_key_file_is_a_key_wherever_it_is_named(
    name: str, why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens: list[str | Path] = ["serve"]
    match name:
        case "flag":
            tokens += ["--key-file", "key.txt"]
        case "environment":
            monkeypatch.setenv("ENGINE_KEY_FILE", "key.txt")
        case _:
            tokens += ["--config", write('[upstream.openai]\nkey_file = "key.txt"\n')]

    assert engine(*tokens) == 0
    assert f"'openai' answers, {why}" in capsys.readouterr().err
    assert Hosted.made.key_file == Path("key.txt")


@pytest.mark.parametrize(
    ("tokens", "variable", "text", "shown"),
    [
        ((), None, "", False),
        ((), None, "[serve]\nverbose = true\n", True),
        ((), "1", "", True),
        (("--verbose",), None, "", True),
        (("-v",), "0", "[serve]\nverbose = false\n", True),
        ((), "false", "[serve]\nverbose = true\n", False),
    ],
)
def test_the_log_says_more_wherever_it_is_asked_to(
    tokens: tuple[str, ...], variable: str | None, text: str, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable is not None:
        monkeypatch.setenv("ENGINE_VERBOSE", variable)

    assert engine("serve", "--config", write(text), *tokens) == 0
    assert log().is_enabled_for(DEBUG) is shown


def test_the_help_shows_no_address_that_the_environment_holds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ENGINE_UPSTREAM", "wss://host/v1/realtime?api-key=sesame")

    assert engine("serve", "--help") == 0
    assert "sesame" not in capsys.readouterr().out


def test_a_flag_counts_more_than_the_environment_and_that_more_than_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(
        '[serve]\nmodel = "file"\nvoice = "file"\ninstructions = "file"\nupstream = "fake"\n'
        '[transport.door]\nport = 1\nnames = ["file"]\n[upstream.fake]\npatience = 1\nloud = true\n'
        "[limits]\nmax_idle = 1\nmax_duration = 1\nmax_tokens = 1\n"
    )
    said = {"MODEL": "environment", "VOICE": "environment", "PORT": "2", "PATIENCE": "2", "MAX_IDLE": "2"}
    for name, text in {**said, "MAX_DURATION": "2"}.items():
        monkeypatch.setenv(f"ENGINE_{name}", text)

    assert engine("serve", "--config", file, "--model", "flag", "--patience", "3", "--max-idle", "3") == 0

    assert session() == {
        "type": "realtime",
        "model": "flag",
        "audio": {"output": {"voice": "environment"}},
        "instructions": "file",
    }
    assert Door.options == DoorOptions(port=2, names=("file",))
    assert Fake.options == Fake.Options(patience=3.0, loud=True)
    assert Door.service.limits == Limits(idle=3.0, duration=2.0, tokens=1)


def test_the_file_may_be_named_by_the_environment_and_name_all_that_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENGINE_TRANSPORT")
    write('[serve]\ntransport = "door"\nupstream = "reading:a"\n')
    monkeypatch.setenv("ENGINE_CONFIG", "engine.toml")

    assert engine("serve") == 0
    made: object = Fake.options
    assert made == PathOptions(path=Path("a"))


def test_prices_of_the_file_let_the_cost_be_limited() -> None:
    file = write(
        '[limits]\nmax_cost = 2\n[prices]\nsource = "a list"\ncurrency = "EUR"\n[prices.models.m]\naudio_out = 20\n'
    )

    assert engine("serve", "--config", file) == 0

    prices = Prices(source="a list", currency="EUR", models={"m": Price(audio_out=20.0)})
    assert Door.service.limits == Limits(cost=2.0, prices=prices)


def test_the_session_of_the_file_is_the_protocols_and_all_of_it_is_pinned() -> None:
    file = write(
        '[session]\noutput_modalities = ["text"]\n[session.audio.input.turn_detection]\ntype = "semantic_vad"\n'
    )

    assert engine("serve", "--config", file, "--voice", "marin") == 0

    assert session() == {
        "type": "realtime",
        "output_modalities": ["text"],
        "audio": {"input": {"turn_detection": {"type": "semantic_vad"}}, "output": {"voice": "marin"}},
    }
    pinned = {"output_modalities", "audio.input.turn_detection", "audio.output.voice"}
    assert Door.service.policy.pinned.keys() == pinned


@pytest.mark.parametrize(
    ("local", "flags", "may_set"),
    [
        (True, (), "all"),
        (False, (), ("audio.input.turn_detection", "audio.input.transcription", "output_modalities")),
        (False, ("--client-may-set", "all"), "all"),
        (True, ("--client-may-set", "none"), "none"),
        (True, ("--client-may-set", "audio.output.voice, tools"), ("audio.output.voice", "tools")),
    ],
)
def test_what_clients_may_set_depends_on_who_they_are(
    local: bool, flags: tuple[str, ...], may_set: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Door, "local", local)

    assert engine("serve", *flags) == 0
    assert Door.service.policy.may_set == may_set


def test_functions_and_recordings_are_the_services(tmp_path: Path) -> None:
    Path("house.py").write_text('def lamp(on: bool) -> None:\n    """Switch the lamp."""\n')

    assert engine("serve", "--tools", "house.py", "--record", "recordings") == 0

    assert Door.service.tools is not None
    assert [schema.name for schema in Door.service.tools.schemas] == ["lamp"]
    assert Door.service.recorded
    assert Path("recordings").is_dir()
    assert session() is None


TOOLS = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Options:
    \"\"\"What the house is told.

    Attributes:
        lamps: How many there are.
        colour: Which they have.
    \"\"\"

    lamps: int = 1
    colour: str = "white"

    def __post_init__(self):
        if self.lamps < 0:
            raise ValueError(f"--lamps must not be negative, not {self.lamps}")
        if self.lamps > 9:
            raise KeyError("too many")

def describe(options: Options) -> str:
    \"\"\"Say what there is.\"\"\"
    return f"{options.lamps} {options.colour} lamps"
"""


def described() -> str:
    """What the function of the module says."""
    assert isinstance(Door.service.tools, Tools)
    return Door.service.tools.run(RunTool("call_1", "describe", "")).output


def test_what_functions_are_told_comes_from_flags_environment_and_file_in_this_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("told.py").write_text(TOOLS)
    file = write('[serve]\ntools = "told.py"\n[tools]\nlamps = 2\ncolour = "red"\n')

    assert engine("serve", "--config", file) == 0
    assert described() == "2 red lamps"
    monkeypatch.setenv("ENGINE_COLOUR", "blue")
    assert engine("serve", "--config", file, "--lamps", "3") == 0
    assert described() == "3 blue lamps"
    assert engine("config", "--check", file) == 0


def test_the_help_has_what_functions_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    Path("told.py").write_text(TOOLS)

    assert engine("serve", "--tools", "told.py", "--help") == 0

    out = capsys.readouterr().out
    assert "Tools told.py" in out
    assert "--lamps" in out
    assert "How many there are." in out


@pytest.mark.parametrize(
    ("text", "tokens", "problem"),
    [
        ('[serve]\ntools = "told.py"\n[tools]\nlapms = 2', (), "[tools] lapms: unknown key; did you mean lamps?"),
        ('[serve]\ntools = "told.py"\n[tools]\nlamps = "2"', (), "[tools] lamps must be a whole number"),
        ("[tools]\nlamps = 2", (), "[tools] needs a module of functions: tools in [serve], or --tools MODULE"),
        ("[serve]\ntool_timeout = 0", (), "--tool-timeout must be more than 0 seconds, not 0.0"),
        ("[serve]\ntools_at_once = 0", (), "--tools-at-once must be at least 1, not 0"),
        ("", ("--tools", "told.py", "--lamps", "-1"), "--tools told.py: --lamps must not be negative, not -1"),
        (
            "",
            ("--tools", "told.py", "--lamps", "10"),
            "--tools told.py: its Options cannot be made: KeyError: 'too many'",
        ),
        ('tools = "told.py"', (), "tools: it belongs in [serve]"),
        (
            '[[session.tools]]\ntype = "function"\nname = "describe"',
            ("--tools", "told.py"),
            "the session has a function 'describe' of its own: take it out, or rename that of --tools",
        ),
    ],
)
def test_what_is_wrong_about_functions_is_one_line_and_status_2(
    text: str, tokens: tuple[str, ...], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("told.py").write_text(TOOLS)

    assert engine("serve", "--config", write(text), *tokens) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert problem in line


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[serve]\ntools = "told.py"\n[tools]\nlapms = 2', "[tools] lapms: unknown key; did you mean lamps?"),
        ("[serve]\ntool_timeout = 0", "--tool-timeout must be more than 0 seconds"),
    ],
)
def test_what_a_file_says_of_functions_is_checked_before_it_is_used(
    text: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("told.py").write_text(TOOLS)
    file = write(text)

    assert engine("config", "--check", file) == 2
    assert capsys.readouterr().err.startswith(f"engine: {file}: {problem}")


def test_what_it_says_to_functions_that_it_does_not_name_cannot_be_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert engine("config", "--check", write("[tools]\nlamps = 2")) == 0
    assert " but for what stands in [tools], which only the module of --tools can judge" in capsys.readouterr().out


def test_how_functions_run_is_said_by_flags() -> None:
    Path("slow.py").write_text("import trio\nasync def slow() -> None:\n    await trio.sleep_forever()\n")

    assert engine("serve", "--tools", "slow.py", "--tool-timeout", "0.01", "--tools-at-once", "3") == 0

    assert isinstance(Door.service.tools, Tools)
    assert (
        Door.service.tools.run(RunTool("call_1", "slow", "")).output == "slow took longer than 0.01 s, and was given up"
    )
    assert Door.service.tools._places.total_tokens == 3


def test_a_recording_that_answers_knows_what_functions_returned() -> None:
    golden = Path(__file__).parents[2] / "recordings" / "tool-call"

    assert engine("serve", "--upstream", f"recorded:{golden}") == 0

    assert isinstance(Door.service.tools, RecordedTools)
    assert [schema.name for schema in Door.service.options("managed").tools] == ["weather"]


def test_its_help_has_the_flags_of_what_is_chosen_and_what_is_said_elsewhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = write('[transport.door]\nport = 9999\n[upstream.fake]\npatience = 7\n[serve]\nupstream = "fake"\n')

    assert engine("serve", "--config", file, "--help") == 0

    out = capsys.readouterr().out
    assert "engine serve --transport door --port 9000" in out
    assert all(flag in out for flag in ("--config", "--names", "--loud", "--max-idle", "--client-may-set"))
    assert "[default: 9999]" in out
    assert "[default: 7.0]" in out


@pytest.mark.parametrize(
    ("tokens", "problem"),
    [
        (("--transport", "wav"), "the transport 'wav' holds one conversation: engine run --transport wav"),
        (("--transport", "tin-can"), "unknown transport 'tin-can'; known: "),
        (("--upstream", "nobody"), "unknown upstream 'nobody'; known: "),
        (("--upstream", "https://host"), "begins with wss:// or ws://"),
        (("--upstream", "reading"), "--upstream reading needs a path: --upstream reading:PATH"),
        (("--config", "gone.toml"), "gone.toml: cannot be read: No such file"),
        (("--port", "-1"), "--port must not be negative"),
        (("--port", "many"), "port"),
        (("--max-idle", "0"), "--max-idle must be more than 0, not 0.0"),
        (("--max-tokens", "-1"), "--max-tokens must be more than 0, not -1"),
        (("--max-cost", "1"), "--max-cost needs prices: [prices] in the file of --config"),
        (("--client-may-set", "everything"), "--client-may-set: a session has no field 'everything'"),
        (("--tools", "gone.py"), "--tools gone.py: there is no such file"),
        (("--session", "gone.json"), "--session gone.json: cannot be read"),
        (("--record", __file__), "this is no folder; name one"),
        (("--record", "/dev/null/x"), "cannot record in /dev/null/x"),
        (("--record-quota", "much"), "--record-quota: it must be a size, such as 500M or 20GiB"),
        (("--record-keep", "0", "--record", "x"), "--record-keep must be more than 0"),
        (("--record-quota", "1G"), "--record-quota needs --record"),
        (("--bogus",), "Unknown option: --bogus"),
        (("--instructions", "Be", "brief"), "nothing asks for a word: see engine serve"),
        (
            ("--upstream", "openai", "--instructions", "Be", "brief", "now"),
            "nothing asks for 2 words: see engine serve",
        ),
    ],
)
def test_a_wrong_use_is_one_line_and_status_2(
    tokens: tuple[str, ...], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert engine("serve", *tokens) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert problem in line


def test_the_other_command_names_this_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert engine("run", "--transport", "door") == 2
    assert "the transport 'door' serves many conversations: engine serve --transport door" in capsys.readouterr().err


def test_a_wrong_word_in_file_or_environment_is_one_line_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert engine("serve", "--config", write("[transport.door]\nprot = 1\n")) == 2
    assert "engine.toml: [transport.door] prot: unknown key; did you mean port? Known: names, port" in (
        capsys.readouterr().err
    )
    monkeypatch.setenv("ENGINE_PORT", "tcp://10.0.0.1:80")
    assert engine("serve") == 2
    assert capsys.readouterr().err == "engine: ENGINE_PORT must be a whole number\n"


def test_an_error_while_serving_has_its_usual_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def serve(*args: object, **more: object) -> None:
        raise UsageError("the port is taken")

    monkeypatch.setattr(Door, "serve", serve)

    assert engine("serve") == 2
    assert capsys.readouterr().err == "engine: the port is taken\n"
