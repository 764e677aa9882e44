"""The parts of the page that need no browser, tested where they are written: in JavaScript, by Node's own runner."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent.parent
PAGE: Final = ROOT / "transports" / "ws" / "page"
TESTS: Final = ROOT / "tests" / "node"
FORBIDDEN: Final = (
    *(r"(inner|outer|set)HTML", r"AdjacentHTML", r"DOMParser", r"ContextualFragment", r"document\.write"),
    *(r"srcdoc", r"\beval\b", r"\bFunction\(", r"set(Timeout|Interval)\(\s*[\"'`]", r"\bimport\(\s*[^\"\s]"),
    *(r"javascript:", r"\son[a-z]+\s*=\s*[\"']", r"<[^>]*\son[a-z]+=", r"setAttribute\(\s*[\"'`]on"),
    *(r"cssText", r"\bstyle=", r"<style", r"http:"),
)
"""What would take text for markup or for a script, or go round the style sheet."""


def node(*arguments: str, cwd: Path) -> str:
    path = shutil.which("node")
    assert path is not None, "the page's modules are tested by Node: make system"
    run = subprocess.run([path, *arguments], check=False, cwd=cwd, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """The page's modules and their tests side by side, for a Node that must be told that they are modules."""
    for source in (*PAGE.glob("*.js"), *TESTS.glob("*.js")):
        shutil.copy(source, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    return tmp_path


@pytest.mark.parametrize("test", sorted(path.name for path in TESTS.glob("*.test.js")))
def test_a_module_of_the_page_does_what_its_tests_say(test: str, modules: Path) -> None:
    node("--test", test, cwd=modules)


@pytest.mark.parametrize("source", sorted(path.name for path in PAGE.glob("*.js")))
def test_a_module_of_the_page_is_javascript(source: str, modules: Path) -> None:
    node("--check", source, cwd=modules)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("page", {"lib": ["es2023", "dom", "dom.iterable"], "types": []}), ("worklet", {"lib": ["es2023"]})],
)
def test_the_types_that_the_modules_name_are_right(kind: str, settings: dict[str, object], tmp_path: Path) -> None:
    """By TypeScript, without exceptions; worklets know no document, and the page no audio thread."""
    worklets = sorted(PAGE.glob("*-worklet.js"))
    sources = worklets if kind == "worklet" else sorted(set(PAGE.glob("*.js")) - set(worklets))
    packages = TESTS / "node_modules"
    strict = {"strict": True, "allowJs": True, "checkJs": True, "noEmit": True, "target": "es2023"}
    found = {"module": "es2022", "moduleResolution": "bundler", "typeRoots": [str(packages / "@types")]}
    project = {"compilerOptions": {**strict, **found, **settings}, "files": [str(source) for source in sources]}
    assert packages.exists(), f"TypeScript is missing: make {packages.relative_to(ROOT)}/.ready"
    (tmp_path / "tsconfig.json").write_text(json.dumps(project))

    node(str(packages / "typescript" / "bin" / "tsc"), "--project", str(tmp_path), cwd=tmp_path)


def test_the_page_puts_text_in_as_text_and_styles_only_through_its_style_sheet() -> None:
    for source in sorted(PAGE.iterdir()):
        text = source.read_text("utf-8").replace("http://www.w3.org/", "").replace("http://localhost", "")
        assert not [pattern for pattern in FORBIDDEN if re.search(pattern, text)], source.name


@pytest.mark.parametrize(
    "line",
    [
        *("node.innerHTML = text", "node.outerHTML = text", "node.insertAdjacentHTML('beforeend', text)"),
        *("node.setHTMLUnsafe(text)", "new DOMParser()", "range.createContextualFragment(text)"),
        *("document.write(text)", "document.writeln(text)", "frame.srcdoc = text", '<iframe srcdoc="">'),
        *("eval(text)", "new Function(text)", "Function(text)()", 'setTimeout("text", 1)', "import(`${text}`)"),
        *(
            '<a href="javascript:text">',
            '<img onerror="text">',
            "<p onclick=text>",
            'node.setAttribute("onclick", text)',
        ),
        *("node.style.cssText = text", '<p style="color: red">', "<style>", 'fetch("http://elsewhere.example")'),
    ],
)
def test_what_would_break_these_rules_is_seen(line: str) -> None:
    assert [pattern for pattern in FORBIDDEN if re.search(pattern, line)]


def test_every_module_is_fetched_ahead_so_that_the_page_waits_once() -> None:
    index = (PAGE / "index.html").read_text("utf-8")
    modules = {source.name for source in PAGE.glob("*.js")} - {"theme.js", "main.js", "resampler.js"}

    ahead = {name for name in modules if f'rel="modulepreload" href="{name}"' in index}
    assert modules - ahead == {"capture-worklet.js", "playback-worklet.js"}  # when somebody begins to talk
