"""Tricks with signatures, each refused in AWS's words."""

from __future__ import annotations

import calendar
from typing import Any

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from ogi.access import sigv4
from ogi.access.signature_errors import JSON, QUERY, REST_JSON, S3
from ogi.errors import AwsError
from ogi.http import Request

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW = float(calendar.timegm((2015, 8, 30, 12, 36, 0)))
DATE = "20150830T123600Z"
MARKS = {
    "json": {"x-amz-target": "AmazonSQS.SendMessage"},
    "query": {"content-type": "application/x-www-form-urlencoded"},
}
SERVICES = {"json": "sqs", "query": "sts", "rest-json": "lambda", "s3": "s3"}


class _Signer(auth.SigV4Auth):  # type: ignore[misc]
    """botocore's, at a fixed time."""

    def _modify_request_before_signing(self, request: Any) -> None:
        request.headers["X-Amz-Date"] = DATE
        request.context["timestamp"] = DATE
        if self.credentials.token:
            request.headers["X-Amz-Security-Token"] = self.credentials.token
        if self._service_name == "s3":
            request.headers["X-Amz-Content-SHA256"] = self.payload(request)

    def add_auth(self, request: Any) -> None:
        self._modify_request_before_signing(request)
        text = self.string_to_sign(request, self.canonical_request(request))
        self._inject_signature_to_request(request, self.signature(text, request))

    def _normalize_url_path(self, path: str) -> str:
        return path


def signed(family: str = "json", scope: str = "", body: bytes = b"{}", **more: str) -> Request:
    service = scope or SERVICES[family]
    headers = MARKS.get(family, {}) | {name.replace("_", "-"): v for name, v in more.items()}
    asked = AWSRequest("POST", "http://host/", headers=headers, data=body)
    asked.context["timestamp"] = DATE
    _Signer(Credentials(KEY, SECRET), service, "us-east-1").add_auth(asked)
    pairs = [("host", "host"), *((k.lower(), str(v)) for k, v in asked.headers.items())]
    return Request("POST", "/", "", pairs, body)


def presigned(family: str = "s3", expires: int = 3600) -> Request:
    class Frozen(auth.SigV4QueryAuth):  # type: ignore[misc]
        def add_auth(self, request: Any) -> None:
            request.context["timestamp"] = DATE
            self._modify_request_before_signing(request)
            text = self.string_to_sign(request, self.canonical_request(request))
            self._inject_signature_to_request(request, self.signature(text, request))

        def payload(self, request: Any) -> str:
            return "UNSIGNED-PAYLOAD" if family == "s3" else str(super().payload(request))

    asked = AWSRequest("GET", "http://host/b/k", headers={})
    Frozen(Credentials(KEY, SECRET), SERVICES[family], "us-east-1", expires).add_auth(asked)
    return Request("GET", "/b/k", asked.url.partition("?")[2], [("host", "host")])


def accept(request: Request, now: float = NOW) -> sigv4.Claim:
    claim = sigv4.read(request, now, "eu-west-1")
    assert claim is not None
    claim.verify(SECRET)
    claim.body(SECRET, request.body)
    return claim


def refusal(request: Request, now: float = NOW) -> AwsError:
    with pytest.raises(AwsError) as refused:
        accept(request, now)
    return refused.value


def told(error: AwsError) -> tuple[str, int | None]:
    return error.code or error.shape, error.status


def with_header(request: Request, name: str, value: str | None) -> Request:
    kept = [(n, v) for n, v in request.headers if n != name]
    if value is not None:
        kept.append((name, value))
    return Request(request.method, request.path, request.query, kept, request.body)


def authorization(request: Request, old: str, new: str) -> Request:
    value = request.header("authorization")
    assert old in value
    return with_header(request, "authorization", value.replace(old, new))


# -- what must be signed --------------------------------------------------------------------------


@pytest.mark.parametrize("family", SERVICES)
def test_what_is_signed_is_accepted(family: str) -> None:
    assert accept(signed(family)).family.name == family
    assert sigv4.read(with_header(signed(family), "authorization", None), NOW, "") is None


