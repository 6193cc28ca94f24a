"""Pages that are made of the code: `python -m ogi.docs` writes them into docs/.

They are committed, so that readers need not run anything; tests/test_docs.py says when one is old.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import botocore

from ogi import services
from ogi.services.sns import service as sns
from ogi.settings import Settings
from ogi.wire import coverage

FOLDER = Path(__file__).parents[2] / "docs"


def coverage_page() -> str:
    """docs/coverage.md"""
    registered = {
        name: {operation.name: operation.unsupported for operation in service.operations.values()}
        for name, service in services.load().items()
    }
    return coverage.page(registered, botocore.__version__, {"sns": sns.REMARK})


def settings_page() -> str:
    """docs/settings.md"""
    lines = [
        "# Settings",
        "",
        "Made by `make coverage` from `src/ogi/settings.py`; a test fails when this page is old.",
        "",
        "| setting | default | what it is |",
        "|---|---|---|",
    ]
    for field in dataclasses.fields(Settings):
        lines.append(f"| `{field.name}` | {_default(field.default)} | {field.metadata['help']} |")
    return "\n".join(lines) + "\n"


def _default(value: Any) -> str:
    if value is None or value == "":
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


PAGES = {"coverage.md": coverage_page, "settings.md": settings_page}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page())
        print(f"docs/{name}")


if __name__ == "__main__":
    main()
