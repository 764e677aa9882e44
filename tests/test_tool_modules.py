"""Tools come from a module: an import path or a file, with options of its own."""

import sys
from pathlib import Path

import pytest

from realtime_engine.commands import RunTool
from realtime_engine.errors import UsageError
from realtime_engine.tool_modules import NoOptions, ToolModule, load_tools

MODULE = '''
"""Tools."""
from functools import cache
from json import dumps
from pathlib import Path
{more}

def second(text: str) -> str:
    """Say it twice."""
    return text + text

@cache
def first() -> Path:
    return Path("x")

def _hidden() -> None: ...

class Helper:
    def method(self) -> None: ...

number = 5
later = second
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, which modules can be imported from."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    return tmp_path


def names(module: ToolModule) -> list[str]:
    return [schema.name for schema in module.tools().schemas]


def test_the_public_functions_of_a_file_are_the_tools_in_their_order(folder: Path) -> None:
    (folder / "beside.py").write_text("HERE = 1\n")
    (folder / "my-tools.py").write_text(MODULE.format(more="from beside import HERE"))

    module = load_tools("my-tools.py")

    assert names(module) == ["second", "first"]
    assert module.Options is NoOptions
    assert module.tools().run(RunTool("call_1", "second", '{"text":"ha"}')).output == "haha"


def test_a_module_is_found_by_its_import_path_from_the_current_folder(folder: Path) -> None:
    package = folder / "a_package_of_tools"
    package.mkdir()
    (package / "house.py").write_text(MODULE.format(more=""))

    assert names(load_tools("a_package_of_tools.house")) == ["second", "first"]
    assert names(load_tools("a_package_of_tools.house")) == ["second", "first"]


def test_a_module_may_say_by_itself_which_functions_it_offers_also_those_of_others(folder: Path) -> None:
    package = folder / "a_package_with_a_list"
    package.mkdir()
    (package / "house.py").write_text(MODULE.format(more=""))
    (package / "__init__.py").write_text(
        "from a_package_with_a_list.house import _hidden, second, Helper\n"
        "def unlisted() -> None: ...\n"
        "__all__ = ['Helper', '_hidden', 'second']\n"
    )

    assert names(load_tools("a_package_with_a_list")) == ["_hidden", "second"]


OPTIONS = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Options:
    greeting: str = "Hello"

def greet(options: Options, name: str) -> str:
    return f"{options.greeting}, {name}!"
"""


def test_the_options_of_a_module_are_given_to_the_functions_that_ask_for_them(folder: Path) -> None:
    (folder / "greeting_tools.py").write_text(OPTIONS)

    module = load_tools("greeting_tools.py")
    tools = module.tools(module.Options("Good day"))

    assert tools.run(RunTool("call_1", "greet", '{"name":"Anna"}')).output == "Good day, Anna!"


def test_a_function_that_cannot_be_offered_is_said_with_its_module(folder: Path) -> None:
    (folder / "untyped.py").write_text("def f(x): ...\n")

    with pytest.raises(UsageError, match=r"^--tools untyped.py: the tool 'f' cannot be offered"):
        load_tools("untyped.py").tools()


def test_loading_twice_adds_nothing_to_the_path_twice(folder: Path) -> None:
    (folder / "twice_tools.py").write_text("def f() -> None: ...\n")

    load_tools("twice_tools.py")
    once = list(sys.path)
    load_tools("twice_tools.py")

    assert sys.path == once


@pytest.mark.parametrize(
    ("module", "source", "what"),
    [
        ("gone.py", None, "there is no such file"),
        ("gone_away", None, "No module named 'gone_away'"),
        ("notes.md", "# tools\n", "name a module, or a file of Python, which ends in .py"),
        ("broken.py", "def f(:\n", "SyntaxError"),
        ("failing.py", "1 / 0\n", "ZeroDivisionError"),
        ("leaving.py", "raise SystemExit(0)\n", "SystemExit"),
        ("nothing.py", "from json import dumps\n", "no public function"),
        ("empty_list.py", "def f() -> None: ...\n__all__ = []\n", "no public function"),
        ("wrong_list.py", "__all__ = ['f']\n", "AttributeError: module 'engine_tools_wrong_list' has no attribute 'f'"),
        (
            "misspelt.py",
            "from dataclasses import dataclass\n@dataclass\nclass Options:\n    where: 'Fath'\ndef f() -> None: ...\n",
            "a type of its Options cannot be found: name 'Fath' is not defined",
        ),
        ("plain.py", "class Options: ...\ndef f() -> None: ...\n", "its Options must be a dataclass"),
    ],
)
def test_a_module_that_gives_no_tools_is_said(folder: Path, module: str, source: str | None, what: str) -> None:
    if source is not None:
        (folder / module).write_text(source)

    with pytest.raises(UsageError, match=f"--tools {module}: ") as caught:
        load_tools(module)

    assert what in str(caught.value)