@pytest.mark.parametrize("family", SERVICES)
def test_an_added_amz_header_must_be_signed(family: str) -> None:
    error = refusal(with_header(signed(family), "x-amz-acl", "public-read"))
    if family == "s3":
        assert told(error) == ("AccessDenied", 403)
        assert error.message == "There were headers present in the request which were not signed"
        assert error.members == {"HeadersNotSigned": "x-amz-acl"}
    else:
        assert "must be a 'SignedHeader' in the AWS Authorization." in error.message


def test_another_operation_cannot_be_slipped_in() -> None:
    request = signed("query")
    assert refusal(with_header(request, "x-amz-target", "AmazonSQS.PurgeQueue"))


@pytest.mark.parametrize("family", SERVICES)
def test_the_host_must_be_signed(family: str) -> None:
    error = refusal(authorization(signed(family), "host;", ""))
    if family == "s3":
        assert error.members == {"HeadersNotSigned": "host"}
    else:
        assert error.message == (
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
        )


def test_a_header_given_twice_is_not_the_header_that_was_signed() -> None:
    request = signed("json")
    request.headers.append(("x-amz-target", "AmazonSQS.PurgeQueue"))
    assert told(refusal(request)) == ("InvalidSignatureException", 400)
    request = signed("json")
    request.headers.insert(0, ("x-amz-date", DATE))
    assert refusal(request)


def test_headers_that_proxies_change_need_not_be_signed() -> None:
    request = signed("json")
    request.headers.extend([("x-amzn-trace-id", "Root=1-2-3"), ("user-agent", "x"), ("via", "y")])
    accept(request)


# -- mismatch -------------------------------------------------------------------------------------


def test_a_mismatch_shows_what_should_have_been_signed() -> None:
    error = refusal(authorization(signed("s3"), "Signature=", "Signature=0"))
    assert told(error) == ("SignatureDoesNotMatch", 403)
    assert error.members["AWSAccessKeyId"] == KEY
    assert error.members["StringToSign"].startswith(f"AWS4-HMAC-SHA256\n{DATE}\n20150830/")
    assert error.members["CanonicalRequest"].startswith("POST\n/\n\nhost:host\n")
    assert error.members["StringToSignBytes"].startswith("41 57 53 34")
    request = signed("query")
    request.body = b"{}!"
    error = refusal(request)
    assert told(error) == ("SignatureDoesNotMatch", 403)
    assert "The Canonical String for this request should have been\n'POST\n/\n" in error.message
    assert SECRET not in str(error.members) + error.message


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("json", ("InvalidSignatureException", 400)),
        ("rest-json", ("InvalidSignatureException", 403)),
        ("query", ("SignatureDoesNotMatch", 403)),
    ],
)
@pytest.mark.parametrize("old", ["us-east-1", f"{KEY}/20150830", "aws4_request", "Signature="])
def test_another_scope_is_refused(family: str, expected: tuple[str, int], old: str) -> None:
    new = {"us-east-1": "us-west-2", "aws4_request": "aws5_request"}.get(old)
    new = new or {f"{KEY}/20150830": f"{KEY}/20150831"}.get(old, "Signature=ff")
    assert told(refusal(authorization(signed(family), old, new))) == expected


@pytest.mark.parametrize("character", ["é", "\x00", "G"])
def test_a_signature_that_is_no_hexadecimal_is_a_mismatch(character: str) -> None:
    request = signed("json")
    value = request.header("authorization")
    assert refusal(with_header(request, "authorization", value[:-1] + character))


def test_a_scope_for_another_service_is_refused() -> None:
    claim = accept(signed("json"))
    claim.expect({"sqs"})
    with pytest.raises(AwsError) as refused:
        claim.expect({"kms"})
    assert refused.value.message == "Credential should be scoped to correct service: 'kms'. "
    with pytest.raises(AwsError) as refused:
        accept(signed("s3")).expect({"sqs"})
    assert refused.value.message == (
        'The authorization header is malformed; incorrect service "s3". This endpoint belongs to '
        '"sqs".'
    )


