"""What is known of a server before it is called."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from realtime_engine.errors import UpstreamError, UsageError
from realtime_engine.finding import UPSTREAMS, find
from realtime_engine.plugins import ANYTHING, Wanted, is_machine
from realtime_engine.upstreams.openai import KEY, MODEL, URL, OpenAI, OpenAIOptions
from realtime_engine.upstreams.openai.server import Server, server_of

SECRET = "sk-proj-abcdefghijklmnopqrstuvwx"


def server(*, key: str = SECRET, environment: dict[str, str] | None = None, **options: Any) -> Server:
    return server_of(OpenAIOptions(**options), key, KEY, environment or {})


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (KEY, "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)


def test_it_is_found_by_its_name_and_lives_in_real_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, SECRET)

    assert find(UPSTREAMS, "openai") is OpenAI
    upstream = OpenAI(OpenAIOptions())
    assert not is_machine(upstream)
    assert upstream.secrets == (SECRET,)
    assert upstream.host == "api.openai.com"


# --- the address ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "wanted", "query"),
    [
        (URL, ANYTHING, [("model", MODEL)]),
        (URL, Wanted("gpt-x"), [("model", "gpt-x")]),
        (URL, Wanted(transcription=True), [("intent", "transcription")]),
        (f"{URL}?model=theirs&intent=transcription", Wanted(transcription=True),
         [("model", "theirs"), ("intent", "transcription")]),
        (f"{URL}?model=theirs", Wanted("gpt-x"), [("model", "theirs")]),
        (f"{URL}?model=theirs", Wanted(transcription=True), [("intent", "transcription")]),
        (f"{URL}?call_id=rtc_1", ANYTHING, [("call_id", "rtc_1")]),
        ("wss://a.example/openai/realtime?api-version=1&deployment=mine", ANYTHING,
         [("api-version", "1"), ("deployment", "mine")]),
    ],
)  # fmt: skip
def test_the_query_says_what_is_wanted_unless_the_operators_address_does(
    url: str, wanted: Wanted, query: list[tuple[str, str]]
) -> None:
    address = server(url=url).address(wanted)

    assert parse_qsl(urlsplit(address).query) == query
    assert address.partition("?")[0] == url.partition("?")[0]


def test_the_model_of_the_command_line_is_the_one_that_answers() -> None:
    assert "model=mine" in server(model_name="mine").address(ANYTHING)
    assert "model=mine" in server(url=f"{URL}?model=mine", model_name="mine").address(ANYTHING)
    with pytest.raises(UsageError, match="names the model 'theirs' and --model 'mine'"):
        server(url=f"{URL}?model=theirs", model_name="mine")


def test_an_address_without_a_path_means_the_usual_one() -> None:
    assert server(url="wss://a.example").address(ANYTHING) == f"wss://a.example/v1/realtime?model={MODEL}"


@pytest.mark.parametrize("url", ["https://a.example/v1", "wss:///v1", "a.example", "wss://a:port/", "wss://[::1/"])
def test_an_address_must_be_whole(url: str) -> None:
    with pytest.raises(UsageError, match="must be a whole ws:// or wss:// URL"):
        server(url=url)


def test_an_address_holds_no_password() -> None:
    with pytest.raises(UsageError, match="use --upstream-header"):
        server(url="wss://me:secret@a.example/")


# --- who asks -------------------------------------------------------------------------------------------------


def test_the_key_is_the_bearer() -> None:
    assert server().headers == (("Authorization", f"Bearer {SECRET}"),)


@pytest.mark.parametrize("name", ["api-key", "Authorization", "X-API-Key"])
def test_a_header_that_authenticates_takes_its_place(name: str) -> None:
    known = server(upstream_header=(f"{name}: Secret 123456789", "x-more: 1"))

    assert known.headers == ((name, "Secret 123456789"), ("x-more", "1"))
    assert SECRET not in known.secrets
    assert {"Secret 123456789", "123456789"} <= set(known.secrets)


def test_another_header_does_not() -> None:
    assert [name for name, _ in server(upstream_header=("x-more: 1",)).headers] == ["Authorization", "x-more"]


def test_organisation_and_project_are_told_to_openai_alone() -> None:
    environment = {"OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": "proj_1"}

    assert server(environment=environment).headers[1:] == (
        ("OpenAI-Organization", "org-1"),
        ("OpenAI-Project", "proj_1"),
    )
    assert len(server(url="wss://a.example", environment=environment).headers) == 1


def test_the_end_user_is_told_where_the_operator_says_so() -> None:
    assert server(safety_identifier="5f2b").headers[1:] == (("OpenAI-Safety-Identifier", "5f2b"),)


def test_a_server_of_the_beta_is_told_that_it_is_spoken_to_in_it() -> None:
    assert server(upstream_dialect="beta").headers[1:] == (("OpenAI-Beta", "realtime=v1"),)
    given = server(upstream_dialect="beta", upstream_header=("openai-beta: realtime=v2",))
    assert given.headers[1:] == (("openai-beta", "realtime=v2"),)


def test_openai_needs_a_key_and_others_may_not() -> None:
    with pytest.raises(UsageError, match="needs a key: set OPENAI_API_KEY, or name a file"):
        server(key="")
    assert server(key="", url="ws://localhost:8000/v1/realtime").headers == ()


@pytest.mark.parametrize("host", ["localhost:9", "127.0.0.1:9", "[::1]:9"])
def test_the_key_leaves_this_computer_only_in_secret(host: str) -> None:
    assert server(url=f"ws://{host}/").headers
    with pytest.raises(UsageError, match=r"would go to a\.example in clear text: use wss://"):
        server(url="ws://a.example/")


@pytest.mark.parametrize("key", ["two words", "schlüssel", "line\nbreak"])
def test_what_is_no_key_is_not_shown(key: str) -> None:
    with pytest.raises(UsageError, match="OPENAI_API_KEY holds no key") as refused:
        server(key=key)
    assert key not in str(refused.value)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("no colon", "must be 'name: value'"),
        ("na me: secret", "must be 'name: value'"),
        ("x-key: ge\nheim", "x-key: the value holds what HTTP cannot carry"),
        ("x-key: geheimnüs", "x-key: the value holds what HTTP cannot carry"),
        ("Host: geheim", "Host: this header is the handshake's own"),
        ("Sec-WebSocket-Key: geheim", "this header is the handshake's own"),
    ],
)
def test_a_header_that_cannot_be_is_told_without_its_value(header: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as refused:
        server(upstream_header=(header,))
    assert "geheim" not in str(refused.value)


def test_the_key_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{SECRET}\n", "utf-8")
    assert OpenAI(OpenAIOptions(key_file=file)).secrets == (SECRET,)

    file.write_text("\n", "utf-8")
    with pytest.raises(UsageError, match="is empty"):
        OpenAI(OpenAIOptions(key_file=file))
    with pytest.raises(UsageError, match=r"nothing cannot be read: No such file or directory$"):
        OpenAI(OpenAIOptions(key_file=tmp_path / "nothing"))
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"cannot be read: it is no text$"):
        OpenAI(OpenAIOptions(key_file=file))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"connect_within": 0}, "--connect-within must be more than 0 seconds"),
        ({"greet_within": float("inf")}, "--greet-within must be more than 0 seconds"),
        ({"upstream_ping": -1}, "--upstream-ping must be more than 0 seconds"),
        ({"max_message_upstream": 0}, "--max-message-upstream must be at least 1 byte"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        OpenAI(OpenAIOptions(url="ws://localhost", **options))


def test_authorities_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing", "utf-8")

    for file in ("ca.pem", "nothing.pem"):
        with pytest.raises(UsageError, match=f"--upstream-ca .*{file} cannot be used"):
            OpenAI(OpenAIOptions(url="wss://localhost", upstream_ca=tmp_path / file))


# --- what it says ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "said", "sentence"),
    [
        (
            401,
            "Incorrect API key provided: sk-p***uvwx",
            "(401): it does not accept the key of OPENAI_API_KEY: check it",
        ),
        (
            403,
            "Not in your country",
            "the key of OPENAI_API_KEY may not do this there: check its rights, and the model",
        ),
        (403, "Not in your country", "(Not in your country)"),
        (
            404,
            "",
            "there is nothing at this address: check its path, and the model or deployment",
        ),
        (429, "", "too much was asked of it, or the account is used up: wait, or look at its limits"),
        (503, "Busy", "api.openai.com is in trouble (503): try again later"),
    ],
)
def test_a_refusal_is_one_sentence_that_names_the_mend(status: int, said: str, sentence: str) -> None:
    whole = "the upstream refused the connection: 400 Bad" + (f": {said}" if said else "")

    explained = server().explain(UpstreamError(whole, status=status))

    assert explained.startswith("api.openai.com ")
    assert sentence in explained
    assert "uvwx" not in explained


def test_other_mishaps_speak_for_themselves_unless_they_show_the_key() -> None:
    known = server()

    assert known.explain(UpstreamError("cannot find a.example")) == "cannot find a.example"
    assert known.explain(UpstreamError(f"bad: {SECRET[9:20]}", status=400)) == known.silence
    assert "OPENAI_API_KEY" in known.refusal
    assert not known.betrays(SECRET[3:8])
    assert known.betrays(SECRET[3:9])


def test_what_authenticates_is_named_as_the_operator_gave_it() -> None:
    assert "does not accept the api-key header" in server(upstream_header=("api-key: 123456789",)).refusal
    assert "does not accept a client without a key (OPENAI_API_KEY, " in server(url="ws://localhost", key="").refusal


def test_only_what_authenticates_is_looked_for_in_pieces() -> None:
    headers = ("OpenAI-Beta: realtime=v1", "api-key: secret-word", "x-tenant: the-tenant-of-all-tenants")
    known = server(url="wss://a.example", upstream_header=headers)

    assert not known.betrays("Model 'x' is not supported in realtime mode; a secret is no word.")
    assert known.betrays("secret-word")
    assert known.betrays("the-tenant-of-all-tenants")


def test_the_flag_that_is_wrong_is_named() -> None:
    with pytest.raises(UsageError, match=r"^--safety-identifier OpenAI-Safety-Identifier: the value holds"):
        server(safety_identifier="müller")
