"""The presets for vendors: what they make of a resource, a deployment, a key."""

from pathlib import Path
from typing import Any

import pytest

from cli.chosen import choose_upstream
from realtime_engine.errors import UsageError
from realtime_engine.finding import UPSTREAMS, find
from realtime_engine.plugins import ANYTHING, Wanted, dialect_of
from realtime_engine.upstreams.azure import Azure, AzureOptions, address_of
from realtime_engine.upstreams.openai import OpenAI
from realtime_engine.upstreams.xai import Xai, XaiOptions

SECRET = "f3c1a9e07b5d4f2288aa61c09d7e4b53"
KEYS = ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", "XAI_API_KEY", "OPENAI_API_KEY")


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)


def made(named: str, **values: Any) -> OpenAI:
    """What the command line makes of ``--upstream``."""
    upstream = choose_upstream(named, key=None).make(values, model=values.get("model"))
    assert isinstance(upstream, OpenAI)
    return upstream


def problem(named: str, **values: Any) -> str:
    with pytest.raises(UsageError) as error:
        made(named, **values)
    return str(error.value)


def test_they_are_found_by_their_names() -> None:
    assert (find(UPSTREAMS, "azure"), find(UPSTREAMS, "xai")) == (Azure, Xai)


# --- Azure ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resource", "address"),
    [
        ("mine/voice", "wss://mine.openai.azure.com/openai/v1/realtime?model=voice"),
        ("https://mine.cognitiveservices.azure.com/voice",
         "wss://mine.cognitiveservices.azure.com/openai/v1/realtime?model=voice"),
        ("wss://mine.example/voice/", "wss://mine.example/openai/v1/realtime?model=voice"),
        ("ws://127.0.0.1:8080/a voice", "ws://127.0.0.1:8080/openai/v1/realtime?model=a+voice"),
    ],
)  # fmt: skip
def test_a_resource_and_a_deployment_are_an_address(resource: str, address: str) -> None:
    assert address_of(AzureOptions(resource=resource), "") == address


@pytest.mark.parametrize(
    "resource", ["mine", "https://mine.openai.azure.com", "https://mine.openai.azure.com/openai/v1/", "wss://mine.openai.azure.com/openai"]
)  # fmt: skip
def test_the_deployment_may_be_named_apart(resource: str) -> None:
    address = "wss://mine.openai.azure.com/openai/v1/realtime?model=voice"

    assert address_of(AzureOptions(resource=resource, deployment="voice"), "") == address
    assert (
        address_of(
            AzureOptions(deployment="voice"), resource if "://" in resource else f"https://{resource}.openai.azure.com/"
        )
        == address
    )


