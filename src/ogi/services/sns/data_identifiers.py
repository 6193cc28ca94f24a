"""Data identifiers: what makes a piece of text a credit card's number, or a private key. Pure.

The managed ones that a pattern, a check and the keywords around it tell; those that AWS tells by
machine learning (names, addresses) are not here and are refused by name. Patterns run on RE2, whose
time is linear in the text whatever the pattern, since custom ones come from outside.
docs.aws.amazon.com/sns/latest/dg/sns-message-data-protection-managed-data-identifiers.html and
docs.aws.amazon.com/sns/latest/dg/sns-message-data-protection-custom-data-identifiers.html
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from ogi.services.sns import checksums

PROXIMITY_CHARS = 30
"""So near to the data must a keyword stand, where one is required; the pages give no figure."""
PATTERN_BYTES_MAX = 512 * 1024
"""Memory of a compiled pattern; one that needs more is too complicated."""
COMPILED_MAX = 128
"""Patterns kept: 64 MB at the very most."""

Span = tuple[int, int]


class TooComplicated(ValueError):
    """A pattern that RE2 cannot, or will not, run."""


class Detector(msgspec.Struct, frozen=True):
    name: str
    pattern: str
    check: Callable[[str], bool] | None = None
    keywords: tuple[str, ...] = ()
    """One of them must stand near; none: the data speak for themselves."""
    marked: str = ""
    """Data that begin so need no keyword."""

    def spans(self, text: str) -> list[Span]:
        """Where in a text the data stand: [begin, end), without overlaps, in order."""
        found = [
            match.span()
            for match in compiled(self.pattern).finditer(text)
            if match.end() > match.start() and (self.check is None or self.check(match.group()))
        ]
        if not found or not self.keywords:
            return found
        near = [match.span() for match in _keywords(self.keywords).finditer(text)]
        ends = [end for _, end in near]
        return [
            span
            for span in found
            if (self.marked and text.startswith(self.marked, span[0])) or _is_near(span, near, ends)
        ]


def _is_near(span: Span, near: list[Span], ends: list[int]) -> bool:
    """Whether a keyword ends at most so far before the data, or begins so far behind it."""
    at = bisect_left(ends, span[0] - PROXIMITY_CHARS)
    return at < len(near) and near[at][0] <= span[1] + PROXIMITY_CHARS


@lru_cache(maxsize=COMPILED_MAX)
def compiled(pattern: str) -> Any:
    """The pattern, ready to run; raises TooComplicated."""
    # Only topics with a data protection policy need the library: 8 ms and a few MB.
    import re2

    options = re2.Options()
    options.max_mem = PATTERN_BYTES_MAX
    options.log_errors = False
    try:
        return re2.compile(pattern, options=options)
    except re2.error as error:
        raise TooComplicated(str(error)) from error


@lru_cache(maxsize=COMPILED_MAX)
def _keywords(keywords: tuple[str, ...]) -> Any:
    import re2

    words = "|".join(re2.escape(word) for word in sorted(keywords, key=len, reverse=True))
    return compiled(rf"(?i)\b(?:{words})")


_PHONE = (
    "cell", "contact", "fax", "fax number", "mobile", "phone", "phone number", "tel", "telephone",
    "telephone number",
)  # fmt: skip
_CARD = (
    "account number", "american express", "amex", "bank card", "card", "card number", "card num",
    "cc #", "ccn", "check card", "credit", "credit card#", "dankort", "debit", "debit card",
    "diners club", "discover", "electron", "japanese card bureau", "jcb", "mastercard", "mc", "pan",
    "payment account number", "payment card number", "pcn", "union pay", "visa",
)  # fmt: skip
_ACCOUNT = (
    "account code", "account number", "accountno#", "accountnumber#", "bban",
    "customer account id", "customer account number", "customer bank account id", "iban",
)  # fmt: skip
_IBANS = {
    "DE": ("bankleitzahl", "geheimzahl", "kartennummer", "kontonummer", "kreditkartennummer",
           "sepa"),
    "ES": ("código cuenta", "código cuenta bancaria", "cuenta cliente id",
           "número cuenta bancaria cliente", "número cuenta cliente"),
    "FR": ("code bancaire", "compte bancaire", "numéro de compte"),
    "GB": ("sepa",),
    "IT": ("codice bancario", "conto bancario", "numero di conto"),
}  # fmt: skip
_CPF = (
    "cadastro de pessoa física", "cadastro de pessoa fisica", "cadastro de pessoas físicas",
    "cadastro de pessoas fisicas", "cpf",
)  # fmt: skip


def _private_key(begin: str, end: str) -> str:
    return rf"(?s){begin}.*?(?:{end}|\z)"


_BODY = "-----END [A-Z ]*PRIVATE KEY-----"
MANAGED = {
    detector.name: detector
    for detector in (
        Detector(
            "AwsSecretKey", r"\b[A-Za-z0-9/+]{40}\b",
            keywords=("aws_secret_access_key", "credentials", "secret access key", "secret key",
                      "set-awscredential"),
        ),
        *(
            Detector(f"BankAccountNumber-{country}",
                     rf"(?i)\b{country}\d{{2}}(?: ?[A-Z0-9]){{{chars - 4}}}\b", checksums.iban,
                     (*_ACCOUNT, *_IBANS[country]))
            for country, chars in checksums.IBAN_CHARS.items()
        ),
        Detector("CepCode-BR", r"\b\d{5}-?\d{3}\b",
                 keywords=("cep", "código de endereçamento postal",
                           "codigo de endereçamento postal")),
        Detector("Cnpj-BR", r"\b\d{2}\.?\d{3}\.?\d{3}/?\d{4}-?\d{2}\b", checksums.cnpj_br,
                 ("cadastro nacional da pessoa jurídica", "cadastro nacional da pessoa juridica",
                  "cnpj")),
        Detector("CpfCode-BR", r"\b\d{3}\.?\d{3}\.?\d{3}-?\d{2}\b", checksums.cpf_br, _CPF),
        Detector("CreditCardExpiration", r"\b(?:0[1-9]|1[0-2]) ?[/-] ?(?:20)?\d{2}\b",
                 keywords=("exp d", "exp m", "exp y", "expiration", "expiry")),
        Detector("CreditCardNumber", r"\b\d(?:[ -]?\d){12,18}\b", checksums.card, _CARD),
        Detector(
            "CreditCardSecurityCode", r"\b\d{3,4}\b",
            keywords=("card id", "card identification code", "card identification number",
                      "card security code", "card validation code", "card validation number",
                      "card verification data", "card verification value", "cvc", "cvc2", "cvv",
                      "cvv2", "elo verification code"),
        ),
        Detector("EmailAddress",
                 r"(?i)\b[A-Z0-9._%+'-]{1,64}@(?:[A-Z0-9](?:[A-Z0-9-]{0,62})\.){1,8}[A-Z]{2,63}\b"),
        Detector(
            "IpAddress",
            r"\b\d{1,3}(?:\.\d{1,3}){3}\b|(?i)(?:\b[0-9A-F]{1,4}|:):[0-9A-F:.]{0,40}[0-9A-F]",
            checksums.address,
        ),
        Detector("LatLong", r"[+-]?\b\d{1,2}\.\d{2,10}, ?[+-]?\d{1,3}\.\d{2,10}\b", checksums.place,
                 ("coordinate", "coordinates", "lat long", "latitude longitude", "location",
                  "position")),
        Detector("NationalInsuranceNumber-GB",
                 r"(?i)\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?: ?\d{2}){3} ?[A-D]\b",
                 keywords=("insurance no.", "insurance number", "insurance#",
                           "national insurance number", "nationalinsurance#",
                           "nationalinsurancenumber", "nin", "nino")),
        Detector("OpenSshPrivateKey",
                 _private_key("-----BEGIN OPENSSH PRIVATE KEY-----", _BODY)),
        Detector("PgpPrivateKey", _private_key("-----BEGIN PGP PRIVATE KEY BLOCK-----",
                                               "-----END PGP PRIVATE KEY BLOCK-----")),
        Detector("PhoneNumber-US",
                 r"(?:\+1[ .-]?)?(?:\([2-9]\d{2}\) ?|\b[2-9]\d{2}[ .-]?)[2-9]\d{2}[ .-]?\d{4}\b",
                 keywords=_PHONE, marked="+1"),
        Detector("PkcsPrivateKey",
                 _private_key("-----BEGIN (?:(?:RSA|DSA|EC|ENCRYPTED) )?PRIVATE KEY-----", _BODY)),
        Detector("PostalCode-CA", r"(?i)\b[ABCEGHJ-NPRSTVXY]\d[A-Z][ -]?\d[A-Z]\d\b"),
        Detector("PuttyPrivateKey", _private_key(r"PuTTY-User-Key-File-\d: ",
                                                 r"Private-MAC: [0-9a-f]{40,64}")),
        Detector("SocialInsuranceNumber-CA", r"\b\d{3}[ -]?\d{3}[ -]?\d{3}\b", checksums.luhn,
                 ("canadian id", "numéro d'assurance sociale", "social insurance number", "sin")),
        Detector("Ssn-US", r"\b\d{3}[ -]?\d{2}[ -]?\d{4}\b", checksums.ssn_us,
                 ("social security", "ss#", "ssn")),
        Detector("VehicleIdentificationNumber", r"(?i)\b[A-HJ-NPR-Z0-9]{17}\b",
                 keywords=("fahrgestellnummer", "niv", "numero di telaio", "numer vin",
                           "número de identificação do veículo",
                           "número de identificación de automóviles",
                           "numéro d'identification du véhicule",
                           "vehicle identification number", "vin")),
        Detector("ZipCode-US", r"\b\d{5}(?:-\d{4})?\b", keywords=("zip code", "zip+4")),
    )
}  # fmt: skip
