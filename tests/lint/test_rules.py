"""Each pitfall by itself, in a template that has none, with its line."""

from __future__ import annotations

import pytest

from tests.lint.whole import WHOLE, broken, found, ids, with_resources

SERVICES = "Principal: { Service: [s3.amazonaws.com, sns.amazonaws.com] }"
SOURCE = 'Condition: { ArnEquals: { "aws:SourceArn": !Ref Topic } }'
BY_ACCOUNT = (
    '            Condition: { StringEquals: { "aws:SourceAccount": !Ref AWS::AccountId } }\n'
)


def test_a_template_without_pitfalls_has_none() -> None:
    assert found(WHOLE) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        # Keys on a hop.
        (SERVICES, "Principal: { Service: sns.amazonaws.com }", [("E9001", "KeyPolicy:")]),
        (SERVICES, "Principal: { Service: s3.amazonaws.com }", [("E9002", "KeyPolicy:")]),
        ('["kms:Decrypt", "kms:GenerateDataKey*"]', '"kms:GenerateDataKey*"',
         [("E9001", "KeyPolicy:"), ("E9002", "KeyPolicy:")]),
        ('"aws:SourceAccount": !Ref AWS::AccountId } }\n  Alias',
         '"aws:SourceAccount": "999988887777" } }\n  Alias',
         [("E9001", "KeyPolicy:"), ("E9002", "KeyPolicy:")]),
        ("KmsMasterKeyId: alias/mine", "KmsMasterKeyId: alias/aws/sns",
         [("E9003", "KmsMasterKeyId: alias/aws/sns")]),
        ("KmsMasterKeyId: !GetAtt Key.Arn", "KmsMasterKeyId: alias/aws/sqs",
         [("E9003", "KmsMasterKeyId: alias/aws/sqs")]),
        # Policies on a hop.
        (SOURCE, 'Condition: { ArnEquals: { "aws:SourceArn": "arn:aws:sns:us-east-1:1:other" } }',
         [("E9004", "- Effect: Allow")]),
        ('Action: "sqs:SendMessage"', 'Action: "sqs:ReceiveMessage"', [("E9004", "Statement:")]),
        ("Queues: [!Ref Queue]", "Queues: [!Ref Dead]",
         [("E9004", "Properties: { TopicArn: !Ref Topic, Protocol: sqs, Endpoint: !GetAtt"
                    " Queue.Arn }")]),
        ('!Sub "arn:aws:s3:::${Source}"', '"arn:aws:s3:::other"', [("E9005", "- Effect: Allow")]),
        ("Topics: [!Ref Topic]", "Topics: []",
         [("E9005", 'TopicConfigurations: [{ Event: "s3:ObjectCreated:*", Topic: !Ref Topic }]')]),
        # Timeouts.
        ("VisibilityTimeout: 60", "VisibilityTimeout: 9", [("E9007", "VisibilityTimeout: 9")]),
        ("      VisibilityTimeout: 60\n", "", [("W9012", "Queue:")]),
        ("VisibilityTimeout: 60", 'VisibilityTimeout: "59"',
         [("W9012", 'VisibilityTimeout: "59"')]),
        ("FunctionName: !Ref Function", "FunctionName: !Ref Function\n"
         "      MaximumBatchingWindowInSeconds: 1", [("W9012", "VisibilityTimeout: 60")]),
        # The role.
        ("AWSLambdaSQSQueueExecutionRole", "AWSLambdaBasicExecutionRole", [("E9008", "Role:")]),
        ('Action: "kms:Decrypt"', 'Action: "kms:Encrypt"', [("E9009", "Role:")]),
        # Dead letters.
        ("      RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 5 }\n", "",
         [("W9013", "Queue:")]),
        ("maxReceiveCount: 5", "maxReceiveCount: 4",
         [("W9014", "RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 4"
                    " }")]),
        ("MessageRetentionPeriod: 1209600", "MessageRetentionPeriod: 3600",
         [("W9015", "MessageRetentionPeriod: 3600")]),
        ("      MessageRetentionPeriod: 1209600\n", "      DelaySeconds: 1\n",
         [("W9015", "Dead:")]),
        ("VisibilityTimeout: 60", "VisibilityTimeout: 60\n      MessageRetentionPeriod: 300",
         [("W9016", "MessageRetentionPeriod: 300")]),
        # Concurrency.
        ("ReservedConcurrentExecutions: 4", "ReservedConcurrentExecutions: 3",
         [("E9011", "ReservedConcurrentExecutions: 3")]),
        ("      ScalingConfig: { MaximumConcurrency: 4 }\n", "",
         [("W9019", "ReservedConcurrentExecutions: 4")]),
        # Doors that stand open.
        ("Principal: { Service: sns.amazonaws.com }", 'Principal: "*"', []),
        (BY_ACCOUNT, "", [("W9018", "- Sid: Services")]),
        ('              StringEquals: { "aws:SourceAccount": !Ref AWS::AccountId }\n', "",
         [("W9018", "- Effect: Allow")]),
        ("            " + SOURCE + "\n", "", [("W9018", "- Effect: Allow")]),
    ],
)  # fmt: skip
def test_each_pitfall_has_its_line(old: str, new: str, expected: list[tuple[str, str]]) -> None:
    assert found(broken(old, new)) == expected


