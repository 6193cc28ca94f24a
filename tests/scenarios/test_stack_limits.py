"""What a service's model refuses is refused of a template, too, in the service's words."""

from __future__ import annotations

from tests.scenarios import stacks
from tests.scenarios.conftest import Server

ROLE = """
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: "a b"
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - {Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}
"""
KEY = """
Resources:
  Key:
    Type: AWS::KMS::Key
    Properties:
      Description: "%s"
      KeyPolicy:
        Version: "2012-10-17"
        Statement:
          - {Effect: Allow, Principal: {AWS: "000000000000"}, Action: "kms:*", Resource: "*"}
"""


def reason(server: Server, name: str, template: str) -> str:
    """Why the stack's resource was not created."""
    cloudformation = server.client("cloudformation")
    made = cloudformation.create_stack(
        StackName=name, TemplateBody=template, Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    assert stacks.ended(server, made["StackId"])["StackStatus"] == "ROLLBACK_COMPLETE"
    events = cloudformation.describe_stack_events(StackName=made["StackId"])["StackEvents"]
    (failed,) = (e for e in events if e["ResourceStatus"] == "CREATE_FAILED")
    found: str = failed["ResourceStatusReason"]
    return found


def test_a_name_with_a_character_that_names_do_not_have(server: Server, name: str) -> None:
    assert "roleName" in reason(server, name, ROLE)


def test_a_description_that_is_too_long(server: Server, name: str) -> None:
    said = reason(server, name, KEY % ("x" * 8193))
    assert said.startswith('Resource handler returned message: "1 validation error detected: ')
