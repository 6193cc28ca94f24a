"""The pages that are made of the code are those that the code makes."""

from __future__ import annotations

import botocore
import pytest

from ogi import docs


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
