"""Credentials: keys find who asks; tokens that were tampered with, borrowed or are over do not."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from msgspec.structs import replace

from ogi.access import identities, seeds
from ogi.access.credentials import (
    BadToken,
    ExpiredToken,
    Identity,
    UnknownKey,
    find,
    mint_key,
    mint_session,
    root,
)
from ogi.access.identities import KEYS, USERS, account_of_key
from ogi.storage import CONTROL
from ogi.storage.writes import Writes
from ogi.vault import Vault
from tests.access.court import Court
from tests.world import ACCOUNT, World

NOW = 1_700_000_000.0


@pytest.fixture
def court() -> Court:
    return Court()


def _write(court: Court, body: Any) -> Any:
    writes = Writes(court.tx(), (CONTROL,))
    result = body(writes)
    for key, value in writes.changes.items():
        if value is None:
            court.entries.pop(key, None)
        else:
            court.entries[key] = value
    return result


def _find(court: Court, key: str, token: str | None = None, now: float = NOW) -> Identity:
    return find(court.tx(), court.world.ports.vault, key, token, now)


def _key(court: Court, user: str) -> tuple[str, str]:
    row, secret = mint_key(court.world.ports.vault, court.world.ports.random, ACCOUNT, user, NOW)
    _write(court, lambda tx: identities.put_key(tx, row))
    return row.id, secret


def test_a_key_finds_its_user_and_secret(court: Court) -> None:
    bob = court.user(tags={"team": "blue"})
    key, secret = _key(court, "bob")
    assert key.startswith("AKIA")
    assert len(key) == 20
    assert len(secret) == 40
    assert _find(court, key) == Identity(bob, secret, {})


def test_a_secret_is_not_in_the_clear_on_disk(court: Court) -> None:
    court.user()
    _, secret = _key(court, "bob")
    assert all(secret.encode() not in value for value in court.entries.values())


def test_a_key_without_a_user_is_roots(court: Court) -> None:
    key, _ = _key(court, "")
    assert _find(court, key).principal == root(ACCOUNT)


def test_an_unknown_an_inactive_and_an_orphaned_key_find_nobody(court: Court) -> None:
    user = court.user()
    key, _ = _key(court, "bob")
    orphan, _ = _key(court, "nobody")
    assert _find(court, key)
    row = KEYS.get(court.tx(), CONTROL, key)
    assert row is not None
    _write(court, lambda tx: identities.put_key(tx, replace(row, active=False)))
    for wrong in (key, orphan, "AKIAUNKNOWN"):
        with pytest.raises(UnknownKey):
            _find(court, wrong)
    assert user.kind == "user"


def test_what_becomes_of_a_user_is_seen_at_once(court: Court) -> None:
    court.user()
    key, _ = _key(court, "bob")
    assert _find(court, key).principal.tags == ()
    changed = court.user(tags={"a": "b"})
    assert _find(court, key).principal == changed
    row = identities.find(court.tx(), USERS, ACCOUNT, "bob")
    assert row is not None
    _write(court, lambda tx: identities.delete(tx, USERS, row))
    with pytest.raises(UnknownKey):
        _find(court, key)


def _session(court: Court, duration_s: float = 3600) -> tuple[Any, Any]:
    ports = court.world.ports
    principal = court.session(court.role())
    return mint_session(ports.vault, ports.random, principal, NOW, duration_s), principal


def test_a_token_carries_its_session(court: Court) -> None:
    minted, principal = _session(court)
    found = _find(court, minted.access_key_id, minted.session_token)
    assert found.principal == principal
    assert found.secret == minted.secret_access_key
    assert found.context == {"aws:TokenIssueTime": "2023-11-14T22:13:20Z"}
    assert minted.access_key_id.startswith("ASIA")


def test_a_token_is_over_at_its_time(court: Court) -> None:
    minted, _ = _session(court, 900)
    key, token = minted.access_key_id, minted.session_token
    assert _find(court, key, token, NOW + 899)
    with pytest.raises(ExpiredToken):
        _find(court, key, token, NOW + 900)
    with pytest.raises(ExpiredToken):
        _find(court, key, token, NOW + 90_000)


def test_a_token_that_was_tampered_with_is_refused(court: Court) -> None:
    minted, _ = _session(court)
    raw = bytearray(base64.b64decode(minted.session_token))
    for at in range(0, len(raw), 7):
        raw[at] ^= 1
        with pytest.raises(BadToken):
            _find(court, minted.access_key_id, base64.b64encode(bytes(raw)).decode())
        raw[at] ^= 1
    assert _find(court, minted.access_key_id, minted.session_token)


@pytest.mark.parametrize("token", ["x", "%%%", "AQ==", "A" * 100_000, "é"])
def test_what_is_no_token_is_refused(court: Court, token: str) -> None:
    with pytest.raises(BadToken):
        _find(court, "ASIA7777777777777777", token)


def test_a_token_is_bound_to_its_access_key(court: Court) -> None:
    first, _ = _session(court)
    second, _ = _session(court)
    with pytest.raises(BadToken):
        _find(court, second.access_key_id, first.session_token)
    assert _find(court, first.access_key_id, first.session_token)
    with pytest.raises(BadToken):
        _find(court, second.access_key_id, first.session_token)


def test_a_token_of_another_vault_is_refused(court: Court) -> None:
    minted, _ = _session(court)
    assert _find(court, minted.access_key_id, minted.session_token)
    with pytest.raises(BadToken):
        find(court.tx(), Vault(b"w" * 32), minted.access_key_id, minted.session_token, NOW)


def test_a_key_of_a_session_is_nothing_without_its_token(court: Court) -> None:
    minted, _ = _session(court)
    with pytest.raises(UnknownKey):
        _find(court, minted.access_key_id)


def test_the_account_can_be_read_in_an_access_key_id() -> None:
    for account in ("000000000000", "111122223333", "999999999999"):
        assert account_of_key(identities.key_id("AKIA", account, lambda n: b"\xff" * n)) == account


# -- the first identities -------------------------------------------------------------------------


def _bootstrap(court: Court, **settings: Any) -> Any:
    world = World(settings=settings)
    ports = world.ports
    return _write(
        court, lambda tx: seeds.bootstrap(tx, ports.vault, ports.settings, ports.random, NOW)
    )


def test_the_first_start_makes_an_administrator_and_the_second_nothing(court: Court) -> None:
    made = _bootstrap(court)
    admin = _find(court, made[0])
    assert admin.secret == made[1]
    assert admin.principal.arn == f"arn:aws:iam::{ACCOUNT}:user/admin"
    assert court.allows(admin.principal, "iam:DeleteUser", admin.principal.arn)
    assert _bootstrap(court) is None


def test_the_administrators_credentials_can_be_given(court: Court) -> None:
    assert _bootstrap(court, credentials="test:test") == ("test", "test")
    assert _find(court, "test").secret == "test"


def test_given_credentials_hold_at_a_later_start_too(court: Court) -> None:
    first = _bootstrap(court)
    assert _bootstrap(court, credentials="test:test") == ("test", "test")
    assert _find(court, "test").principal == _find(court, first[0]).principal
    vault = court.world.ports.vault
    assert seeds.admin_key(court.tx(), vault, ACCOUNT) == ("test", "test")


SEED = {
    "accounts": {
        ACCOUNT: {
            "root_keys": [{"id": "AKIAROOT", "secret": "s"}],
            "policies": {
                "send": {
                    "Version": "2012-10-17",
                    "Statement": {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"},
                }
            },
            "groups": {"devs": {"policies": ["send"]}},
            "users": {
                "bob": {"groups": ["devs"], "keys": [{"id": "AKIABOB", "secret": "b"}]},
                "eve": {"policies": ["AdministratorAccess"], "boundary": "send"},
            },
            "roles": {
                "r": {
                    "trust": {
                        "Version": "2012-10-17",
                        "Statement": {
                            "Effect": "Allow",
                            "Action": "sts:AssumeRole",
                            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/bob"},
                        },
                    }
                }
            },
        },
        "999988887777": {"users": {"zoe": {"keys": [{"id": "AKIAZOE", "secret": "z"}]}}},
    }
}


def _seed(court: Court, data: Any) -> Any:
    ports = court.world.ports
    return _write(court, lambda tx: seeds.seed(tx, ports.vault, data, ports.random, NOW))


def test_a_seed_file_makes_several_accounts_at_once(court: Court) -> None:
    assert _seed(court, SEED) == 9
    bob = _find(court, "AKIABOB").principal
    assert court.allows(bob)
    assert _find(court, "AKIAROOT").principal.kind == "root"
    assert _find(court, "AKIAZOE").principal.account == "999988887777"
    role = identities.find(court.tx(), identities.ROLES, ACCOUNT, "r")
    assert role is not None
    assert bob.id in role.trust_bound


def test_a_seed_can_be_sown_again(court: Court) -> None:
    _seed(court, SEED)
    before = _find(court, "AKIABOB").principal
    _seed(court, SEED)
    assert _find(court, "AKIABOB").principal == before
    assert court.allows(before)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "missing required field `accounts`"),
        ({"accounts": {"123": {}}}, "'123' is not twelve digits"),
        ({"accounts": {ACCOUNT: {"user": {}}}}, "unknown field `user`"),
        ({"accounts": {ACCOUNT: {"users": {"b": {"groups": ["x"]}}}}}, "no group 'x'"),
        ({"accounts": {ACCOUNT: {"users": {"b": {"policies": ["Nope"]}}}}}, "no policy 'Nope'"),
        ({"accounts": {ACCOUNT: {"policies": {"p": {}}}}}, "policies.p: Syntax errors in policy."),
        ({"accounts": {ACCOUNT: {"users": {"b": {"keys": [{"id": "a:b", "secret": "c"}]}}}}},
         "without ':' and '/'"),
        ({"accounts": {ACCOUNT: {"root_keys": [{"id": "a", "secret": "b"}] * 2}}}, "stands twice"),
    ],
)  # fmt: skip
def test_a_wrong_seed_file_says_where_it_is_wrong(court: Court, data: Any, sentence: str) -> None:
    with pytest.raises(seeds.BadSeed, match=sentence):
        _seed(court, data)
