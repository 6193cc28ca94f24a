"""Single values: what is written is read again, and what makes no sense is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ogi.wire import scalars
from ogi.wire.rest import split_list
from ogi.wire.scalars import Malformed
from ogi.wire.xml_text import escape, parse

TIMES = st.integers(scalars.EPOCH_S_MIN * 1000, scalars.EPOCH_S_MAX * 1000)


@given(TIMES)
def test_a_time_survives_iso_8601_to_the_millisecond(epoch_ms: int) -> None:
    for write in (scalars.iso8601, scalars.iso8601_milliseconds):
        assert round(scalars.read_timestamp(write(epoch_ms / 1000)) * 1000) == epoch_ms
    whole = scalars.read_timestamp(scalars.iso8601_seconds(epoch_ms / 1000))
    assert whole == epoch_ms // 1000


@given(st.integers(0, 250_000_000_000))
def test_a_time_survives_rfc_822_to_the_second(epoch_s: int) -> None:
    assert scalars.read_timestamp(scalars.rfc822(epoch_s)) == epoch_s


@pytest.mark.parametrize(
    ("text", "epoch_s"),
    [
        ("1769853600", 1769853600.0), ("1769853600.25", 1769853600.25), ("-1", -1.0),
        ("2026-01-31T10:00:00Z", 1769853600.0), ("2026-01-31T10:00:00.250Z", 1769853600.25),
        ("2026-01-31T12:00:00+02:00", 1769853600.0), ("2026-01-31", 1769817600.0),
        ("Sat, 31 Jan 2026 10:00:00 GMT", 1769853600.0), (" 1769853600 ", 1769853600.0),
        ("1.7698536E9", 1769853600.0),
    ],
)  # fmt: skip
def test_a_time_is_read_in_any_format(text: str, epoch_s: float) -> None:
    assert scalars.read_timestamp(text) == epoch_s


@pytest.mark.parametrize(
    "text", ["", "now", "nan", "inf", "1e300", "2026-13-01", "2026-", "Caturday", "9" * 400, "١"]
)
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        scalars.read_timestamp(text)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (lambda text: scalars.read_integer(text, 32), "2147483648"),
        (lambda text: scalars.read_integer(text, 32), "1.0"),
        (lambda text: scalars.read_integer(text, 32), "١"),
        (lambda text: scalars.read_integer(text, 64), "9" * 5000),
        (lambda text: scalars.read_integer(text, 64), ""),
        (scalars.read_float, "inf"), (scalars.read_float, "1e999"), (scalars.read_float, "x"),
        (scalars.read_boolean, "yes"), (scalars.read_boolean, ""), (scalars.read_blob, "é"),
        (scalars.read_blob, "A"),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused(read: object, text: str) -> None:
    with pytest.raises(Malformed):
        read(text)  # type: ignore[operator]


@given(st.binary())
def test_a_blob_survives_base64_also_with_line_breaks(data: bytes) -> None:
    text = scalars.write_blob(data)
    assert scalars.read_blob(text) == data
    assert (
        scalars.read_blob("\r\n".join(text[at : at + 4] for at in range(0, len(text), 4))) == data
    )


@given(st.floats())
def test_a_number_survives_its_text(number: float) -> None:
    again = scalars.read_float(scalars.write_float(number))
    assert again == number or (again != again and number != number)


@given(st.text())
def test_what_xml_can_carry_survives_it(text: str) -> None:
    unspeakable = {*map(chr, range(0x20))} - {"\t", "\n", "\r"} | {"\ufffe", "\uffff"}
    text = "".join(c for c in text if c not in unspeakable).encode("utf-8", "ignore").decode()
    node = parse(f'<a b="{escape(text)}">{escape(text)}</a>'.encode())
    assert node.text == text
    assert node.attributes["b"].split() == text.split()


@pytest.mark.parametrize(
    ("header", "elements"),
    [
        ("a", ["a"]), ("a,b", ["a", "b"]), (" a , b ", ["a", "b"]), ('"a,b",c', ["a,b", "c"]),
        ('"a\\"b", "c"', ['a"b', "c"]), ('"open', ['"open']), ("", [""]), ('a"b,c', ['a"b', "c"]),
    ],
)  # fmt: skip
def test_a_header_is_split_at_its_commas(header: str, elements: list[str]) -> None:
    assert split_list(header) == elements
