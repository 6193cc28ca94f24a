"""URLs that boto3 presigns as it comes, opened by a client that knows nothing of AWS."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.scenarios.conftest import Server


@pytest.fixture
def bucket(server: Server, name: str) -> Iterator[str]:
    s3 = server.client("s3")
    s3.create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name}
    )
    yield name
    for each in s3.list_objects_v2(Bucket=name).get("Contents", []):
        s3.delete_object(Bucket=name, Key=each["Key"])
    s3.delete_bucket(Bucket=name)


def ask(
    method: str, url: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def refused(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, dict[str, str]]:
    status, _, body = answer
    return status, {each.tag: each.text or "" for each in ElementTree.fromstring(body)}


def test_an_object_is_put_read_and_deleted_by_url(server: Server, bucket: str) -> None:
    s3 = server.client("s3")
    what = {"Bucket": bucket, "Key": "a b/~é+&.txt"}
    put = s3.generate_presigned_url("put_object", what)
    assert "AWSAccessKeyId=" in put, "boto3 presigns with version 2 here"
    assert ask("PUT", put, b"hello", **{"Content-Type": ""})[0] == 200
    get = s3.generate_presigned_url("get_object", what)
    assert ask("GET", get)[::2] == (200, b"hello")
    assert ask("HEAD", s3.generate_presigned_url("head_object", what))[0] == 200
    assert refused(ask("DELETE", get))[1]["Code"] == "SignatureDoesNotMatch"
    assert ask("DELETE", s3.generate_presigned_url("delete_object", what))[0] == 204
    assert refused(ask("GET", get))[1]["Code"] == "NoSuchKey"


def test_what_was_presigned_of_an_upload_binds_the_upload(server: Server, bucket: str) -> None:
    s3 = server.client("s3")
    what = {"Bucket": bucket, "Key": "k", "ContentType": "text/x-story", "Metadata": {"a": "x y"}}
    url = s3.generate_presigned_url("put_object", what)
    status, error = refused(ask("PUT", url, b"1", **{"Content-Type": "text/html"}))
    assert (status, error["Code"]) == (403, "SignatureDoesNotMatch")
    assert ask("PUT", url, b"1", **{"Content-Type": "text/x-story"})[0] == 200
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["ContentType"] == "text/x-story"
    assert head["Metadata"] == {"a": "x y"}


def test_the_answer_is_named_as_the_url_says(server: Server, bucket: str) -> None:
    s3 = server.client("s3")
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    disposition = 'attachment; filename="a&b.txt"'
    what = {"Bucket": bucket, "Key": "k", "ResponseContentDisposition": disposition}
    url = s3.generate_presigned_url("get_object", what)
    assert ask("GET", url)[1]["Content-Disposition"] == disposition
    assert refused(ask("GET", url.replace("attachment", "inline")))[0] == 403


def test_an_old_url_says_when_it_expired(server: Server, bucket: str) -> None:
    what = {"Bucket": bucket, "Key": "k"}
    url = server.client("s3").generate_presigned_url("get_object", what, ExpiresIn=-5)
    status, error = refused(ask("GET", url))
    assert (status, error["Code"], error["Message"]) == (
        403, "AccessDenied", "Request has expired"
    )  # fmt: skip
    assert error["Expires"] < error["ServerTime"]


@pytest.mark.parametrize("region", ["eu-west-1", "eu-central-1"])
def test_a_session_presigns_with_either_version(server: Server, bucket: str, region: str) -> None:
    server.client("s3").put_object(Bucket=bucket, Key="k", Body=b"1")
    session: dict[str, Any] = server.client("sts").get_session_token()["Credentials"]
    keys = {
        "aws_access_key_id": session["AccessKeyId"],
        "aws_secret_access_key": session["SecretAccessKey"],
    }
    s3 = server.client("s3", region, **keys, aws_session_token=session["SessionToken"])
    url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
    assert ask("GET", url)[::2] == (200, b"1")
    bare = server.client("s3", region, **keys)
    url = bare.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
    assert refused(ask("GET", url))[1]["Code"] in ("InvalidToken", "InvalidAccessKeyId")


def test_an_unknown_key_is_said(server: Server, bucket: str) -> None:
    s3 = server.client("s3", aws_access_key_id="AKIANOBODY", aws_secret_access_key="x")
    url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
    status, error = refused(ask("GET", url))
    assert (status, error["Code"]) == (403, "InvalidAccessKeyId")
