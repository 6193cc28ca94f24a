"""What holds for every test."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def nothing_is_left_being_handled() -> Iterator[None]:
    """A coroutine that ended left no exception behind in the thread (decision 21)."""
    yield
    assert sys.exc_info()[1] is None
