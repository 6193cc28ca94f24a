"""Filter patterns of space-delimited fields, and regular expressions.

docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ogi.services.logs import filters
from ogi.services.logs.errors import InvalidParameterException

ACCESS = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'
REPORT = (
    "REPORT RequestId: 9d267389\tDuration: 2.31 ms\tBilled Duration: 3 ms\tMemory Size: 128 MB\n"
)
LAMBDA = '2026-11-24T21:58:06.049Z 9d267389-5e90 {"level": "ERROR", "n": 1}'
SEVEN = "ip, server, username, timestamp, request, status, bytes"


@pytest.mark.parametrize(
    ("pattern", "event", "matching"),
    [
        (f"[{SEVEN}]", ACCESS, True),
        (f"[{SEVEN}]", "127.0.0.1 Prod frank", False),
        ("[ip, server, username, timestamp, request, status = 404, bytes]", ACCESS, True),
        ("[ip, server, username, timestamp, request, status = 4*, bytes > 1000]", ACCESS, True),
        ("[ip, server, username, timestamp, request, status = 4*, bytes > 1534]", ACCESS, False),
        ("[..., status=404, size >= 1534]", ACCESS, True),
        ("[..., status=404 || status=410, size]", ACCESS, True),
        ("[..., status!=404 && status!=410, size]", ACCESS, False),
        ("[ip, ..., size < 2000]", ACCESS, True),
        ("[ip, ...]", ACCESS, True),
        ("[...]", ACCESS, True),
        ("[ip, server, user=fr*, ...]", ACCESS, True),
        ("[ip, server, user!=fr*, ...]", ACCESS, False),
        ("[..., request=*.html*, status, size]", ACCESS, True),
        ('[..., request="GET /index.html HTTP/1.0", status, size]', ACCESS, True),
        ("[ip, server, user, timestamp=10/Oct/*, ...]", ACCESS, True),
        (r"[ip=%127\.0\.0\.[1-9]%, ...]", ACCESS, True),
        (r"[ip!=%127\.0\.0\.1%, ...]", ACCESS, False),
        ("[w1=ERROR || w1=%WARN%, w2]", "[WARNING] low disk", True),
        ("[w1=ERROR || w1=%WARN%, w2]", "INFO all well", False),
        ("[w1=ERROR, w2]", "ERROR 401 UNAUTHORIZED REQUEST", True),
        ("[w1, w2=401]", "ERROR 401 UNAUTHORIZED", False),
        ('[timestamp=*Z, request_id="*-*", event]', LAMBDA, True),
        ('[timestamp=*Z, request_id="*-*", event="*ERROR*"]', LAMBDA, True),
        ('[a=REPORT, b, id, c="Duration:", took > 2, ...]', REPORT, True),
        ('[a=REPORT, ..., unit="MB"]', REPORT, True),
        ("[n=404]", "404.0", True),
        ("[n > 1]", "many", False),
        ("[a=x?y]", "x?y", True),
        ("[a=x*?]", "xz?", True),
        ("%AUTHORIZED%", "[ERROR 401] UNAUTHORIZED REQUEST", True),
        ("%^AUTHORIZED%", "UNAUTHORIZED", False),
        ("%colou?r|gr[ae]y%", "the grey one", True),
        (r"%10\.10\.0\.1{2}%", "from 10.10.0.11", True),
        (r"%\d{4}-\d{2}%", "2026-11", True),
        ("{ $.user = %^(?!x)% }", "{}", None),
        ('{ $.user = %^a.*e$% && $.n != "x" }', '{"user": "alice", "n": "y"}', True),
        ("{ $.user != %ali% }", '{"user": "alice"}', False),
        ("{ $.user = %5% }", '{"user": 5}', False),
        ("[a=%x%, b=%y%, c=%z%]", "", None),
        ("{ $.a = %x% || $.b = %y% || $.c = %z% }", "", None),
        ("%something!%", "", None),
        ("%(a)%", "", None),
        ("%[a%", "", None),
        ("%", "", None),
        ("[a", "", None),
        ("[]", "", None),
        ("[a b]", "", None),
        ("[a=]", "", None),
        ("[a > x]", "", None),
        ("[..., a, ...]", "", None),
        ("[a=1 b=2]", "", None),
    ],
)
def test_patterns_match_as_the_guide_says(pattern: str, event: str, matching: bool | None) -> None:
    if matching is None:
        with pytest.raises(InvalidParameterException, match="Invalid filter pattern"):
            filters.compiled(pattern)
    else:
        assert filters.compiled(pattern)(event) is matching


@given(st.text(alphabet='[]{}%"\\,.=<>!&|*? $abc1', max_size=40), st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_pattern_is_compiled_or_refused(pattern: str, event: str) -> None:
    for wrapped in (f"[{pattern}]", f"%{pattern}%", pattern):
        try:
            matches = filters.compiled(wrapped)
        except Exception as error:
            assert type(error).__name__ in ("InvalidParameterException", "Unsupported")
            continue
        assert matches(event) in (True, False)