def test_a_dated_version_of_the_api_is_at_another_address_and_speaks_the_beta(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", SECRET)
    dated = made("azure:mine/voice", api_version="2024-10-01-preview")

    address = "wss://mine.openai.azure.com/openai/realtime?api-version=2024-10-01-preview&deployment=voice"
    assert {dated._server.address(wanted) for wanted in (ANYTHING, Wanted("gpt-realtime"))} == {address}
    assert dated._server.headers == (("api-key", SECRET), ("OpenAI-Beta", "realtime=v1"))
    assert [dialect_of(made("azure:mine/voice")), dialect_of(dated)] == ["ga", "beta"]


def test_a_deployment_may_be_named_twice_if_it_is_the_same() -> None:
    twice = AzureOptions(resource="mine/voice", deployment="voice")

    assert address_of(twice, "") == address_of(AzureOptions(resource="mine/voice"), "")


def test_the_resource_of_the_command_line_counts_more_than_that_of_the_environment() -> None:
    assert "//mine." in address_of(AzureOptions(resource="mine/voice"), "https://theirs.openai.azure.com/")


@pytest.mark.parametrize(
    ("options", "endpoint", "said"),
    [
        (AzureOptions(deployment="voice"), "",
         "Azure needs a resource: --upstream azure:RESOURCE/DEPLOYMENT, or its endpoint in AZURE_OPENAI_ENDPOINT"),
        (AzureOptions(resource="mine"), "",
         "Azure needs a deployment: --upstream azure:RESOURCE/DEPLOYMENT, or --deployment DEPLOYMENT"),
        (AzureOptions(resource="mine/"), "",
         "Azure needs a deployment: --upstream azure:RESOURCE/DEPLOYMENT, or --deployment DEPLOYMENT"),
        (AzureOptions(resource="mine/voice", deployment="other"), "",
         "--upstream azure:… names one deployment and --deployment another: name one"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_with_its_mend(options: AzureOptions, endpoint: str, said: str) -> None:
    with pytest.raises(UsageError, match=f"^{said}$"):
        address_of(options, endpoint)


@pytest.mark.parametrize(
    "resource",
    [
        "mine.openai.azure.com",
        "mi ne/voice",
        "/voice",
        "mine/a/b",
        "ftp://mine.openai.azure.com/voice",
        "https:///voice",
        "https://[::1/voice",
        "https://mine.openai.azure.com/openai/v1/realtime",
        "https://mine.openai.azure.com/?api-key=sesame",
    ],
)
def test_what_is_no_resource_is_told_what_one_is_and_is_not_repeated(resource: str) -> None:
    with pytest.raises(UsageError) as error:
        address_of(AzureOptions(resource=resource, deployment="voice"), "")

    assert str(error.value).startswith("--upstream azure: ")
    assert "https://" in str(error.value)
    assert "sesame" not in str(error.value)


def test_an_endpoint_in_the_environment_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com/?api-key=sesame")

    said = problem("azure", deployment="voice")

    assert said.startswith("AZURE_OPENAI_ENDPOINT: ")
    assert "sesame" not in said


def test_azure_is_shown_the_key_in_a_header_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", f" {SECRET}\n")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")

    upstream = made("azure:mine/voice")
    server = upstream._server

    assert upstream.host == "mine.openai.azure.com"
    assert server.headers == (("api-key", SECRET),)
    assert server.secrets == (SECRET,)
    assert server.refusal == "mine.openai.azure.com does not accept the key of AZURE_OPENAI_API_KEY: check it"


def test_the_deployment_answers_whatever_model_a_client_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every SDK names a model, and most of Azure's deployments are called otherwise."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", SECRET)

    for wanted in (ANYTHING, Wanted("gpt-realtime")):
        assert made("azure:mine/voice")._server.address(wanted).endswith("/openai/v1/realtime?model=voice")


def test_a_bearer_token_takes_the_place_of_azures_key() -> None:
    server = made("azure:mine/voice", upstream_header=("Authorization: Bearer entra",))._server

    assert server.headers == (("Authorization", "Bearer entra"),)


# --- xAI ------------------------------------------------------------------------------------------------------


def test_xai_is_shown_the_key_as_a_bearer_and_has_a_model_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAI_API_KEY", SECRET)

    server = made("xai")._server

    assert server.headers == (("Authorization", f"Bearer {SECRET}"),)
    assert server.address(ANYTHING) == "wss://api.x.ai/v1/realtime?model=grok-voice-latest"
    assert server.address(Wanted("grok-x")) == "wss://api.x.ai/v1/realtime?model=grok-x"
    assert dialect_of(made("xai")) == "xai"
    assert made("xai", model="grok-y")._server.address(ANYTHING) == "wss://api.x.ai/v1/realtime?model=grok-y"


def test_xai_may_be_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAI_API_KEY", SECRET)

    assert (
        made("xai:wss://eu.api.x.ai")._server.address(ANYTHING).startswith("wss://eu.api.x.ai/v1/realtime?model=grok")
    )


# --- both -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "host", "variable"),
    [
        ("azure:mine/voice", "mine.openai.azure.com", "AZURE_OPENAI_API_KEY"),
        ("xai", "api.x.ai", "XAI_API_KEY"),
        ("xai:ws://127.0.0.1:1", "127.0.0.1", "XAI_API_KEY"),
    ],
)
def test_a_missing_key_is_said_with_where_it_may_be(
    named: str, host: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)  # is nobody else's

    assert problem(named) == f"{host} needs a key: set {variable}, or name a file that holds it with --key-file"


@pytest.mark.parametrize("named", ["azure:mine/voice", "xai"])
def test_the_key_may_be_in_a_file(named: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{SECRET}\n", "utf-8")

    upstream = made(named, key_file=file)

    assert upstream.secrets == (SECRET,)
    assert upstream._server.refusal.endswith(f"does not accept the key of --key-file {file}: check it")
    assert SECRET not in f"{upstream._server.refusal} {upstream.name} {upstream._server.host}"


@pytest.mark.parametrize("named", ["azure:mine/voice", "xai"])
def test_what_is_wrong_with_a_key_or_a_number_is_said_without_it(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "two words")
    monkeypatch.setenv("XAI_API_KEY", "two words")

    assert "holds no key" in problem(named)
    assert "two words" not in problem(named)
    assert problem(named, connect_within=0.0) == "--connect-within must be more than 0 seconds, not 0.0"


@pytest.mark.parametrize("options", [AzureOptions, XaiOptions])
def test_a_header_is_a_secret_in_every_preset(options: type[AzureOptions | XaiOptions]) -> None:
    assert options.__dataclass_fields__["upstream_header"].metadata["secret"]