def test_everybody_without_a_condition_is_found_in_all_policies() -> None:
    open_queue = broken("Principal: { Service: sns.amazonaws.com }", 'Principal: { AWS: "*" }')
    assert ids(broken("            " + SOURCE + "\n", "", open_queue)) == ["W9017"]
    more = """\
        BucketPolicy:
          Type: AWS::S3::BucketPolicy
          Properties:
            Bucket: !Ref Bucket
            PolicyDocument:
              Statement: [{ Effect: Allow, Principal: "*", Action: "s3:GetObject", Resource: "*" }]
        """
    assert ids(with_resources(more)) == ["W9017"]
    denied = more.replace("Effect: Allow", "Effect: Deny")
    assert ids(with_resources(denied)) == []
    limited = more.replace(
        '"*" }]', '"*", Condition: { IpAddress: { "aws:SourceIp": 10.0.0.1 } } }]'
    )
    assert ids(with_resources(limited)) == []
    https = more.replace('"*" }]', '"*", Condition: { Bool: { "aws:SecureTransport": true } } }]')
    assert ids(with_resources(https)) == ["W9017"], "how somebody comes does not say who he is"


def test_a_deny_is_found_where_an_allow_is() -> None:
    denying = broken(
        "Condition: { ArnEquals:",
        "Condition: { ArnEquals: { \"aws:SourceArn\": !Ref Topic } }\n"
        '          - { Effect: Deny, Principal: "*", Action: "sqs:*", Resource: "*" }\n'
        "          - Effect: Allow\n"
        "            Principal: { Service: sns.amazonaws.com }\n"
        "            Action: sqs:GetQueueUrl\n"
        '            Resource: "*"\n'
        "            Condition: { ArnEquals:",
    )  # fmt: skip
    assert "E9004" in ids(denying)


FUNCTIONS = """\
    Called:
      Type: AWS::Lambda::Function
      Properties: {}
    CalledBy:
      Type: AWS::SNS::Subscription
      Properties: { TopicArn: !Ref Topic, Protocol: lambda, Endpoint: !GetAtt Called.Arn }
    """
PERMISSION = """\
    Permission:
      Type: AWS::Lambda::Permission
      Properties:
        FunctionName: !Ref Called
        Action: lambda:InvokeFunction
        Principal: sns.amazonaws.com
        SourceArn: !Ref Topic
    """


def test_a_function_that_a_topic_may_not_invoke() -> None:
    assert ids(with_resources(FUNCTIONS)) == ["E9006"]
    assert ids(with_resources(FUNCTIONS, PERMISSION)) == []
    other = PERMISSION.replace("SourceArn: !Ref Topic", "SourceArn: arn:aws:sns:us-east-1:1:x")
    assert ids(with_resources(FUNCTIONS, other)) == ["E9006"]


def test_a_bucket_that_announces_to_an_encrypted_queue() -> None:
    direct = broken(
        'TopicConfigurations: [{ Event: "s3:ObjectCreated:*", Topic: !Ref Topic }]',
        'QueueConfigurations: [{ Event: "s3:ObjectCreated:*", Queue: !GetAtt Queue.Arn }]',
    )
    assert ids(direct) == ["E9004"]
    assert ids(broken(SERVICES, "Principal: { Service: sns.amazonaws.com }", direct)) == [
        "E9002", "E9004",
    ]  # fmt: skip


FIFO_QUEUE = """\
    Ordered:
      Type: AWS::SQS::Queue
      Properties: { FifoQueue: true, QueueName: ordered.fifo }
    """
