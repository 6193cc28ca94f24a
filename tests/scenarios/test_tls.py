"""TLS under an authority of Ogi's own: by the endpoint's name, and by AWS's names."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import boto3
import pytest
from botocore.config import Config
from cryptography import x509

from tests.scenarios.conftest import REGION, Server, proxy_of, start
from tests.scenarios.test_server import ogi


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server with an authority and a proxy, and its data folder."""
    folder = tmp_path_factory.mktemp("secure")
    running = start(
        folder, "--data", str(folder / "data"), "--credentials", "test:test", "--tls-generated",
        "--proxy-port", "0", "--sns-url", "aws",
    )  # fmt: skip
    yield running, folder / "data"
    assert running.stop() == 0, running.log.read_text()


def _authority(data: Path) -> ssl.SSLContext:
    trusting = ssl.create_default_context(cadata=ogi("ca", "--data", str(data)).stdout)
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT  # As Python 3.13 and later do by themselves.
    return trusting


def test_the_endpoint_is_trusted_with_the_certificate_that_ogi_ca_prints(
    secure: tuple[Server, Path],
) -> None:
    server, data = secure
    assert server.endpoint.startswith("https://127.0.0.1:")
    url = f"{server.endpoint}/_ogi/health"
    with urllib.request.urlopen(url, context=_authority(data)) as answer:
        assert answer.status == 200
    with pytest.raises(URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(url)
    exports = ogi("env", "--data", str(data)).stdout
    assert f"export AWS_CA_BUNDLE={data / 'ca.pem'}\n" in exports
    told = ogi("status", "--endpoint", server.endpoint, AWS_CA_BUNDLE=str(data / "ca.pem"))
    assert told.returncode == 0, told.stderr


def test_boto3_without_an_endpoint_arrives_here_through_the_proxy(
    secure: tuple[Server, Path],
) -> None:
    server, data = secure
    queues = boto3.client(
        "sqs", region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test",
        verify=str(data / "ca.pem"), config=Config(proxies={"https": proxy_of(server)}),
    )  # fmt: skip
    made = queues.create_queue(QueueName="through-the-proxy")["QueueUrl"]
    assert queues.get_queue_url(QueueName="through-the-proxy")["QueueUrl"] == made


def test_a_certificate_is_at_a_url_of_the_form_that_validators_demand(
    secure: tuple[Server, Path], tmp_path: Path
) -> None:
    """With a validator from the package index in test_validators; here with Python's own."""
    server, data = secure
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    rest = {"region_name": "cn-north-1", "verify": str(data / "ca.pem"), **keys}
    sns, sqs = (boto3.client(s, endpoint_url=server.endpoint, **rest) for s in ("sns", "sqs"))
    topic = sns.create_topic(Name="news")["TopicArn"]
    url = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    queue = f"arn:aws:sqs:cn-north-1:{topic.split(':')[4]}:inbox"
    statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
                 "Action": "sqs:SendMessage", "Resource": queue}  # fmt: skip
    policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    sns.publish(TopicArn=topic, Message="hello")
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    envelope = json.loads(message["Body"])
    begins = "https://sns.cn-north-1.amazonaws.com.cn/"
    assert envelope["SigningCertURL"].startswith(f"{begins}SimpleNotificationService-")
    assert envelope["UnsubscribeURL"].startswith(f"{begins}?Action=Unsubscribe&")
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({"https": proxy_of(server)}),
        urllib.request.HTTPSHandler(context=_authority(data)),
    )
    with opener.open(envelope["SigningCertURL"]) as answer:
        x509.load_pem_x509_certificate(answer.read())
    for client in (sns, sqs):
        client.close()


@pytest.mark.parametrize(
    "asked",
    [
        b"CONNECT example.com:443 HTTP/1.1", b"CONNECT sns.eu-west-1.amazonaws.com:80 HTTP/1.1",
        b"CONNECT amazonaws.com.example.org:443 HTTP/1.1", b"GET http://example.com/ HTTP/1.1",
        b"GET /_ogi/status HTTP/1.1", b"\x16\x03\x01",
    ],
)  # fmt: skip
def test_the_proxy_leads_nowhere_else(secure: tuple[Server, Path], asked: bytes) -> None:
    host, port = proxy_of(secure[0]).removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as line:
        line.sendall(asked + b"\r\nHost: x\r\n\r\n")
        assert line.recv(1024).startswith(b"HTTP/1.1 403 ")


def test_the_authority_stays_and_signs_for_nothing_but_its_names(
    secure: tuple[Server, Path], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    options = ("--data", str(data), "--tls-generated")
    start(tmp_path, *options).stop()
    before = (data / "ca.pem").read_bytes()
    start(tmp_path, *options).stop()
    assert (data / "ca.pem").read_bytes() == before
    refused = ogi("serve", "--port", "0", *options, "--endpoint", "https://example.com")
    assert refused.returncode == 1
    assert "may not sign for example.com. Delete it" in refused.stderr


def test_options_that_exclude_each_other_or_mean_nothing_are_refused() -> None:
    for options, reason in (
        (["--tls-generated", "--tls-certificate", __file__], "exclude each other"),
        (["--sns-url", "https://a/b"], "a URL without a path"),
        (["--sns-networks", "10.0.0.1/8"], "--sns-networks"),
        (["--sns-quotas", "subjects=1"], "--sns-quotas"),
        (["--sqs-quotas", "fifo-rate=fast"], "--sqs-quotas"),
    ):
        refused = ogi("serve", "--port", "0", "--ephemeral", *options)
        assert refused.returncode == 1 and reason in refused.stderr, refused.stderr


def test_before_there_is_an_authority_ogi_ca_says_what_to_do(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "ogi", "ca", "--data", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 1 and "--tls-generated" in told.stderr
