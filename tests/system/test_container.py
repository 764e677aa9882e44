"""What the container is told to run is what the engine understands; Docker itself is not needed for that."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.served import PATIENCE, ROOT, served

DOCKERFILE: Final = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE: Final = (ROOT / "compose.yaml").read_text("utf-8")


def words(instruction: str) -> list[str]:
    """An instruction of the Dockerfile in its exec form: the last of its kind."""
    found = re.findall(rf"^{instruction} .*?(\[.*\])$", DOCKERFILE, re.MULTILINE)
    given: list[str] = json.loads(found[-1])
    return given


def test_the_images_command_serves_is_healthy_and_ends_well_at_its_stop_signal() -> None:
    engine, *flags = words("ENTRYPOINT") + words("CMD")
    assert (engine, flags[0]) == ("engine", "serve")
    assert flags[-2:] == ["--log", "json"]
    here = [*flags[1:3], "--host", "127.0.0.1", *flags[-2:]]  # and a port that is free
    assert "STOPSIGNAL SIGTERM" in DOCKERFILE

    with served(*here, "--upstream", "local", env={"ENGINE_TOKEN": "x" * 32}) as server:
        port = server.address.rpartition(":")[2]
        _, *check = [word.replace(":8000/", f":{port}/") for word in words("HEALTHCHECK")]
        proxied = os.environ | {"http_proxy": "http://127.0.0.1:9", "no_proxy": ""}
        done = subprocess.run([sys.executable, *check], check=False, env=proxied, timeout=PATIENCE)
        assert done.returncode == 0
    assert subprocess.run([sys.executable, *check], check=False, stderr=subprocess.DEVNULL).returncode != 0


def test_the_image_runs_as_an_ordinary_user_from_what_the_lock_says() -> None:
    user = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)

    assert user == ["10001:10001"]
    assert DOCKERFILE.count("uv sync --locked") == 2
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    for source in " ".join(copied).split():
        assert (ROOT / source).exists(), source
        assert f"!{source}\n" in (ROOT / ".dockerignore").read_text("utf-8")


def test_what_compose_starts_is_understood_and_confined(tmp_path: Path) -> None:
    flags = re.findall(r"^      - (--\S+)$", COMPOSE, re.MULTILINE)
    token, key = tmp_path / "token", tmp_path / "key"
    for file in (token, key):
        file.write_text("x" * 32)
        file.chmod(0o400)
    there = {"/run/secrets/engine_token": token, "/run/secrets/openai_key": key, "/recordings": tmp_path / "recordings"}
    for path, here in there.items():
        flags = [flag.replace(path, str(here)) for flag in flags]
    flags = [flag.replace("0.0.0.0", "127.0.0.1") for flag in flags if flag != "--port=8000"]

    with served(*flags):
        assert (tmp_path / "recordings").is_dir()
    for line in ("read_only: true", "cap_drop:\n      - ALL", "no-new-privileges:true", '"127.0.0.1:8000:8000"'):
        assert line in COMPOSE


COMMANDS: Final = (
    ("serve", "--upstream", "openai"),
    ("serve", "--upstream", "local"),
    ("run",),
    ("run", "--transport", "device"),
    ("devices",),
    ("config",),
    ("inspect",),
    ("replay",),
    ("pack",),
)


@pytest.fixture(scope="module")
def helps() -> str:
    """What the commands say of their flags."""
    return "".join(
        subprocess.run(
            [sys.executable, "-m", "cli", *command, "--help"],
            cwd=ROOT,
            env={"PATH": "", "COLUMNS": "400"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for command in COMMANDS
    )


@pytest.mark.parametrize("document", ["docs/operation.md", "SECURITY.md", "README.md"])
def test_every_flag_that_the_documents_name_is_one(document: str, helps: str) -> None:
    text = (ROOT / document).read_text("utf-8")
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - {"--help", "--extra", "--build"}

    assert {flag for flag in named if not re.search(rf"{flag}\b", helps)} == set()
