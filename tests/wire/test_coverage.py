"""The coverage page lists every operation, and believes no service that invents one."""

from __future__ import annotations

import pytest

from ogi.wire import coverage
from ogi.wire.coverage import CoverageError


def test_every_operation_is_listed_supported_or_not() -> None:
    page = coverage.page({"sts": {"AssumeRole": ["SourceIdentity"], "GetCallerIdentity": []}}, "1")
    assert "| AssumeRole | yes | `SourceIdentity` |" in page
    assert "| GetCallerIdentity | yes |  |" in page
    assert "| GetSessionToken | - |  |" in page
    assert "| [sts](#sts) | 12 | 2 | 1 |" in page
    assert "| [kms](#kms) | 56 | 0 | 0 |" in page
    assert "AWS Security Token Service: 2 of 12 operations, over query." in page


@pytest.mark.parametrize(
    ("services", "said"),
    [
        ({"sts": {"AssumeMoon": []}}, "sts has no operation AssumeMoon"),
        ({"sts": {"AssumeRole": ["Moon"]}}, "sts:AssumeRole has no member Moon"),
        ({"moon": {}}, "moon is not in"),
    ],
)
def test_what_the_model_does_not_have_is_a_defect(
    services: dict[str, dict[str, list[str]]], said: str
) -> None:
    with pytest.raises(CoverageError, match=said):
        coverage.page(services, "1")
