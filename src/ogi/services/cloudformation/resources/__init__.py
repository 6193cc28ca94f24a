"""The resource types that a template may use, by name."""

from __future__ import annotations

from collections.abc import Mapping

from ogi.services.cloudformation.resources import (
    handles,
    iam,
    iam_policies,
    kms,
    lambda_,
    lambda_sources,
    logs,
    s3,
    sns,
    sns_subscriptions,
    sqs,
)
from ogi.services.cloudformation.resources.contract import ResourceType

TYPES: Mapping[str, ResourceType] = {
    kind.name: kind
    for module in (
        handles,
        iam,
        iam_policies,
        kms,
        lambda_,
        lambda_sources,
        logs,
        s3,
        sns,
        sns_subscriptions,
        sqs,
    )
    for kind in module.TYPES
}  # fmt: skip
