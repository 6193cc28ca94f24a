"""Canonical forms of Signature Version 4: what client and server both reduce a request to.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import calendar
import re
import time
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

UNRESERVED = "-_.~"
PLAIN_PATH = re.compile(r"[A-Za-z0-9\-_.~/]*").fullmatch
PLAIN = re.compile(r"[A-Za-z0-9\-_.~]*").fullmatch
DATE_CHARS_MAX = 64
"""Of any form of date; what is longer is none, and is not kept."""
AMZ_DATE = re.compile(r"\d{8}T\d{6}Z", re.ASCII).fullmatch


def s3_path(path: str) -> str:
    """Encoded once, nothing normalised: `a//b` and `a/../b` are keys of their own."""
    if PLAIN_PATH(path):
        return path or "/"
    return quote_from_bytes(unquote_to_bytes(path), safe="/" + UNRESERVED)


def path(path: str) -> str:
    """Every other service: dots and empty segments removed, and what was sent encoded again."""
    if path == "/" or not path:
        return "/"
    return quote(_normalised(path), safe="/" + UNRESERVED)


def _normalised(path: str) -> str:
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if kept:
                kept.pop()
        elif segment and segment != ".":
            kept.append(segment)
    trailing = "/" if kept and path.endswith("/") else ""
    return "/" + "/".join(kept) + trailing


def query(query: str, without: str = "") -> str:
    """Names and values encoded one way and sorted; the parameter `without` is left out."""
    if not query:
        return ""
    pairs: list[tuple[str, str]] = []
    for part in query.split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        name = _encoded(name)
        if name != without:
            pairs.append((name, _encoded(value)))
    pairs.sort()
    return "&".join([f"{name}={value}" for name, value in pairs])


def _encoded(text: str) -> str:
    if PLAIN(text):
        return text
    # The parameters' readers take `+` for a space, so that is what the signature must mean.
    return quote_from_bytes(unquote_to_bytes(text.replace("+", " ")), safe=UNRESERVED)


def value(text: str) -> str:
    """A header's value: trimmed, runs of spaces are one."""
    text = text.strip(" \t")
    return re.sub(" {2,}", " ", text) if "  " in text else text


@lru_cache(maxsize=256)
def seconds(amz_date: str) -> int | None:
    """`20150830T123600Z` as seconds since the epoch; None if it is not of that form."""
    if not AMZ_DATE(amz_date):
        return None
    try:
        return calendar.timegm(time.strptime(amz_date, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        return None


def is_amz_date(text: str) -> bool:
    return len(text) <= DATE_CHARS_MAX and seconds(text) is not None


def amz_date(at: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))


def iso_date(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


@lru_cache(maxsize=256)
def from_http_date(text: str) -> str | None:
    """A Date header as an x-amz-date; None if it is no date."""
    if seconds(text) is not None:
        return text
    try:
        return amz_date(parsedate_to_datetime(text).timestamp())
    except (ValueError, TypeError, OverflowError):
        return None
