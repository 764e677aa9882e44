"""The page's files: only those, under a strict policy, and sent once."""

from pathlib import Path

import pytest

from transports.ws.files import PAGE, File, read_files


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
    answer = read_files(folder)["/"].answer("voice.example:8000", "")

    headers = dict(answer.headers)
    assert (answer.status, answer.body) == (200, b"<!doctype html>")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Cache-Control"] == "no-cache"
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        "connect-src 'self' ws://voice.example:8000 wss://voice.example:8000; img-src 'self' data:; media-src blob:; "
        "worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


def test_a_browser_that_has_it_already_is_told_so(folder: Path) -> None:
    file = read_files(folder)["/parts/talk.js"]

    for known in (file.tag, f'"other", W/{file.tag}'):
        answer = file.answer("a", known)
        assert (answer.status, answer.body) == (304, b"")
    assert file.answer("a", '"other"').status == 200
    assert File("x", '"y"', b"").tag != file.tag


def test_another_text_has_another_tag(folder: Path) -> None:
    before = read_files(folder)["/"].tag
    (folder / "index.html").write_text("<!doctype html> ")

    assert read_files(folder)["/"].tag != before


def test_all_that_the_package_s_page_needs_is_served() -> None:
    served = {file for file in PAGE.rglob("*") if file.is_file()}

    assert len(read_files(PAGE)) == len(served)