def test_an_empty_region_stands_for_the_default_one() -> None:
    asked = AWSRequest("POST", "http://host/", headers=MARKS["json"], data=b"{}")
    asked.context["timestamp"] = DATE
    _Signer(Credentials(KEY, SECRET), "sqs", "").add_auth(asked)
    pairs = [("host", "host"), *((k.lower(), str(v)) for k, v in asked.headers.items())]
    assert accept(Request("POST", "/", "", pairs, b"{}")).region == "eu-west-1"


# -- time -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", SERVICES)
def test_fifteen_minutes_of_skew_are_allowed_and_no_more(family: str) -> None:
    request = signed(family)
    for skew_s in (-900, 0, 900):
        accept(request, NOW + skew_s)
    old, new = refusal(request, NOW + 901), refusal(request, NOW - 901)
    if family == "s3":
        assert told(old) == told(new) == ("RequestTimeTooSkewed", 403)
        assert old.members == {
            "RequestTime": DATE,
            "ServerTime": "2015-08-30T12:51:01Z",
            "MaxAllowedSkewMilliseconds": "900000",
        }
        return
    assert old.message == (
        f"Signature expired: {DATE} is now earlier than 20150830T123601Z "
        "(20150830T125101Z - 15 min.)"
    )
    assert new.message == (
        f"Signature not yet current: {DATE} is still later than 20150830T123559Z "
        "(20150830T122059Z + 15 min.)"
    )


@pytest.mark.parametrize("family", SERVICES)
def test_the_scope_is_of_the_day_of_the_request(family: str) -> None:
    error = refusal(authorization(signed(family), "/20150830/", "/20150829/"))
    if family == "s3":
        assert error.message == (
            'The authorization header is malformed; Invalid credential date "20150829". This date '
            'is not the same as X-Amz-Date: "20150830".'
        )
    else:
        assert error.message == (
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
            f"HTTP: '20150829' != '20150830', from '{DATE}'."
        )


@pytest.mark.parametrize("date", ["", "yesterday", "20150830T1236Z", "20159930T123600Z", "1" * 99])
def test_a_request_without_a_date_is_refused(date: str) -> None:
    request = with_header(signed("query"), "x-amz-date", date)
    assert told(refusal(request)) == ("IncompleteSignature", 400)
    request = with_header(signed("s3"), "x-amz-date", date)
    assert told(refusal(request)) == ("AccessDenied", 403)
    request = with_header(signed("query"), "x-amz-date", None)
    assert "requires existence of either a 'X-Amz-Date' or a 'Date' header." in (
        refusal(request).message
    )


# -- malformed ------------------------------------------------------------------------------------


def test_a_credential_has_five_parts() -> None:
    error = refusal(authorization(signed("json"), KEY, "AKID/EXAMPLE"))
    assert told(error) == ("IncompleteSignatureException", 400)
    assert error.message == (
        "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/"
        "term, got 'AKID/EXAMPLE/20150830/us-east-1/sqs/aws4_request'"
    )
    error = refusal(authorization(signed("s3"), KEY, "AKID/EXAMPLE"))
    assert told(error) == ("AuthorizationHeaderMalformed", 400)
    assert error.message == (
        "The authorization header is malformed; the Credential is mal-formed; expecting "
        '"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
    )


@pytest.mark.parametrize("part", ["Credential", "SignedHeaders", "Signature"])
def test_a_header_has_three_parts(part: str) -> None:
    error = refusal(authorization(signed("json"), f"{part}=", "Other="))
    assert error.message.startswith(f"Authorization header requires '{part}' parameter. ")
    error = refusal(authorization(signed("s3"), f"{part}=", "Other="))
    assert told(error) == ("AuthorizationHeaderMalformed", 400)


def test_a_part_without_a_value_is_named() -> None:
    error = refusal(authorization(signed("json"), "Credential=", "Credential "))
    assert "not a valid key=value pair (missing equal-sign) in Authorization header" in (
        error.message
    )
    assert refusal(authorization(signed("json"), "Credential=", "Credential=x, Credential="))


