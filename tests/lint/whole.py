"""A template without pitfalls, to break in one place at a time, and what is found in it then."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

pytest.importorskip("cfnlint", reason="cfn-lint is the extra `lint`, and it is not installed")

from ogi.lint import engine

WHOLE = """\
Parameters:
  Source: { Type: String, Default: drop }
Resources:
  Key:
    Type: AWS::KMS::Key
    Properties:
      KeyPolicy:
        Statement:
          - Effect: Allow
            Principal: { AWS: !Sub "arn:aws:iam::${AWS::AccountId}:root" }
            Action: "kms:*"
            Resource: "*"
          - Sid: Services
            Effect: Allow
            Principal: { Service: [s3.amazonaws.com, sns.amazonaws.com] }
            Action: ["kms:Decrypt", "kms:GenerateDataKey*"]
            Resource: "*"
            Condition: { StringEquals: { "aws:SourceAccount": !Ref AWS::AccountId } }
  Alias:
    Type: AWS::KMS::Alias
    Properties: { AliasName: alias/mine, TargetKeyId: !Ref Key }
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      KmsMasterKeyId: alias/mine
  TopicPolicy:
    Type: AWS::SNS::TopicPolicy
    Properties:
      Topics: [!Ref Topic]
      PolicyDocument:
        Statement:
          - Effect: Allow
            Principal: { Service: s3.amazonaws.com }
            Action: "sns:Publish"
            Resource: !Ref Topic
            Condition:
              ArnLike: { "aws:SourceArn": !Sub "arn:aws:s3:::${Source}" }
              StringEquals: { "aws:SourceAccount": !Ref AWS::AccountId }
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: !Ref Source
      NotificationConfiguration:
        TopicConfigurations: [{ Event: "s3:ObjectCreated:*", Topic: !Ref Topic }]
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      KmsMasterKeyId: !GetAtt Key.Arn
      VisibilityTimeout: 60
      RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 5 }
  Dead:
    Type: AWS::SQS::Queue
    Properties:
      MessageRetentionPeriod: 1209600
  QueuePolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Queue]
      PolicyDocument:
        Statement:
          - Effect: Allow
            Principal: { Service: sns.amazonaws.com }
            Action: "sqs:SendMessage"
            Resource: !GetAtt Queue.Arn
            Condition: { ArnEquals: { "aws:SourceArn": !Ref Topic } }
  Subscription:
    Type: AWS::SNS::Subscription
    Properties: { TopicArn: !Ref Topic, Protocol: sqs, Endpoint: !GetAtt Queue.Arn }
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {}
      ManagedPolicyArns: ["arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"]
      Policies:
        - PolicyName: decrypt
          PolicyDocument:
            Statement: { Effect: Allow, Action: "kms:Decrypt", Resource: !GetAtt Key.Arn }
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Role: !GetAtt Role.Arn
      Timeout: 10
      ReservedConcurrentExecutions: 4
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt Queue.Arn
      FunctionName: !Ref Function
      ScalingConfig: { MaximumConcurrency: 4 }
"""


def broken(old: str, new: str, template: str = WHOLE) -> str:
    assert old in template, f"{old!r} is not in the template"
    return template.replace(old, new)


def with_resources(*texts: str, template: str = WHOLE) -> str:
    """The template and further resources, indented as the template's are."""
    return template + "".join(textwrap.indent(textwrap.dedent(text), "  ") for text in texts)


def found(text: str, **known: Any) -> list[tuple[str, str]]:
    """(id, the line of the template) of each finding, in the order of the lines."""
    lines = text.splitlines()
    return [
        (match.rule.id, lines[match.linenumber - 1].strip())
        for match in engine.run(text, "t.yaml", **known)
    ]


def ids(text: str, **known: Any) -> list[str]:
    return [id for id, _ in found(text, **known)]
