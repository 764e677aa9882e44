"""The access token: shown in three ways, compared in constant time, and never told."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from realtime_engine.errors import UsageError
from transports.ws.tokens import (
    COOKIE,
    COOKIE_LIFE,
    KEY_PREFIX,
    SECURE_COOKIE,
    Attempts,
    Token,
    is_readable_by_all,
    read_token,
    shown_tokens,
)

SECRET = "correct-horse-battery-staple"
TOKEN = Token(SECRET)


def shows(headers: dict[str, str], offered: Sequence[str] = (), now: float = 0) -> bool:
    return TOKEN.signed_in(headers, now) or any(map(TOKEN.matches, shown_tokens(headers, offered)))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_bearer_header_shows_it(scheme: str) -> None:
    assert shows({"authorization": f"{scheme} {SECRET}"})


def test_a_subprotocol_shows_it() -> None:
    assert shows({}, ["realtime", f"{KEY_PREFIX}{SECRET}"])


def test_one_request_guesses_once() -> None:
    guesses = [f"{KEY_PREFIX}guess{n}" for n in range(100)]

    assert shown_tokens({}, ["realtime", *guesses]) == ["guess0"]


@pytest.mark.parametrize("name", [COOKIE, SECURE_COOKIE])
def test_a_cookie_shows_it_until_its_time_is_over(name: str) -> None:
    headers = {"cookie": f"other=1; {name}={TOKEN.cookie(1000)}"}

    assert shows(headers, now=1000 + COOKIE_LIFE - 1)
    assert not shows(headers, now=1000 + COOKIE_LIFE)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": SECRET},
        {"authorization": f"Basic {SECRET}"},
        {"authorization": "Bearer "},
        {"authorization": f"Bearer {SECRET[:-1]}"},
        {"authorization": f"Bearer {SECRET}x"},
        {"authorization": "Bearer caf\u00e9"},
        {"cookie": f"{COOKIE}={SECRET}"},
        {"cookie": f"{COOKIE}="},
        {"cookie": f"{COOKIE}=99999999999."},
        {"cookie": f"{COOKIE}=99999999999.caf\u00e9"},
        {"cookie": f"{COOKIE}=nonsense.{'0' * 64}"},
        {"cookie": f"other={TOKEN.cookie(0)}"},
    ],
)
def test_nothing_else_shows_it(headers: dict[str, str]) -> None:
    assert not shows(headers, ["realtime", SECRET, KEY_PREFIX])


def test_a_cookie_cannot_be_made_to_last_longer() -> None:
    expiry, _, signature = TOKEN.cookie(0).partition(".")

    assert not TOKEN.signed(f"{int(expiry) + 1}.{signature}", 0)
    assert not Token("another-token-altogether").signed(TOKEN.cookie(0), 0)


def test_neither_the_cookie_nor_the_token_s_own_name_tells_it() -> None:
    assert SECRET not in TOKEN.cookie(0)
    assert SECRET not in repr(TOKEN)


def test_a_short_token_can_be_guessed() -> None:
    assert Token("swordfish").is_short
    assert not TOKEN.is_short


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_file_holds_it_on_one_line(tmp_path: Path, end: str) -> None:
    file = tmp_path / "token"
    file.write_text(SECRET + end, newline="")

    token = read_token(file, {})

    assert token is not None
    assert token.matches(SECRET)


def test_without_a_file_the_environment_counts_and_the_file_counts_more(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(SECRET)

    from_environment = read_token(None, {"ENGINE_TOKEN": "from-the-environment"})
    from_file = read_token(file, {"ENGINE_TOKEN": "from-the-environment"})

    assert from_environment is not None
    assert from_environment.matches("from-the-environment")
    assert from_file is not None
    assert from_file.matches(SECRET)
    assert read_token(None, {}) is None


@pytest.mark.parametrize("text", ["", "\n", "two\nlines", "with space", "tab\t", "caf\u00e9", SECRET + "\n\n"])
def test_what_no_header_could_carry_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text)

    for path in (file, None):
        with pytest.raises(UsageError) as error:
            read_token(path, {"ENGINE_TOKEN": text})
        assert SECRET not in str(error.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(UsageError, match=r"--token-file .*missing: cannot be read: No such file"):
        read_token(tmp_path / "missing", {})
    with pytest.raises(UsageError, match="not text"):
        read_token(tmp_path / "binary", {})


def test_a_file_that_all_may_read_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(SECRET)

    file.chmod(0o600)
    assert not is_readable_by_all(file)
    file.chmod(0o644)
    assert is_readable_by_all(file)


def test_after_some_wrong_ones_an_address_must_wait_and_others_need_not() -> None:
    attempts = Attempts(free=5, forgotten=60)
    for n in range(5):
        assert attempts.wait("a", n) == 0
        attempts.wrong("a", n)

    assert attempts.wait("a", 5) == 55
    assert attempts.wait("b", 5) == 0
    assert attempts.wait("a", 60) == 0


def test_a_clock_that_is_set_back_locks_nobody_out() -> None:
    attempts = Attempts(free=1, forgotten=60)
    attempts.wrong("a", 86_400)

    assert attempts.wait("a", 0) == 0


def test_the_addresses_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Attempts, "MOST", 2)
    attempts = Attempts(free=1, forgotten=60)
    for address in ("a", "b", "c"):
        attempts.wrong(address, 0)

    assert [attempts.wait(address, 0) > 0 for address in ("a", "b", "c")] == [False, True, True]
