"""Every knob with its default and one line of help; docs/settings.md is made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def knob(default: Any, help: str, *, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"help": help})


@dataclass(frozen=True)
class Settings:
    host: str = knob("127.0.0.1", "Address to listen on; others than loopback need care.")
    port: int = knob(4566, "Port to listen on; 0 picks a free one.")
    data: Path = knob(Path(".ogi"), "Folder of all data; made at the first start.")
    ephemeral: bool = knob(False, "Temporary data folder, and POST /_ogi/reset empties it.")
    account: str = knob("000000000000", "The default account: twelve digits.")
    region: str = knob("us-east-1", "The default region, also for a scope with an empty region.")
    credentials: str = knob("", "KEY:SECRET of the user admin, instead of generated ones.")
    force_weak_credentials: bool = knob(
        False, "Allow --credentials on an address that is not loopback."
    )
    seed: Path | None = knob(None, "YAML file of accounts, users, keys and policies to make.")
    root_key: str = knob(
        "file",
        "Where the root key comes from: `file` (root.key of the data folder), `file:PATH`, `env` or"
        " `env:NAME` (OGI_ROOT_KEY), `passphrase` (OGI_PASSPHRASE, or asked for) or"
        " `passphrase:PATH`, `kms:KEY` (a key of another KMS).",
    )
    root_kms_endpoint: str = knob("", "URL of the KMS of --root-key kms:KEY; empty: AWS's.")
    root_kms_region: str = knob(
        "", "Region of that KMS; empty: the key ARN's, or that of the environment."
    )
    tls_certificate: Path | None = knob(None, "PEM file; with it the port speaks TLS.")
    tls_key: Path | None = knob(None, "PEM file of the certificate's private key.")
    tls_generated: bool = knob(
        False, "The port speaks TLS with a certificate of Ogi's own authority (`ogi ca`)."
    )
    proxy_port: int | None = knob(
        None, "Port of an HTTPS proxy that leads AWS's names here, under Ogi's own authority."
    )
    require_isolation: bool = knob(False, "Refuse to run functions without a sandbox.")
    function_network: str = knob(
        "ogi", "What functions reach: `ogi` (only this endpoint) or `host` (the host's network)."
    )
    endpoint: str = knob("", "The URL that clients use, where it is not http://HOST:PORT.")
    header_bytes_max: int = knob(64 * 1024, "Bytes of a request's line and headers.")
    header_s_max: float = knob(10.0, "Seconds in which a request's headers must arrive.")
    idle_s_max: float = knob(75.0, "Seconds a connection may be silent between requests.")
    connections_max: int = knob(20_000, "Connections at once; more are closed at once.")
    drain_s_max: float = knob(10.0, "Seconds that SIGTERM waits for requests in progress.")
    sns_url: str = knob(
        "",
        "URL that links in notifications begin with; `aws`: https://sns.REGION.amazonaws.com, as"
        " validators of signatures want it; empty: the endpoint.",
    )
    audit: str = knob(
        "management",
        "Requests that leave a record in CloudTrail's format: `off`, `management` events, or `all`:"
        " data events (messages, objects, invocations) as well.",
    )
    audit_exclude: str = knob(
        "", "Event sources that leave no records, with commas between: kms.amazonaws.com,..."
    )
    audit_log_group: str = knob(
        "", "Log group of the default account and region that gets the records, too."
    )
    audit_bytes_max: int = knob(64 * 1024 * 1024, "Bytes of one file of records.")
    audit_files_max: int = knob(8, "Files of records that are kept; the oldest goes.")
    sns_networks: str = knob(
        "",
        "Networks that HTTP/S subscriptions may reach: 10.0.0.0/8,...; empty: all but link-local"
        " and metadata addresses.",
    )
    sns_quotas: str = knob(
        "",
        "Quotas of SNS that differ from AWS's defaults: filters-per-topic=10000,...; the others are"
        " topics, fifo-topics, subscriptions-per-topic, subscriptions-per-fifo-topic, pending and"
        " filters.",
    )
    sqs_quotas: str = knob(
        "",
        "Requests per second that FIFO queues take of each action: `aws` (300 a queue or a group,"
        " and the region's for a high-throughput queue), or fifo-rate=300,...; the others are"
        " fifo-group-rate and fifo-high-rate; empty: as many as come.",
    )
    sqs_pause_s: int = knob(
        60,
        "Seconds until the name of a deleted queue is free and until a queue can be purged again;"
        " 60 as on AWS, 0 for test suites that make and empty the same queues at once.",
    )
    sns_authorities: Path | None = knob(
        None, "PEM file of authorities that HTTPS subscribers may have beside the public ones."
    )
    sns_http_s_max: float = knob(15.0, "Seconds in which an HTTP/S subscriber must answer.")
    smtp_host: str = knob(
        "", "SMTP server for mails to subscribers; empty: mails are kept in the outbox."
    )
    smtp_port: int = knob(587, "Port of the SMTP server.")
    smtp_security: str = knob(
        "starttls", "`starttls` (587), `tls` from the first byte (465), or `none`."
    )
    smtp_user: str = knob("", "User to log in as at the SMTP server; empty: no login.")
    smtp_password: str = knob(
        "", "The user's password; given by the environment variable OGI_SMTP_PASSWORD.", secret=True
    )
    smtp_password_file: Path | None = knob(
        None, "File with the user's password; it is read anew for every mail."
    )
    smtp_from: str = knob("", "Address that mails come from; needed with an SMTP server.")
    smtp_ca: Path | None = knob(
        None, "PEM file of the authorities that sign the SMTP server's certificate."
    )
    smtp_s_max: float = knob(30.0, "Seconds in which the SMTP server must have taken a mail.")
    links: str = knob("", "Base URL of the links in mails, where it is not the endpoint.")
    sms_sandbox: bool = knob(
        False, "Accounts are in the SMS sandbox: only numbers that were verified get messages."
    )
    oidc_networks: str = knob(
        "",
        "Networks where issuers of web identity tokens may be: 10.0.0.0/8,...; empty: all but"
        " link-local and metadata addresses.",
    )
    oidc_http: bool = knob(
        False, "Take OIDC providers with an http:// URL, for issuers on this machine."
    )