def test_the_order_of_the_parts_does_not_matter() -> None:
    request = signed("json")
    scheme, _, rest = request.header("authorization").partition(" ")
    parts = rest.split(", ")
    for order in ((2, 1, 0), (1, 2, 0), (0, 2, 1)):
        accept(
            with_header(
                request, "authorization", f"{scheme} {','.join(parts[index] for index in order)}"
            )
        )


def test_other_versions_are_refused_by_name() -> None:
    asymmetric = refusal(authorization(signed("s3"), "AWS4-HMAC", "AWS4-ECDSA-P256"))
    assert "Signature Version 4A" in asymmetric.message
    error = refusal(with_header(signed("s3"), "authorization", f"AWS {KEY}:c2lnbmF0dXJl"))
    assert told(error) == ("InvalidRequest", 400)
    assert error.message == (
        "The authorization mechanism you have provided is not supported. Please use "
        "AWS4-HMAC-SHA256."
    )
    error = refusal(with_header(signed("s3"), "authorization", "Bearer x"))
    assert told(error) == ("InvalidArgument", 400)
    assert error.members == {"ArgumentName": "Authorization", "ArgumentValue": "Bearer x"}
    error = refusal(with_header(signed("query"), "authorization", f"AWS {KEY}:x"))
    assert told(error) == ("IncompleteSignature", 400)


def test_two_ways_of_signing_at_once_are_refused() -> None:
    both = presigned()
    both.headers.append(("authorization", signed("s3").header("authorization")))
    error = refusal(both)
    assert told(error) == ("InvalidArgument", 400)
    assert error.message.startswith("Only one auth mechanism allowed;")
    twice = signed("json")
    twice.headers.append(("authorization", twice.header("authorization")))
    assert told(refusal(twice)) == ("IncompleteSignatureException", 400)


def test_s3_wants_the_hash_of_the_body() -> None:
    error = refusal(with_header(signed("s3"), "x-amz-content-sha256", None))
    assert told(error) == ("InvalidRequest", 400)
    assert error.message == "Missing required header for this request: x-amz-content-sha256"
    error = refusal(with_header(signed("s3"), "x-amz-content-sha256", "GIBBERISH"))
    assert told(error) == ("InvalidArgument", 400)
    assert error.members["ArgumentValue"] == "GIBBERISH"


def test_a_service_that_is_not_s3_checks_the_hash_it_is_given() -> None:
    request = signed("json", x_amz_content_sha256="0" * 64)
    assert told(refusal(request)) == ("InvalidSignatureException", 400)


# -- presigned ------------------------------------------------------------------------------------


def test_a_presigned_url_is_valid_until_it_expires() -> None:
    request = presigned(expires=3600)
    for age_s in (-900, 0, 3600):
        accept(request, NOW + age_s)
    error = refusal(request, NOW + 3601)
    assert (told(error), error.message) == (("AccessDenied", 403), "Request has expired")
    assert error.members == {
        "X-Amz-Expires": "3600",
        "Expires": "2015-08-30T13:36:00Z",
        "ServerTime": "2015-08-30T13:36:01Z",
    }
    error = refusal(request, NOW - 901)
    assert (told(error), error.message) == (("AccessDenied", 403), "Request is not yet valid")
    assert error.members["X-Amz-Date"] == "1440938160000"


def test_a_presigned_url_of_another_service_lives_fifteen_minutes_at_least() -> None:
    request = presigned("query", expires=60)
    accept(request, NOW + 900)
    assert refusal(request, NOW + 901).message.startswith("Signature expired: ")
    accept(presigned("query", expires=3600), NOW + 3600)


