"""Data identifiers: what is told from what only looks like it, in time linear in the text."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ogi.services.sns import data_identifiers
from ogi.services.sns.data_identifiers import MANAGED, TooComplicated

FOUND = [
    ("AwsSecretKey", "secret key wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY.",
     "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ("BankAccountNumber-DE", "IBAN DE89 3704 0044 0532 0130 00 ok", "DE89 3704 0044 0532 0130 00"),
    ("BankAccountNumber-ES", "iban ES9121000418450200051332", "ES9121000418450200051332"),
    ("BankAccountNumber-FR", "iban: FR1420041010050500013M02606", "FR1420041010050500013M02606"),
    ("BankAccountNumber-GB", "iban GB82WEST12345698765432", "GB82WEST12345698765432"),
    ("BankAccountNumber-IT", "iban IT60X0542811101000000123456", "IT60X0542811101000000123456"),
    ("CepCode-BR", "CEP 01310-100", "01310-100"),
    ("Cnpj-BR", "CNPJ 11.222.333/0001-81", "11.222.333/0001-81"),
    ("CpfCode-BR", "cpf 529.982.247-25", "529.982.247-25"),
    ("CreditCardExpiration", "expiry 04/27", "04/27"),
    ("CreditCardNumber", "My credit card number is 4539894458086459", "4539894458086459"),
    ("CreditCardNumber", "visa 4539-8944-5808-6459.", "4539-8944-5808-6459"),
    ("CreditCardSecurityCode", "cvv 123", "123"),
    ("EmailAddress", "to a.b+c@ex-ample.co.uk, please", "a.b+c@ex-ample.co.uk"),
    ("IpAddress", "from 192.0.2.7", "192.0.2.7"),
    ("IpAddress", "from 2001:db8::8a2e:370:7334", "2001:db8::8a2e:370:7334"),
    ("LatLong", "position 41.948614,-87.655311", "41.948614,-87.655311"),
    ("NationalInsuranceNumber-GB", "nino AB 12 34 56 C", "AB 12 34 56 C"),
    ("OpenSshPrivateKey",
     "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n-----END OPENSSH PRIVATE KEY-----",
     "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n-----END OPENSSH PRIVATE KEY-----"),
    ("PgpPrivateKey", "-----BEGIN PGP PRIVATE KEY BLOCK-----\ncut off",
     "-----BEGIN PGP PRIVATE KEY BLOCK-----\ncut off"),
    ("PhoneNumber-US", "phone: (206) 555-0100", "(206) 555-0100"),
    ("PhoneNumber-US", "+1 206-555-0100", "+1 206-555-0100"),
    ("PkcsPrivateKey", "a -----BEGIN RSA PRIVATE KEY-----\nx\n-----END RSA PRIVATE KEY----- b",
     "-----BEGIN RSA PRIVATE KEY-----\nx\n-----END RSA PRIVATE KEY-----"),
    ("PostalCode-CA", "Ottawa K1A 0B1", "K1A 0B1"),
    ("PuttyPrivateKey", "PuTTY-User-Key-File-2: ssh-rsa\nPrivate-MAC: " + "a" * 40,
     "PuTTY-User-Key-File-2: ssh-rsa\nPrivate-MAC: " + "a" * 40),
    ("SocialInsuranceNumber-CA", "SIN 046 454 286", "046 454 286"),
    ("Ssn-US", "ssn: 123-45-6789", "123-45-6789"),
    ("VehicleIdentificationNumber", "vin 1HGCM82633A004352", "1HGCM82633A004352"),
    ("ZipCode-US", "zip code 98101-1234", "98101-1234"),
]  # fmt: skip
LOOKALIKES = [
    ("AwsSecretKey", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ("BankAccountNumber-DE", "IBAN DE88 3704 0044 0532 0130 00"),
    ("CpfCode-BR", "cpf 529.982.247-26"),
    ("CpfCode-BR", "cpf 111.111.111-11"),
    ("CreditCardNumber", "4539894458086459 stands alone"),
    ("CreditCardNumber", "visa 4539894458086458"),
    ("CreditCardNumber", "visa 4111 1111 1111 1111"),
    ("CreditCardNumber", "card 9999999999999995"),
    ("EmailAddress", "a@b and @example.com"),
    ("IpAddress", "999.1.1.1 at 10:30"),
    ("PhoneNumber-US", "2065550100"),
    ("Ssn-US", "ssn 000-12-3456, ssn 900-12-3456"),
    ("Ssn-US", "ssn" + " " * 40 + "123-45-6789"),
]


@pytest.mark.parametrize(("name", "text", "data"), FOUND)
def test_data_are_found_where_they_stand(name: str, text: str, data: str) -> None:
    assert [text[begin:end] for begin, end in MANAGED[name].spans(text)] == [data]


def test_every_managed_identifier_has_an_example() -> None:
    assert {name for name, _, _ in FOUND} == set(MANAGED)


def test_every_managed_identifier_is_documented() -> None:
    page = Path(__file__).parents[3] / "docs/decisions/0016-what-topics-keep-and-tell.md"
    words = {word.strip(",.") for word in page.read_text().split()}
    assert set(MANAGED) <= words


@pytest.mark.parametrize(("name", "text"), LOOKALIKES)
def test_what_only_looks_like_it_is_not_reported(name: str, text: str) -> None:
    assert MANAGED[name].spans(text) == []


def test_places_count_characters_not_bytes() -> None:
    text = "é" * 50 + " a@example.com"
    assert MANAGED["EmailAddress"].spans(text) == [(51, 64)]


@pytest.mark.parametrize("piece", ["1 ", "a@", ":a", "AB12", "-----BEGIN PGP PRIVATE KEY BLOCK--"])
def test_no_message_takes_long(piece: str) -> None:
    text = piece * (262_144 // len(piece))
    for detector in MANAGED.values():
        detector.spans("warm")
    begin = time.process_time()
    for detector in MANAGED.values():
        detector.spans(text)
    assert time.process_time() - begin < 2.0


def test_a_pattern_that_makes_others_explode_does_not() -> None:
    evil = data_identifiers.compiled("a*" * 99 + "b")
    begin = time.process_time()
    assert evil.search("a" * 262_144) is None
    assert time.process_time() - begin < 2.0


@pytest.mark.parametrize("pattern", ["a{1001}", "[a", ".{1000}" * 9])
def test_patterns_that_are_none_or_too_large_are_refused(pattern: str) -> None:
    with pytest.raises(TooComplicated):
        data_identifiers.compiled(pattern)
