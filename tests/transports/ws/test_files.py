"""The page's files: only those, under a strict policy, and sent once."""

import gzip
from pathlib import Path

import pytest

from transports.ws.files import PAGE, read_files
from transports.ws.request import Request


def asked(**headers: str) -> Request:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("GET", "/", {}, {"host": "voice.example:8000"} | given, "1.1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    page = tmp_path / "page"
    (page / "parts").mkdir(parents=True)
    (page / "index.html").write_text("<!doctype html>")
    (page / "parts" / "talk.js").write_text("export {};")
    (page / "notes.md").write_text("not for everybody")
    (page / ".hidden").write_text("nor this")
    (tmp_path / "secret.js").write_text("nor this")
    return page


def test_the_page_is_the_folder_s_index_and_what_is_not_for_browsers_is_not_there(folder: Path) -> None:
    assert set(read_files(folder)) == {"/", "/parts/talk.js"}


def test_a_folder_that_is_not_there_has_no_files(tmp_path: Path) -> None:
    assert read_files(tmp_path / "nothing") == {}


def test_a_file_is_sent_with_its_type_and_a_policy_that_allows_this_server_alone(folder: Path) -> None:
    answer = read_files(folder)["/"].answer(asked())

    headers = dict(answer.headers)
    assert (answer.status, answer.body) == (200, b"<!doctype html>")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Cache-Control"] == "no-cache"
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        "connect-src 'self' ws://voice.example:8000 wss://voice.example:8000; img-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


def test_a_browser_that_has_it_already_is_told_so(folder: Path) -> None:
    file = read_files(folder)["/parts/talk.js"]
    tag = dict(file.answer(asked()).headers)["ETag"]

    for known in (tag, f'"other", W/{tag}'):
        answer = file.answer(asked(if_none_match=known))
        assert (answer.status, answer.body) == (304, b"")
    assert file.answer(asked(if_none_match='"other"')).status == 200


@pytest.mark.parametrize("accepted", ["gzip", "br, GZIP;q=0.5", "deflate, gzip; q=1.0"])
def test_whoever_can_unpack_it_gets_it_packed(folder: Path, accepted: str) -> None:
    (folder / "long.js").write_text("let a = 1;" * 1000)

    file = read_files(folder)["/long.js"]
    answer, plain = file.answer(asked(accept_encoding=accepted)), file.answer(asked())

    assert dict(answer.headers)["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.body) == plain.body == b"let a = 1;" * 1000
    assert dict(answer.headers)["ETag"] != dict(plain.headers)["ETag"]
    assert dict(answer.headers)["Vary"] == dict(plain.headers)["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "gzip;q=0.0, br", "x-gzip"])
def test_whoever_cannot_gets_it_plain(folder: Path, accepted: str) -> None:
    (folder / "long.js").write_text("let a = 1;" * 1000)

    answer = read_files(folder)["/long.js"].answer(asked(accept_encoding=accepted))

    assert "Content-Encoding" not in dict(answer.headers)
    assert len(answer.body) == 10_000


def test_what_packing_makes_no_smaller_is_left_alone(folder: Path) -> None:
    answer = read_files(folder)["/"].answer(asked(accept_encoding="gzip"))

    assert answer.body == b"<!doctype html>"


def test_another_text_has_another_tag(folder: Path) -> None:
    before = read_files(folder)["/"].tag
    (folder / "index.html").write_text("<!doctype html> ")

    assert read_files(folder)["/"].tag != before


def test_all_that_the_package_s_page_needs_is_served() -> None:
    served = {file for file in PAGE.rglob("*") if file.is_file()}

    assert len(read_files(PAGE)) == len(served)
