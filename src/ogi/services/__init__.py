"""The services. Each is a package with `SERVICE`; adding one is a folder and a name here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module

from ogi.service import Service

ALL = ("s3", "sns", "sqs", "lambda_", "kms", "iam", "sts", "cloudformation", "logs")
"""Package names; a service's own name (`lambda`) is in its `SERVICE`."""


def load(packages: Iterable[str] = ALL) -> Mapping[str, Service]:
    """The services by their own names."""
    found = (import_module(f"ogi.services.{package}").SERVICE for package in packages)
    return {service.name: service for service in found}