@pytest.mark.parametrize(
    ("expires", "sentence"),
    [
        ("604801", "X-Amz-Expires must be less than a week (in seconds); that is, the given "
         "X-Amz-Expires must be less than 604800 seconds"),
        ("-1", "X-Amz-Expires must be non-negative"),
        ("0", "X-Amz-Expires must be non-negative"),
        ("soon", "X-Amz-Expires should be a number"),
        ("", "X-Amz-Expires should be a number"),
        ("9" * 99, "X-Amz-Expires should be a number"),
    ],
)  # fmt: skip
def test_an_expiry_is_from_a_second_to_a_week(expires: str, sentence: str) -> None:
    request = presigned()
    request.query = request.query.replace("X-Amz-Expires=3600", f"X-Amz-Expires={expires}")
    error = refusal(request)
    assert (told(error), error.message) == (("AuthorizationQueryParametersError", 400), sentence)


@pytest.mark.parametrize(
    "name", ["Algorithm", "Credential", "Signature", "Date", "SignedHeaders", "Expires"]
)
def test_a_presigned_url_lacks_nothing_and_has_nothing_twice(name: str) -> None:
    request = presigned()
    parts = request.query.split("&")
    (part,) = [part for part in parts if part.startswith(f"X-Amz-{name}=")]
    request.query = "&".join([*parts, part])
    assert told(refusal(request)) == ("AuthorizationQueryParametersError", 400)
    request.query = "&".join(other for other in parts if other != part)
    assert told(refusal(request)) == ("AuthorizationQueryParametersError", 400)


@pytest.mark.parametrize("more", ["acl", "versionId=1", "X-Amz-Security-Token=x", "x=y"])
def test_a_parameter_added_to_a_presigned_url_is_a_mismatch(more: str) -> None:
    request = presigned()
    request.query += f"&{more}"
    assert told(refusal(request)) == ("SignatureDoesNotMatch", 403)


def test_an_amz_header_added_to_a_presigned_url_is_refused() -> None:
    request = presigned()
    request.headers.append(("x-amz-tagging", "a=b"))
    assert refusal(request).members == {"HeadersNotSigned": "x-amz-tagging"}


def test_a_presigned_url_names_its_algorithm_and_scope_rightly() -> None:
    request = presigned()
    query = request.query
    for old, new, sentence in (
        ("AWS4-HMAC-SHA256", "AWS4", 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"'),
        (
            "20150830T123600Z",
            "2015",
            "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
        ),
        (
            "%2F20150830%2F",
            "%2F20150829%2F",
            'Invalid credential date "20150829". This date is not the same as X-Amz-Date: '
            '"20150830".',
        ),
        (
            "aws4_request",
            "aws5_request",
            "Error parsing the X-Amz-Credential parameter; incorrect terminal "
            '"aws5_request". This endpoint uses "aws4_request".',
        ),
    ):
        assert old in query
        request.query = query.replace(old, new)
        error = refusal(request)
        assert told(error) == ("AuthorizationQueryParametersError", 400)
        assert error.message == sentence
    request.query = query.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256")
    assert "Signature Version 4A" in refusal(request).message


# -- words for whoever looks the key up -----------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "missing", "unknown", "expired", "invalid"),
    [
        (S3, ("AccessDenied", 403), ("InvalidAccessKeyId", 403), ("ExpiredToken", 400),
         ("InvalidToken", 400)),
        (QUERY, ("MissingAuthenticationToken", 403), ("InvalidClientTokenId", 403),
         ("ExpiredToken", 403), ("InvalidClientTokenId", 403)),
        (JSON, ("MissingAuthenticationTokenException", 400), ("UnrecognizedClientException", 400),
         ("ExpiredTokenException", 400), ("UnrecognizedClientException", 400)),
        (REST_JSON, ("MissingAuthenticationTokenException", 403),
         ("UnrecognizedClientException", 403), ("ExpiredTokenException", 403),
         ("UnrecognizedClientException", 403)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)  # fmt: skip
def test_each_family_has_its_words_for_bad_credentials(
    family: Any, missing: Any, unknown: Any, expired: Any, invalid: Any
) -> None:
    assert told(family.missing()) == missing
    assert told(family.unknown_key("AKIA")) == unknown
    assert told(family.expired_token()) == expired
    assert told(family.invalid_token()) == invalid