FIFO_TOPIC = """\
    OrderedTopic:
      Type: AWS::SNS::Topic
      Properties: { FifoTopic: true, TopicName: ordered.fifo }
    """


def _subscribed(topic: str, queue: str) -> str:
    return f"""\
    More:
      Type: AWS::SNS::Subscription
      Properties: {{ TopicArn: !Ref {topic}, Protocol: sqs, Endpoint: !GetAtt {queue}.Arn }}
    OrderedPolicy:
      Type: AWS::SQS::QueuePolicy
      Properties:
        Queues: [!Ref {queue}]
        PolicyDocument:
          Statement:
            Effect: Allow
            Principal: {{ Service: sns.amazonaws.com }}
            Action: "sqs:SendMessage"
            Resource: "*"
            Condition: {{ ArnEquals: {{ "aws:SourceArn": !Ref {topic} }} }}
    """


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ((FIFO_QUEUE,), []),
        ((FIFO_QUEUE.replace("FifoQueue: true, ", ""),), ["E9010"]),
        ((FIFO_QUEUE.replace("ordered.fifo", "ordered"),), ["E9010"]),
        ((FIFO_TOPIC.replace("FifoTopic: true, ", ""),), ["E9010"]),
        ((FIFO_TOPIC, FIFO_QUEUE, _subscribed("OrderedTopic", "Ordered")), []),
        ((FIFO_QUEUE, _subscribed("Topic", "Ordered")), ["E9010"]),
        ((FIFO_QUEUE.replace("FifoQueue: true", "FifoQueue: true, RedrivePolicy: {"
                             " deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 5 }"),),
         ["E9010"]),
    ],
)  # fmt: skip
def test_fifo_goes_with_fifo(more: tuple[str, ...], expected: list[str]) -> None:
    assert ids(with_resources(*more)) == expected


def test_s3_does_not_announce_to_fifo_queues_nor_functions_listen_to_fifo_topics() -> None:
    ordered = FIFO_TOPIC.replace("OrderedTopic", "Topic2")
    announced = broken("Topic: !Ref Topic }]", "Topic: !Ref Topic2 }]", with_resources(ordered))
    assert "E9010" in ids(announced)
    called = FUNCTIONS.replace("!Ref Topic,", "!Ref OrderedTopic,")
    permitted = PERMISSION.replace("!Ref Topic", "!Ref OrderedTopic")
    assert ids(with_resources(FIFO_TOPIC, called, permitted)) == ["E9010"]


def test_a_fifo_source_has_small_batches_and_no_window() -> None:
    fed = FIFO_QUEUE.replace(
        "ordered.fifo }",
        "ordered.fifo, RedrivePolicy: { deadLetterTargetArn: !GetAtt Ordered2.Arn,"
        " maxReceiveCount: 5 }, VisibilityTimeout: 60 }",
    )
    dead = FIFO_QUEUE.replace("Ordered:", "Ordered2:").replace("ordered.", "dead.")
    mapping = """\
    More:
      Type: AWS::Lambda::EventSourceMapping
      Properties: { EventSourceArn: !GetAtt Ordered.Arn, FunctionName: !GetAtt Function.Arn }
    """
    assert ids(with_resources(fed, dead, mapping)) == []
    large = mapping.replace("Function.Arn }", "Function.Arn, BatchSize: 11 }")
    assert ids(with_resources(fed, dead, large)) == ["E9010"]
    waiting = mapping.replace("Function.Arn }", "Function.Arn, MaximumBatchingWindowInSeconds: 1 }")
    assert "E9010" in ids(with_resources(fed, dead, waiting))


def test_a_role_whose_policies_are_elsewhere_is_not_judged() -> None:
    elsewhere = broken("service-role/AWSLambdaSQSQueueExecutionRole", "SomethingThatOgiDoesNotKnow")
    assert ids(elsewhere) == []


def test_policies_that_are_attached_from_outside_the_role_count() -> None:
    bare = broken("AWSLambdaSQSQueueExecutionRole", "AWSLambdaBasicExecutionRole")
    attached = """\
    Reading:
      Type: AWS::IAM::Policy
      Properties:
        PolicyName: reading
        Roles: [!Ref Role]
        PolicyDocument:
          Statement: { Effect: Allow, Action: "sqs:*", Resource: !GetAtt Queue.Arn }
    """
    assert ids(bare) == ["E9008"]
    assert ids(with_resources(attached, template=bare)) == []
