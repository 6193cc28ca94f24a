"""Transforms: AWS::Serverless-2016-10-31 by AWS's own translator, which is open source.

It is imported only when a template has something for it to do: the import takes about a second and
tens of megabytes, and a template without serverless resources comes out as it went in.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from ogi.access import managed
from ogi.services.cloudformation import templates
from ogi.services.cloudformation.errors import ValidationError
from ogi.services.cloudformation.templates import SERVERLESS, Template


async def apply(template: Template, given: dict[str, str], region: str, account: str) -> Template:
    """The template as its transforms make it."""
    if not needed(template):
        return template
    # Translating is pure computation of up to a second: in a thread, so that nobody waits for it.
    return await asyncio.to_thread(translated, template, given, region, account)


def translated(template: Template, given: dict[str, str], region: str, account: str) -> Template:
    """The template with its serverless resources in the words of CloudFormation."""
    return templates.reread(template, _translate(template, given, region, account))


def needed(template: Template) -> bool:
    return SERVERLESS in template.transforms and (
        bool(template.globals)
        or any(
            resource["Type"].startswith("AWS::Serverless::") or "Connectors" in resource
            for resource in template.resources.values()
        )
    )


def _translate(
    template: Template, given: dict[str, str], region: str, account: str
) -> dict[str, Any]:
    import boto3
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    # Plain data, so that the translator may change it.
    document = json.loads(json.dumps(template.document()))
    if template.globals:
        document["Globals"] = json.loads(json.dumps(template.globals))
    names = {**given, "AWS::Region": region, "AWS::AccountId": account, "AWS::Partition": "aws"}
    session = boto3.Session(
        region_name=region, aws_access_key_id="none", aws_secret_access_key="none"
    )
    known = {policy.name: arn for arn, policy in managed.policies().items()}
    translator = Translator(known, Parser(), boto_session=session)
    try:
        made: dict[str, Any] = translator.translate(document, parameter_values=names)
    except InvalidDocumentException as error:
        listed = "; ".join(sorted(cause.message for cause in error.causes))
        raise ValidationError(
            f"Transform {SERVERLESS} failed with: Invalid Serverless Application Specification"
            f" document. Number of errors found: {len(error.causes)}. {listed}"
        ) from None
    plain: dict[str, Any] = json.loads(json.dumps(made))
    return plain
