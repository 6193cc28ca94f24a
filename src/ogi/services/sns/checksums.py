"""Checks that numbers of some kinds pass: what only looks like one does not. Pure."""

from __future__ import annotations

from typing import Final

_TEST_CARDS: Final = """
122000000000003 2222405343248877 2222990905257051 2223007648726984 2223577120017656
30569309025904 34343434343434 3528000700000000 3530111333300000 3566002020360505
36148900647913 36700102000000 371449635398431 378282246310005 378734493671000
38520000023237 4012888888881881 4111111111111111 4222222222222 4444333322221111
4462030000000000 4484070000000000 4911830000000 4917300800000000 4917610000000000
4917610000000000003 5019717010103742 5105105105105100 5111010030175156
5185540810000019 5200828282828210 5204230080000017 5204740009900014 5420923878724339
5454545454545454 5455330760000018 5506900490000436 5506900490000444 5506900510000234
5506920809243667 5506922400634930 5506927427317625 5553042241984105 5555553753048194
5555555555554444 5610591081018250 6011000990139424 6011000400000000 6011111111111117
630490017740292441 630495060000000000 6331101999990016 6759649826438453
6799990100000000019 76009244561
"""
"""Sequences that card issuers have reserved for public testing are not reported
(docs.aws.amazon.com/AmazonCloudWatch/latest/logs/protect-sensitive-log-data-types-financial.html).
"""
_CARD_PREFIXES: Final = (
    "34", "37", "36", "38", "39", "300", "301", "302", "303", "304", "305", "309", "35", "4",
    "5019", "51", "52", "53", "54", "55", "6011", "62", "64", "65",
    *(str(prefix) for prefix in range(222, 273)),
)  # fmt: skip
"""American Express, Diners Club, JCB, Visa and Electron, Dankort, Mastercard, Discover, UnionPay
(ISO/IEC 7812)."""
IBAN_CHARS: Final = {"DE": 22, "ES": 24, "FR": 27, "GB": 22, "IT": 27}
"""The SWIFT registry's lengths."""


def digits(text: str) -> str:
    return "".join(c for c in text if c.isascii() and c.isdigit())


def luhn(text: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    total = 0
    for at, digit in enumerate(reversed(digits(text))):
        doubled = int(digit) * (1 + at % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def card(text: str) -> bool:
    number = digits(text)
    return number.startswith(_CARD_PREFIXES) and luhn(number) and number not in _TEST_CARDS.split()


def iban(text: str) -> bool:
    """ISO 13616: the remainder by 97 is 1."""
    plain = "".join(text.split()).upper()
    if len(plain) != IBAN_CHARS.get(plain[:2]):
        return False
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def ssn_us(text: str) -> bool:
    """Areas, groups and serials that are never given."""
    number = digits(text)
    area, group, serial = number[:3], number[3:5], number[5:]
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def cpf_br(text: str) -> bool:
    return _weighed(digits(text), 9)


def cnpj_br(text: str) -> bool:
    return _weighed(digits(text), 12)


def _weighed(number: str, own: int) -> bool:
    """Two check digits by weights that go up from 2: to 11 for a CPF, to 9 and again for a CNPJ."""
    if len(set(number)) == 1:
        return False
    for count in (own, own + 1):
        weights = [2 + at % 8 if own == 12 else 2 + at for at in range(count)]
        total = sum(int(d) * w for d, w in zip(reversed(number[:count]), weights, strict=True))
        rest = total % 11
        if int(number[count]) != (0 if rest < 2 else 11 - rest):
            return False
    return True


def address(text: str) -> bool:
    """Whether an IP address is one."""
    from ipaddress import ip_address

    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def place(text: str) -> bool:
    """A latitude and a longitude in decimal degrees."""
    latitude, longitude = (float(part) for part in text.split(","))
    return -90 <= latitude <= 90 and -180 <= longitude <= 180
