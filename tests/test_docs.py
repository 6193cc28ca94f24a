"""The pages say what is so: those made of the code are up to date, links lead somewhere, commands
exist, every dependency has its reason.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import botocore
import click
import pytest
import yaml

from ogi import docs
from ogi.cli import COMMANDS, main
from ogi.cli.serve import serve
from ogi.settings import Settings

ROOT = Path(__file__).parents[1]
DECISIONS = ROOT / "docs" / "decisions"
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
)
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
COMMAND_NAMES = re.compile(r"(?:^|[|(&;] *)ogi( [^\n|)&;#\"]*)?", re.MULTILINE)


@pytest.mark.parametrize("name", docs.PAGES)
def test_the_committed_page_is_up_to_date(name: str) -> None:
    committed = docs.FOLDER / name
    assert committed.is_file(), "run: make coverage"
    old, new = committed.read_text(), docs.PAGES[name]()
    if name == "coverage.md" and f"botocore {botocore.__version__} " not in old:
        # Other models know other operations; what Ogi has does not depend on them.
        old, new = _supported(old), _supported(new)
    assert old == new, "run: make coverage"


def _supported(page: str) -> str:
    return "\n".join(line for line in page.splitlines() if "| yes |" in line)


def test_every_setting_is_on_its_page_with_a_line_of_help() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    for field in dataclasses.fields(Settings):
        assert field.metadata["help"].endswith("."), field.name
        assert f"| `{field.name}` |" in page


def test_every_option_of_serve_is_a_setting() -> None:
    names = {parameter.name for parameter in serve.params}
    assert names - {field.name for field in dataclasses.fields(Settings)} <= {"log_level"}


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md",
                                  "CHANGELOG.md", "LICENSE", "docs/operating.md",
                                  "docs/roadmap.md", "examples/README.md"])  # fmt: skip
def test_the_page_is_there(name: str) -> None:
    assert (ROOT / name).is_file()


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    for target in _links(page.read_text()):
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{name} links to {target}"
        if anchor and found.suffix == ".md":
            assert anchor in set(_anchors(found.read_text())), f"{name} links to {target}"


def _links(text: str) -> Iterator[str]:
    """The targets of Markdown links that are not addresses of the web."""
    for target in re.findall(r"\]\(([^)\s]+)\)", _without_code(text)):
        if not target.startswith(("http://", "https://", "mailto:")):
            yield target


def _anchors(text: str) -> Iterator[str]:
    """The anchors that GitHub and its like give to headings."""
    for heading in re.findall(r"^#+ (.+)$", _without_code(text), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        yield plain.replace(" ", "-")


def _without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", NAMES)
def test_commands_that_pages_name_exist(name: str) -> None:
    for command in _commands((ROOT / name).read_text()):
        words = shlex.split(command)
        if not words or words[0].startswith("-"):
            continue
        found = main.get_command(click.Context(main), words[0])
        assert found is not None, f"{name}: ogi {command}"
        if isinstance(found, click.Group) and words[1:] and not words[1].startswith("-"):
            found = found.commands.get(words[1])
            assert found is not None, f"{name}: ogi {command}"
        options = {
            option
            for parameter in found.params
            if isinstance(parameter, click.Option)
            for option in parameter.opts
        }
        for word in words[1:]:
            if word.startswith("-"):
                assert word in {*options, "--help", "-h"}, f"{name}: ogi {command}"


def _commands(text: str) -> Iterator[str]:
    """What stands behind `ogi` in code blocks and in code within lines; planned ones are not."""
    if text.startswith("# Roadmap"):
        return
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for found in COMMAND_NAMES.finditer(block):
            yield (found[1] or "").strip()
    for found in re.findall(r"`ogi ([^`]*)`", _without_code(text)):
        yield found


def test_every_command_is_in_the_readme_or_the_guide() -> None:
    text = (ROOT / "README.md").read_text() + (ROOT / "docs" / "operating.md").read_text()
    missing = [name for name in COMMANDS if f"ogi {name}" not in text]
    assert not missing


def test_decisions_are_numbered_and_listed() -> None:
    pages = sorted(page for page in DECISIONS.glob("*.md") if page.name != "README.md")
    index = (DECISIONS / "README.md").read_text()
    for number, page in enumerate(pages, 1):
        assert re.fullmatch(rf"{number:04}-[a-z0-9-]+\.md", page.name), page.name
        title = page.read_text().splitlines()[0]
        assert title.startswith(f"# {number:04}: "), f"{page.name} begins with {title!r}"
        assert f"| {number:04} | [{title[8:]}]({page.name}) |" in index, f"list {page.name}"


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.split(r"[^\w-]", line)[0] for line in wanted}
    given = re.findall(
        r"^- \*\*([\w-]+)\*\*", (DECISIONS / "0002-dependencies.md").read_text(), re.MULTILINE
    )
    assert names == set(given)
    assert len(given) == len(set(given))


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.yaml")), ids=lambda p: p.name)
def test_examples_are_listed(path: Path) -> None:
    assert f"]({path.relative_to(ROOT / 'examples')})" in (ROOT / "examples/README.md").read_text()


def test_the_seed_of_the_examples_is_yaml_with_accounts() -> None:
    seed = yaml.safe_load((ROOT / "examples" / "seed.yaml").read_text())
    assert all(isinstance(account, str) and len(account) == 12 for account in seed["accounts"])
