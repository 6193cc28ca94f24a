"""X-Ray's header from outside: what may go on to a queue, a function, an endpoint."""

from __future__ import annotations

import pytest

from ogi import trace_headers

ROOT = "Root=1-5759e988-bd862e3fe1be46a994272793"
LONGEST = f"{ROOT};Lineage=".ljust(trace_headers.CHARS_MAX, "a")


@pytest.mark.parametrize(
    "header",
    [
        ROOT,
        f"{ROOT};Parent=53995c3f42cd8ad8;Sampled=1",
        f"{ROOT};Parent=53995c3f42cd8ad8;Sampled=0;",
        f"{ROOT};Sampled=?",
        f"Self=1-67891234-12456789abcdef012345678; {ROOT}; CalledFrom=an app",
        f"{ROOT};Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:0|68fd508a:5|c512fbe3:2",
        f"{ROOT};my-own_field1=a,b",
        LONGEST,
    ],
)
def test_a_header_that_names_a_trace_goes_on_as_it_is(header: str) -> None:
    assert trace_headers.passed_on(header) == header


@pytest.mark.parametrize(
    "header",
    [
        "", ";", "nonsense", "Root=", "Root=1-5759e988", f"{ROOT}a", f"My{ROOT}",
        "Parent=53995c3f42cd8ad8;Sampled=1", "Root=my-own-id;Sampled=1",
        f"{ROOT};Sampled", f"{ROOT};;Sampled=1", f"{ROOT};=1", f"{ROOT};a=b=c", f"{ROOT};Parent=",
        f"{ROOT};Parent=\r\nHost: x", f"{ROOT}\n", f"{ROOT};Parent=\x00", f"{ROOT};Parent=\u00e4",
        f"{LONGEST}a",
    ],
)  # fmt: skip
def test_what_names_no_trace_or_could_not_be_sent_again_ends_here(header: str) -> None:
    assert trace_headers.passed_on(header) == ""
