"""The global condition keys that a request brings with it, asked for by policies over HTTP.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from hashlib import md5
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from ogi.access import canonical, credentials
from ogi.http import Request, Response, Tls
from tests.gateway.test_pipeline import FORM, HOST, Gate, gate, text, unsigned
from tests.world import ACCOUNT, REGION

__all__ = ["gate"]


def form(**members: str) -> bytes:
    return urlencode(members).encode()


async def iam(gate: Gate, action: str, **members: str) -> Response:
    body = form(Action=action, Version="2010-05-08", **members)
    answer = await gate.ask(gate.signed("iam", body, content_type=FORM))
    assert answer.status == 200, text(answer)
    return answer


async def user(gate: Gate, *statements: Any) -> dict[str, str]:
    """The key of a user with these statements."""
    await iam(gate, "CreateUser", UserName="bob", **{
        "Tags.member.1.Key": "team", "Tags.member.1.Value": "red"})  # fmt: skip
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    await iam(gate, "PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=document)
    made = text(await iam(gate, "CreateAccessKey", UserName="bob"))
    found = {name: made.split(f"<{name}>")[1].split("<")[0]
             for name in ("AccessKeyId", "SecretAccessKey")}  # fmt: skip
    return {"key": found["AccessKeyId"], "secret": found["SecretAccessKey"]}


def allow(action: str, **condition: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": "*", "Condition": condition}


@pytest.mark.parametrize(
    ("condition", "good"),
    [
        ({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, True),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, False),
        ({"NotIpAddress": {"aws:SourceIp": "127.0.0.1"}}, False),
        ({"Bool": {"aws:SecureTransport": "false"}}, True),
        ({"Bool": {"aws:SecureTransport": "true"}}, False),
        ({"StringLike": {"aws:UserAgent": "test/*"}}, True),
        ({"StringLike": {"aws:UserAgent": "other/*"}}, False),
        ({"StringEquals": {"aws:Referer": "https://example.com/page"}}, True),
        ({"StringLike": {"aws:Referer": "https://other.com/*"}}, False),
        ({"StringEquals": {"aws:RequestedRegion": REGION}}, True),
        ({"StringEquals": {"aws:RequestedRegion": "us-east-1"}}, False),
        ({"StringEquals": {"aws:PrincipalTag/team": "red"}}, True),
        ({"StringEquals": {"aws:PrincipalTag/team": "blue"}}, False),
        ({"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}, True),
        ({"StringEquals": {"aws:PrincipalType": "User"}}, True),
        ({"StringEquals": {"aws:username": "bob"}}, True),
        ({"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:user/*"}}, True),
        ({"Bool": {"aws:ViaAWSService": "false"}}, True),
        ({"Null": {"aws:CalledVia": "true"}}, True),
        ({"Null": {"aws:TokenIssueTime": "true"}}, True),
        ({"Null": {"aws:MultiFactorAuthPresent": "true"}}, True),
        ({"BoolIfExists": {"aws:MultiFactorAuthPresent": "true"}}, True),
        ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, False),
        ({"Null": {"aws:PrincipalOrgID": "true"}}, True),
        ({"Null": {"aws:SourceVpce": "true"}}, True),
        ({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, True),
        ({"NumericLessThan": {"aws:EpochTime": "1577836800"}}, False),
    ],
    ids=json.dumps,
)
async def test_a_key_says_how_the_request_came(gate: Gate, condition: Any, good: bool) -> None:
    keys = await user(gate, allow("sns:ListTopics", **condition))
    body = form(Action="ListTopics", Version="2010-03-31")
    request = gate.signed("sns", body, content_type=FORM, **keys)
    request.headers += [("user-agent", "test/1.0"), ("referer", "https://example.com/page")]
    answer = await gate.ask(request)
    assert answer.status == (200 if good else 403), text(answer)


async def test_a_session_shows_when_it_began_and_that_no_device_was_asked(gate: Gate) -> None:
    keys = await user(
        gate,
        allow("sns:ListTopics", DateGreaterThan={"aws:TokenIssueTime": "2020-01-01T00:00:00Z"},
              Bool={"aws:MultiFactorAuthPresent": "false"}),
        {"Effect": "Deny", "Action": "sns:CreateTopic", "Resource": "*",
         "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}},
        allow("sns:CreateTopic"),
    )  # fmt: skip
    body = form(Action="ListTopics", Version="2010-03-31")
    make = form(Action="CreateTopic", Version="2010-03-31", Name="t")
    assert (await gate.ask(gate.signed("sns", body, content_type=FORM, **keys))).status == 403
    # "...this combination ... does not deny requests that are made using long-term credentials".
    assert (await gate.ask(gate.signed("sns", make, content_type=FORM, **keys))).status == 200
    now = gate.ports.clock.now()
    found = await gate.ports.store.read(
        lambda tx: credentials.find(tx, gate.ports.vault, keys["key"], None, now)
    )
    made = credentials.mint_session(gate.ports.vault, gate.ports.random, found.principal, now, 900)
    session = {"key": made.access_key_id, "secret": made.secret_access_key,
               "token": made.session_token}  # fmt: skip
    assert (await gate.ask(gate.signed("sns", body, content_type=FORM, **session))).status == 200
    answer = await gate.ask(gate.signed("sns", make, content_type=FORM, **session))
    assert answer.status == 403
    assert "explicit deny" in text(answer)


async def test_a_bucket_can_be_open_to_the_pages_of_one_site(gate: Gate) -> None:
    """docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies.html: HTTP referer."""
    await gate.make_bucket("site")
    statement = {
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::site/*",
        "Condition": {"StringLike": {"aws:Referer": ["https://example.com/*"]}},
    }  # fmt: skip
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]}).encode()
    for path in ("/site?publicAccessBlock", "/site?policy"):
        method, body = ("DELETE", b"") if "Block" in path else ("PUT", document)
        sum_ = b64encode(md5(body).digest()).decode()
        asked = gate.signed("s3", body, method=method, path=path, content_md5=sum_)
        answer = await gate.ask(asked)
        assert answer.status in (200, 204), text(answer)
    put = await gate.ask(gate.signed("s3", b"x", method="PUT", path="/site/key"))
    assert put.status == 200
    for referer, status in (("https://example.com/a", 200), ("https://evil.com/", 403), ("", 403)):
        headers = {"referer": referer} if referer else {}
        assert (await gate.ask(unsigned("GET", "/site/key", **headers))).status == status


# -- how a request to S3 was signed ---------------------------------------------------------------


async def denying(gate: Gate, **condition: Any) -> None:
    """A bucket with an object, whose policy denies what the condition says."""
    await gate.make_bucket("site")
    put = await gate.ask(gate.signed("s3", b"x", method="PUT", path="/site/key"))
    assert put.status == 200
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*Object",
                 "Resource": "arn:aws:s3:::site/*", "Condition": condition}  # fmt: skip
    body = json.dumps({"Version": "2012-10-17", "Statement": [statement]}).encode()
    sum_ = b64encode(md5(body).digest()).decode()
    asked = gate.signed("s3", body, method="PUT", path="/site?policy", content_md5=sum_)
    assert (await gate.ask(asked)).status in (200, 204)


def presigned(gate: Gate, ago_s: float) -> Request:
    """A link of an hour to the object that was made some time ago."""

    class At(S3SigV4QueryAuth):  # type: ignore[misc]
        def add_auth(self, request: Any) -> None:
            request.context["timestamp"] = canonical.amz_date(gate.ports.clock.now() - ago_s)
            self._modify_request_before_signing(request)
            text_ = self.string_to_sign(request, self.canonical_request(request))
            self._inject_signature_to_request(request, self.signature(text_, request))

    asked = AWSRequest("GET", f"http://{HOST}/site/key")
    At(Credentials(gate.key, gate.secret), "s3", REGION, expires=3600).add_auth(asked)
    return unsigned("GET", asked.url.partition(HOST)[2])


async def get(gate: Gate, **rest: Any) -> int:
    request = gate.signed("s3", method="GET", path="/site/key")
    for name, value in rest.items():
        setattr(request, name, value)
    return (await gate.ask(request)).status


async def test_links_that_are_old_can_be_denied(gate: Gate) -> None:
    """The example of the page: a signature of over ten minutes."""
    await denying(gate, NumericGreaterThan={"s3:signatureAge": "600000"})
    assert (await gate.ask(presigned(gate, 60))).status == 200
    assert (await gate.ask(presigned(gate, 601))).status == 403
    assert await get(gate) == 200


async def test_one_way_of_signing_can_be_asked_for(gate: Gate) -> None:
    await denying(gate, StringNotEquals={"s3:authType": "REST-HEADER"})
    assert (await gate.ask(presigned(gate, 60))).status == 403
    assert await get(gate) == 200


async def test_one_version_of_signatures_can_be_asked_for(gate: Gate) -> None:
    await denying(gate, StringNotEquals={"s3:signatureversion": "AWS4-HMAC-SHA256"})
    assert await get(gate) == 200
    expires = int(gate.ports.clock.now()) + 60
    text_ = f"GET\n\n\n{expires}\n/site/key"
    signature = b64encode(hmac.digest(gate.secret.encode(), text_.encode(), "sha1")).decode()
    old = urlencode({"AWSAccessKeyId": gate.key, "Expires": expires, "Signature": signature})
    answer = await gate.ask(unsigned("GET", f"/site/key?{old}"))
    assert answer.status == 403, text(answer)
    assert "SignatureDoesNotMatch" not in text(answer)


async def test_bodies_that_nobody_signed_can_be_denied(gate: Gate) -> None:
    await denying(gate, StringEquals={"s3:x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    signed_ = gate.signed("s3", b"x", method="PUT", path="/site/key")
    assert (await gate.ask(signed_)).status == 200
    sum_ = b64encode(md5(b"x").digest()).decode()
    asked = AWSRequest("PUT", f"https://{HOST}/site/key", {"Content-MD5": sum_}, data=b"x")
    asked.context["has_streaming_input"] = True
    S3SigV4Auth(Credentials(gate.key, gate.secret), "s3", REGION).add_auth(asked)
    sent = {name.lower().replace("-", "_"): str(value) for name, value in asked.headers.items()}
    assert sent["x_amz_content_sha256"] == "UNSIGNED-PAYLOAD"
    bare = unsigned("PUT", "/site/key", b"x", **sent)
    assert (await gate.ask(bare)).status == 403


@pytest.mark.parametrize(
    ("secure", "status"),
    [(Tls("TLSv1.3", "c"), 200), (Tls("TLSv1.2", "c"), 200), (Tls("TLSv1.1", "c"), 403)],
)
async def test_old_versions_of_tls_can_be_denied(gate: Gate, secure: Tls, status: int) -> None:
    await denying(gate, NumericLessThan={"s3:TlsVersion": "1.2"})
    assert await get(gate, secure=secure) == status
    assert await get(gate) == 200, "without TLS there is no version; aws:SecureTransport tells that"


async def test_the_account_of_a_bucket_can_be_asked_for(gate: Gate) -> None:
    await denying(gate, StringNotEquals={"s3:ResourceAccount": ACCOUNT})
    assert await get(gate) == 200


@pytest.mark.parametrize("given", ["Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1", "x", ""])
async def test_a_trace_header_reaches_the_service_if_it_is_one_and_never_refuses_a_request(
    gate: Gate, given: str
) -> None:
    made = await gate.ask(gate.sqs("CreateQueue", {"QueueName": "q"}))
    url = json.loads(text(made))["QueueUrl"]
    more = {"x_amzn_trace_id": given} if given else {}
    sent = await gate.ask(gate.sqs("SendMessage", {"QueueUrl": url, "MessageBody": "m"}, **more))
    assert sent.status == 200, text(sent)
    asked = {"QueueUrl": url, "MessageSystemAttributeNames": ["AWSTraceHeader"]}
    (message,) = json.loads(text(await gate.ask(gate.sqs("ReceiveMessage", asked))))["Messages"]
    expected = {"AWSTraceHeader": given} if given.startswith("Root=") else None
    assert message.get("Attributes") == expected
