"""Web identities: whose token is believed, what a role's trust may ask of it, and what is refused.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ogi.access.authorise import authorise
from ogi.errors import AwsError, Unsupported
from ogi.service import ANONYMOUS, Call
from ogi.services.sts import issuers, web_tokens
from ogi.services.sts.errors import AccessDenied, ValidationError
from tests.issuer import CLIENT, DISCOVERY, Issuer, self_signed
from tests.services.sts.test_sts import ROLE, identified, policy, role
from tests.world import ACCOUNT, World

NOT_AUTHORIZED = "Not authorized to perform sts:AssumeRoleWithWebIdentity"


@pytest.fixture(scope="module")
def shared() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.close()


@pytest.fixture
def issuer(shared: Issuer) -> Issuer:
    shared.asked.clear()
    shared.publish([shared.jwk(algorithm) for algorithm in shared.keys])
    return shared


@pytest.fixture
def world(world_of: Callable[..., World]) -> World:
    return world_of("iam", "sts", authorise=authorise, settings={"oidc_http": True})


def trust(issuer: Issuer, *actions: str, account: str = ACCOUNT, **condition: Any) -> str:
    provider = f"arn:aws:iam::{account}:oidc-provider/{issuer.name}"
    body: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": ["sts:AssumeRoleWithWebIdentity", *actions],
    }
    if condition:
        body["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": [body]})


async def provider(world: World, issuer: Issuer, **rest: Any) -> str:
    given = {"ClientIDList": [CLIENT], **rest}
    made = await world.call("iam", "CreateOpenIDConnectProvider", Url=issuer.url, **given)
    arn: str = made["OpenIDConnectProviderArn"]
    return arn


async def assume(world: World, token: str, **rest: Any) -> Any:
    asked = {"RoleArn": ROLE, "RoleSessionName": "s", "WebIdentityToken": token, **rest}
    call = world.caller(ANONYMOUS)
    return await world.call_as(call, "sts", "AssumeRoleWithWebIdentity", **asked)


async def session(world: World, got: Any) -> Call:
    made = got["Credentials"]
    return await identified(world, made["AccessKeyId"], made["SessionToken"])


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"])
async def test_who_holds_a_token_of_a_trusted_issuer_becomes_the_role(
    world: World, issuer: Issuer, algorithm: str
) -> None:
    await provider(world, issuer)
    await role(world, trust(issuer), policy("sqs:*"))
    got = await assume(world, issuer.token(world.clock.now(), algorithm))
    assert got["SubjectFromWebIdentityToken"] == "user-0001"
    assert (got["Provider"], got["Audience"]) == (issuer.url, CLIENT)
    assert got["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s"
    who = await world.call_as(await session(world, got), "sts", "GetCallerIdentity")
    assert who["Arn"] == got["AssumedRoleUser"]["Arn"]


@pytest.mark.parametrize(
    ("key", "value", "good"),
    [("sub", "user-0001", True), ("sub", "user-0002", False), ("aud", CLIENT, True),
     ("aud", "other", False), ("amr", "mfa", True), ("amr", "sms", False)],
)  # fmt: skip
async def test_a_trust_policy_may_ask_for_the_token_s_claims(
    world: World, issuer: Issuer, key: str, value: str, good: bool
) -> None:
    await provider(world, issuer)
    operator = "ForAnyValue:StringEquals" if key == "amr" else "StringEquals"
    await role(world, trust(issuer, **{operator: {f"{issuer.name}:{key}": value}}))
    token = issuer.token(world.clock.now(), amr=["pwd", "mfa"])
    if good:
        await assume(world, token)
        return
    with pytest.raises(AccessDenied, match=NOT_AUTHORIZED):
        await assume(world, token)


async def test_the_session_keeps_the_provider_s_keys(world: World, issuer: Issuer) -> None:
    arn = await provider(world, issuer)
    own = {"StringEquals": {f"{issuer.name}:sub": "user-0001", "aws:FederatedProvider": arn}}
    await role(world, trust(issuer), policy("iam:ListRoles", Condition=own))
    for subject, good in (("user-0001", True), ("user-0002", False)):
        got = await assume(world, issuer.token(world.clock.now(), sub=subject))
        call = await session(world, got)
        if good:
            await world.call_as(call, "iam", "ListRoles")
        else:
            with pytest.raises(AwsError, match="not authorized"):
                await world.call_as(call, "iam", "ListRoles")


async def test_an_authorized_party_stands_for_the_audience(world: World, issuer: Issuer) -> None:
    await provider(world, issuer, ClientIDList=["party"])
    keys = {f"{issuer.name}:aud": "party", f"{issuer.name}:oaud": "api"}
    await role(world, trust(issuer, StringEquals=keys))
    got = await assume(world, issuer.token(world.clock.now(), aud="api", azp="party"))
    assert got["Audience"] == "party"


async def test_a_token_hands_tags_and_a_source_identity_to_the_session(
    world: World, issuer: Issuer
) -> None:
    await provider(world, issuer)
    document = trust(
        issuer, "sts:TagSession", "sts:SetSourceIdentity",
        StringEquals={"aws:RequestTag/Team": "red", "sts:SourceIdentity": "bob"},
    )  # fmt: skip
    await role(world, document)
    claims = {
        web_tokens.TAGS: {"principal_tags": {"Team": ["red"]}, "transitive_tag_keys": ["Team"]},
        f"{web_tokens.TAGS}/principal_tags/Level": "3",
        web_tokens.SOURCE_IDENTITY: "bob",
    }
    got = await assume(world, issuer.token(world.clock.now(), **claims))
    assert got["SourceIdentity"] == "bob"
    assert got["PackedPolicySize"] >= 1
    call = await session(world, got)
    assert dict(call.principal.tags) == {"Team": "red", "Level": "3"}
    assert call.context["aws:SourceIdentity"] == "bob"


async def test_tags_in_a_token_need_permission_of_their_own(world: World, issuer: Issuer) -> None:
    await provider(world, issuer)
    await role(world, trust(issuer))
    claims = {web_tokens.TAGS: {"principal_tags": {"Team": ["red"]}}}
    with pytest.raises(AccessDenied, match="Not authorized to perform sts:TagSession"):
        await assume(world, issuer.token(world.clock.now(), **claims))


async def test_session_policies_and_durations_hold_here_too(world: World, issuer: Issuer) -> None:
    await provider(world, issuer)
    await role(world, trust(issuer), policy("iam:*"))
    token = issuer.token(world.clock.now())
    call = await session(world, await assume(world, token, Policy=policy("iam:ListRoles")))
    await world.call_as(call, "iam", "ListRoles")
    with pytest.raises(AwsError, match="because no session policy allows"):
        await world.call_as(call, "iam", "ListUsers")
    with pytest.raises(ValidationError, match="MaxSessionDuration"):
        await assume(world, token, DurationSeconds=7200)
    with pytest.raises(Unsupported, match="ProviderId"):
        await assume(world, token, ProviderId="www.amazon.com")


# -- tokens that are not believed -----------------------------------------------------------------


async def refused(world: World, token: str, **rest: Any) -> tuple[str, str]:
    with pytest.raises(AwsError) as refusal:
        await assume(world, token, **rest)
    return refusal.value.shape, refusal.value.message


async def test_an_expired_token_is_refused_in_aws_s_words(world: World, issuer: Issuer) -> None:
    await provider(world, issuer)
    await role(world, trust(issuer))
    now = int(world.clock.now())
    assert await refused(world, issuer.token(now - 3600)) == (
        "ExpiredTokenException",
        f"Token expired: current date/time {now} must be before the expiration date/time {now}",
    )


@pytest.mark.parametrize(
    ("claims", "code", "sentence"),
    [
        ({"aud": "other"}, "InvalidIdentityTokenException", "Incorrect token audience"),
        ({"aud": [CLIENT], "azp": "other"}, "InvalidIdentityTokenException",
         "Incorrect token audience"),
        ({"aud": None}, "InvalidIdentityTokenException", "Missing a required claim: aud"),
        ({"sub": None}, "InvalidIdentityTokenException", "Missing a required claim: sub"),
        ({"exp": None}, "InvalidIdentityTokenException", "Missing a required claim: exp"),
        ({"iat": None}, "InvalidIdentityTokenException", "Missing a required claim: iat"),
        ({"iss": None}, "InvalidIdentityTokenException", "Missing a required claim: iss"),
        ({"exp": 1e12}, "InvalidIdentityTokenException", web_tokens.NO_JWT),
        ({"exp": True}, "InvalidIdentityTokenException", web_tokens.NO_JWT),
        ({"nbf": 1 << 40}, "IDPRejectedClaimException", "The ID Token is not valid yet."),
        ({"iss": "https://elsewhere.example"}, "InvalidIdentityTokenException",
         "No OpenIDConnect provider found in your account for https://elsewhere.example"),
    ],
)  # fmt: skip
async def test_a_claim_that_is_wrong_is_named(
    world: World, issuer: Issuer, claims: Any, code: str, sentence: str
) -> None:
    await provider(world, issuer)
    await role(world, trust(issuer))
    assert await refused(world, issuer.token(world.clock.now(), **claims)) == (code, sentence)
    assert not issuer.asked, "what is wrong by itself costs no request to the issuer"


def _unsigned(issuer: Issuer, now: float) -> str:
    _, body, _ = issuer.token(now).split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    return f"{none}.{body}."


def _symmetric(issuer: Issuer, now: float) -> str:
    """Signed with the public key as if it were a shared secret: the classic confusion."""
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"key-RS256"}').rstrip(b"=").decode()
    said = f"{head}.{issuer.token(now).split('.')[1]}"
    public = issuer.keys["RS256"].public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    mac = hmac.digest(pem, said.encode(), "sha256")
    return f"{said}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def _tampered(issuer: Issuer, now: float) -> str:
    head, _, signature = issuer.token(now).split(".")
    body = issuer.token(now, sub="admin").split(".")[1]
    return f"{head}.{body}.{signature}"


def _cut(issuer: Issuer, now: float) -> str:
    return issuer.token(now)[:-8]


def _of_another_kind(issuer: Issuer, now: float) -> str:
    """An RSA signature that names the elliptic key."""
    return issuer.token(now, headers={"kid": "key-ES256"})


def _critical(issuer: Issuer, now: float) -> str:
    return issuer.token(now, headers={"crit": ["exp"], "exp": 1})


def _with_its_own_key(issuer: Issuer, now: float) -> str:
    """A token that brings the key to verify it with is not verified with it."""
    other = Issuer()
    try:
        own = other.jwk("ES256", kid="mine")
        return other.token(
            now, "ES256", {"kid": "mine", "jwk": own, "jku": other.url}, iss=issuer.url
        )
    finally:
        other.close()


def _deep(issuer: Issuer, now: float) -> str:
    raw = base64.urlsafe_b64encode(b"[" * 9000).decode()
    return f"{raw}.{raw}.x"


@pytest.mark.parametrize(
    "forge",
    [_unsigned, _symmetric, _tampered, _cut, _of_another_kind, _critical, _with_its_own_key, _deep,
     lambda *_: "no.jwt", lambda *_: "a.b.c", lambda *_: "....", lambda *_: "\xe4.\xe4.\xe4",
     lambda *_: "bnVsbA.bnVsbA.bnVsbA"],
)  # fmt: skip
async def test_a_forged_token_is_refused(
    world: World, issuer: Issuer, forge: Callable[[Issuer, float], str]
) -> None:
    await provider(world, issuer)
    await role(world, trust(issuer))
    token = forge(issuer, world.clock.now())
    assert (await refused(world, token))[0] == "InvalidIdentityTokenException"


async def test_without_trust_or_role_the_answer_is_the_same(world: World, issuer: Issuer) -> None:
    await provider(world, issuer)
    await role(world, trust(issuer, account="999988887777"))
    token = issuer.token(world.clock.now())
    expected = ("AccessDenied", NOT_AUTHORIZED)
    assert await refused(world, token) == expected
    gone = f"arn:aws:iam::{ACCOUNT}:role/none"
    assert await refused(world, token, RoleArn=gone) == expected


async def test_a_deny_wins_and_sts_assume_role_is_not_enough(world: World, issuer: Issuer) -> None:
    await provider(world, issuer)
    document = json.loads(trust(issuer))
    denied = {**document["Statement"][0], "Effect": "Deny", "Condition": {
        "StringLike": {f"{issuer.name}:sub": "*2"}}}  # fmt: skip
    document["Statement"].append(denied)
    await role(world, json.dumps(document))
    now = world.clock.now()
    await assume(world, issuer.token(now))
    token = issuer.token(now, sub="user-0002")
    assert await refused(world, token) == ("AccessDenied", NOT_AUTHORIZED)


# -- the issuer -----------------------------------------------------------------------------------


async def test_keys_are_kept_and_fetched_anew_for_a_key_that_is_not_known(
    world: World, issuer: Issuer
) -> None:
    await provider(world, issuer)
    await role(world, trust(issuer))
    issuer.publish([issuer.jwk("RS256")])
    for _ in range(3):
        await assume(world, issuer.token(world.clock.now()))
    assert issuer.asked == ["/realm" + DISCOVERY, "/realm/keys"]
    issuer.publish([issuer.jwk("RS256"), issuer.jwk("ES256")])
    rotated = issuer.token(world.clock.now(), "ES256")
    for _ in range(3):  # Tokens that nobody signed do not make us ask again and again.
        assert (await refused(world, rotated))[1] == web_tokens.NO_KEY
    assert len(issuer.asked) == 2
    world.clock.advance(issuers.PAUSE_S)
    await assume(world, rotated)
    assert len(issuer.asked) == 4
    world.clock.advance(issuers.KEPT_S)
    await assume(world, issuer.token(world.clock.now()))
    assert len(issuer.asked) == 6


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        (DISCOVERY, 404, b"{}"),
        (DISCOVERY, 200, b"<html>"),
        (DISCOVERY, 200, b"[]"),
        (DISCOVERY, 200, b'{"issuer": "https://other", "jwks_uri": "https://other/keys"}'),
        (DISCOVERY, 301, b""),
        ("/keys", 500, b"{}"),
        ("/keys", 200, b'{"keys": []}'),
        ("/keys", 200, b'{"keys": [7, {"kty": "RSA"}, {"kty": "RSA", "kid": "key-RS256"}]}'),
        ("/keys", 200, b'{"keys": [{"kty": "RSA", "kid": "key-RS256", "n": "AQAB", "e": "AQAB"}]}'),
        ("/keys", 200, b'{"keys": [{"kty": "oct", "kid": "key-RS256", "k": "AAAA"}]}'),
        ("/keys", 200, json.dumps({"keys": [{"kty": "RSA"}] * 201}).encode()),
        ("/keys", 200, b"[" * 9000),
    ],
)
async def test_an_issuer_that_answers_nonsense_gives_no_key(
    world: World, issuer: Issuer, path: str, status: int, body: bytes
) -> None:
    await provider(world, issuer)
    await role(world, trust(issuer))
    issuer.answers["/realm" + path] = (status, body)
    token = issuer.token(world.clock.now())
    assert await refused(world, token) == ("InvalidIdentityTokenException", web_tokens.NO_KEY)


async def test_an_issuer_that_answers_too_much_or_not_at_all_is_not_reached(
    world: World, issuer: Issuer
) -> None:
    await provider(world, issuer)
    await role(world, trust(issuer))
    issuer.answers["/realm/keys"] = (200, b" " * (issuers.DOCUMENT_BYTES_MAX * 2))
    token = issuer.token(world.clock.now())
    assert (await refused(world, token))[0] == "IDPCommunicationErrorException"
    issuer.publish([issuer.jwk("RS256")])
    assert (await refused(world, token))[0] == "IDPCommunicationErrorException"
    world.clock.advance(issuers.PAUSE_S)
    await assume(world, token)


@pytest.mark.parametrize("place", ["http://169.254.169.254/keys", "ftp://127.0.0.1/", "keys", ""])
async def test_an_issuer_cannot_send_us_where_we_must_not_go(
    world: World, issuer: Issuer, place: str
) -> None:
    await provider(world, issuer)
    await role(world, trust(issuer))
    issuer.publish([], jwks_uri=place)
    token = issuer.token(world.clock.now())
    assert await refused(world, token) == ("InvalidIdentityTokenException", web_tokens.NO_KEY)


async def test_issuers_may_be_kept_to_some_networks(
    world_of: Callable[..., World], issuer: Issuer
) -> None:
    settings = {"oidc_http": True, "oidc_networks": "10.0.0.0/8,192.168.0.0/16"}
    world = world_of("iam", "sts", authorise=authorise, settings=settings)
    await provider(world, issuer)
    await role(world, trust(issuer))
    token = issuer.token(world.clock.now())
    assert await refused(world, token) == ("InvalidIdentityTokenException", web_tokens.NO_KEY)
    assert not issuer.asked


async def test_a_certificate_that_nobody_signed_needs_its_thumbprint(
    world: World, tmp_path: Path
) -> None:
    certificate, thumbprint = self_signed(tmp_path)
    issuer = Issuer(certificate)
    try:
        arn = await provider(world, issuer, ThumbprintList=["0" * 40])
        await role(world, trust(issuer))
        token = issuer.token(world.clock.now())
        assert await refused(world, token) == (
            "InvalidIdentityTokenException",
            "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint",
        )
        assert not issuer.asked
        await world.call(
            "iam", "UpdateOpenIDConnectProviderThumbprint", OpenIDConnectProviderArn=arn,
            ThumbprintList=[thumbprint.upper()],
        )  # fmt: skip
        await assume(world, token)
    finally:
        issuer.close()
