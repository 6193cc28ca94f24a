"""What cannot be right is refused with CloudFormation's sentence before anything is created."""

from __future__ import annotations

from typing import Any

import pytest

from ogi.errors import AwsError
from tests.services.cloudformation.driving import ask, stack
from tests.world import World

QUEUE = "Resources: {Q: {Type: AWS::SQS::Queue}}"


@pytest.fixture
def world(world_of: Any) -> World:
    made: World = world_of("cloudformation", "sqs", "kms", "sns", "s3", "iam", "lambda_", "logs")
    return made


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("Description: nothing",
         "Template format error: At least one Resources member must be defined."),
        ("Resources:", "Template format error: At least one Resources member must be defined."),
        ("Nonsense: 1\nResources: {Q: {Type: AWS::SQS::Queue}}",
         "Invalid template property or properties [Nonsense]"),
        ("Resources: {Q: {Properties: {}}}",
         "Template format error: [/Resources/Q] Every Resources object must contain a Type"
         " member."),
        ("Resources: {Q-1: {Type: AWS::SQS::Queue}}",
         "Template format error: Resource name Q-1 is non alphanumeric."),
        ("Resources: {Q: {Type: AWS::SQS::Queue, Nonsense: 1}}",
         "Invalid template resource property 'Nonsense'"),
        ("Resources: {Q: {Type: AWS::SQS::Queue, Properties: {QueueName: }}}",
         "Template format error: [/Resources/Q/Properties/QueueName] 'null' values are not allowed"
         " in templates"),
        ("Resources: {Q: {Type: AWS::EC2::Instance}}",
         "Template format error: Unrecognized resource types: [AWS::EC2::Instance]"),
        ("Resources: {Q: {Type: AWS::SQS::Queue, DependsOn: Gone}}",
         "Template format error: Unresolved resource dependencies [Gone] in the Resources block of"
         " the template"),
        ("Resources: {Q: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref Gone}}}",
         "Template format error: Unresolved resource dependencies [Gone] in the Resources block of"
         " the template"),
        ("Resources: {Q: {Type: AWS::SQS::Queue}}\nOutputs: {O: {Value: !Ref Gone}}",
         "Template format error: Unresolved resource dependencies [Gone] in the Outputs block of"
         " the template"),
        ("Resources: {Q: {Type: AWS::SQS::Queue, Properties: {QueueName: !GetAtt Gone.Arn}}}",
         "Template error: instance of Fn::GetAtt references undefined resource Gone"),
        ("Resources: {Q: {Type: AWS::SQS::Queue}}\nOutputs: {O: {Value: !GetAtt Q.Nope}}",
         "Template error: resource Q does not support attribute type Nope in Fn::GetAtt"),
        ("Resources: {A: {Type: AWS::SQS::Queue, DependsOn: B}, B: {Type: AWS::SQS::Queue,"
         " Properties: {QueueName: !GetAtt A.QueueName}}}",
         "Circular dependency between resources: [A, B]"),
        ("Resources: {Q: {Type: AWS::SQS::Queue, Properties: {Nonsense: 1}}}",
         "Encountered unsupported property Nonsense"),
        ("Resources: {P: {Type: AWS::SQS::QueuePolicy, Properties: {Queues: [a]}}}",
         "Property PolicyDocument cannot be empty."),
        ("Resources: {Q: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: soon}}}",
         "Value of property DelaySeconds must be of type Integer"),
        ("Resources: {Q: {Type: AWS::SQS::Queue, Properties: {QueueName: [a]}}}",
         "Value of property QueueName must be of type String"),
        ("Resources: {Q: {Type: AWS::SQS::Queue, Properties: {Tags: {a: b}}}}",
         "Value of property Tags must be of type List of Object"),
        ("Resources: {B: {Type: AWS::S3::Bucket, Properties: {WebsiteConfiguration: {}}}}",
         "Ogi does not support the property WebsiteConfiguration"),
        ("Resources: {Q: {Type: AWS::SQS::Queue, DeletionPolicy: Snapshot}}",
         "Ogi does not support DeletionPolicy: Snapshot (of Q)"),
        ("Resources: {Q: {Type: AWS::SQS::Queue, CreationPolicy: {}}}",
         "Ogi does not support the resource attribute CreationPolicy"),
        ("Transform: AWS::LanguageExtensions\n" + QUEUE,
         "Ogi does not support the transform AWS::LanguageExtensions"),
        ("Rules: {}\n" + QUEUE, "Ogi does not support the template section Rules"),
        ("Parameters: {P: {Type: 'AWS::SSM::Parameter::Value<String>'}}\n" + QUEUE,
         "Ogi does not support parameters of type AWS::SSM::Parameter::Value<String>"),
        ("Parameters: {P: {Type: Text}}\n" + QUEUE,
         "Template format error: Unrecognized parameter type: Text"),
        ("Parameters: {P: {Type: String}}\n" + QUEUE, "Parameters: [P] must have values"),
        ("Conditions: {C: !Equals [!Ref Q, a]}\n" + QUEUE,
         "Template format error: Unresolved dependencies [Q]. Cannot reference resources in the"
         " Conditions block of the template"),
        ("Conditions: {C: !Condition D, D: !Condition C}\n" + QUEUE,
         "Circular dependency between conditions: [C, D]"),
        ("Resources: {Q: {Type: AWS::SQS::Queue, Condition: Gone}}",
         "Template format error: Unresolved condition dependency Gone in the Resources block of"
         " the template"),
        ("Transform: AWS::Serverless-2016-10-31\nResources: {T: {Type:"
         " AWS::Serverless::SimpleTable}}",
         "Template format error: Unrecognized resource types: [AWS::DynamoDB::Table]"),
    ],
)  # fmt: skip
async def test_a_template_that_cannot_be_right_makes_nothing(
    world: World, template: str, sentence: str
) -> None:
    with pytest.raises(AwsError) as refused:
        await ask(
            world, "CreateStack", StackName="s", TemplateBody=template,
            Capabilities=["CAPABILITY_AUTO_EXPAND"],
        )  # fmt: skip
    assert sentence in refused.value.message
    assert (await ask(world, "ListStacks"))["StackSummaries"] == []


@pytest.mark.parametrize(
    ("declaration", "value", "sentence"),
    [
        ("{Type: String, AllowedValues: [a, b]}", "c",
         "Parameter 'P' must be one of AllowedValues"),
        ("{Type: String, AllowedPattern: '[a-z]+'}", "A",
         "Parameter 'P' must match pattern [a-z]+"),
        ("{Type: String, AllowedPattern: '[a-z]+', ConstraintDescription: letters}", "A",
         "Parameter P failed to satisfy constraint: letters"),
        ("{Type: String, MinLength: 2}", "a", "Parameter 'P' must contain at least 2 characters"),
        ("{Type: String, MaxLength: '2'}", "abc",
         "Parameter 'P' must contain at most 2 characters"),
        ("{Type: Number}", "x", "Parameter 'P' must be a number"),
        ("{Type: Number, MinValue: 2}", "1", "Parameter 'P' must be a number not less than 2"),
        ("{Type: Number, MaxValue: 2}", "3", "Parameter 'P' must be a number not greater than 2"),
        ("{Type: 'List<Number>'}", "1, x", "Parameter 'P' must be a number"),
    ],
)  # fmt: skip
async def test_a_parameters_value_must_fit(
    world: World, declaration: str, value: str, sentence: str
) -> None:
    with pytest.raises(AwsError) as refused:
        await ask(
            world, "CreateStack", StackName="s",
            TemplateBody=f"Parameters: {{P: {declaration}}}\n{QUEUE}",
            Parameters=[{"ParameterKey": "P", "ParameterValue": value}],
        )  # fmt: skip
    assert refused.value.message == sentence


async def test_an_unknown_parameter_is_refused(world: World) -> None:
    with pytest.raises(AwsError, match=r"Parameters: \[X\] do not exist in the template"):
        await ask(
            world, "CreateStack", StackName="s", TemplateBody=QUEUE,
            Parameters=[{"ParameterKey": "X", "ParameterValue": "1"}],
        )  # fmt: skip


async def test_secret_parameters_are_never_shown(world: World) -> None:
    template = "Parameters: {P: {Type: String, NoEcho: true}}\n" + QUEUE
    await ask(
        world, "CreateStack", StackName="s", TemplateBody=template,
        Parameters=[{"ParameterKey": "P", "ParameterValue": "secret"}],
    )  # fmt: skip
    assert (await stack(world, "s"))["Parameters"] == [
        {"ParameterKey": "P", "ParameterValue": "****"}
    ]


async def test_a_condition_leaves_resources_and_values_out(world: World) -> None:
    template = """
    Parameters: {Big: {Type: String, Default: "no"}}
    Conditions: {IsBig: !Equals [!Ref Big, "yes"]}
    Resources:
      Always:
        Type: AWS::SQS::Queue
        DependsOn: Sometimes
        Properties: {DelaySeconds: !If [IsBig, 9, !Ref AWS::NoValue]}
      Sometimes: {Type: AWS::SQS::Queue, Condition: IsBig}
    Outputs:
      Sometimes: {Condition: IsBig, Value: !Ref Sometimes}
    """
    await ask(world, "CreateStack", StackName="s", TemplateBody=template)
    shown = await ask(world, "ListStackResources", StackName="s")
    assert [r["LogicalResourceId"] for r in shown["StackResourceSummaries"]] == ["Always"]
    assert "Outputs" not in await stack(world, "s")
    await ask(
        world, "UpdateStack", StackName="s", UsePreviousTemplate=True,
        Parameters=[{"ParameterKey": "Big", "ParameterValue": "yes"}],
    )  # fmt: skip
    shown = await ask(world, "ListStackResources", StackName="s")
    assert len(shown["StackResourceSummaries"]) == 2


@pytest.mark.parametrize("name", ["1st", "a_b", "a" * 129])
async def test_a_stacks_name_has_its_form(world: World, name: str) -> None:
    with pytest.raises(AwsError, match=r"1 validation error detected: Value .* at 'stackName'"):
        await ask(world, "CreateStack", StackName=name, TemplateBody=QUEUE)


async def test_a_template_in_the_request_is_limited(world: World) -> None:
    with pytest.raises(AwsError, match="length less than or equal to 51200"):
        await ask(world, "CreateStack", StackName="s", TemplateBody=QUEUE + "\n#" + "x" * 51_200)


async def test_a_template_is_validated_and_summed_up(world: World) -> None:
    template = """
    Description: d
    Parameters: {P: {Type: Number, Default: 3, Description: p}}
    Resources:
      R: {Type: AWS::IAM::Role, Properties: {RoleName: r, AssumeRolePolicyDocument: {}}}
    """
    found = await ask(world, "ValidateTemplate", TemplateBody=template)
    assert found["Description"] == "d"
    assert found["Capabilities"] == ["CAPABILITY_NAMED_IAM"]
    assert found["Parameters"] == [
        {"ParameterKey": "P", "DefaultValue": "3", "NoEcho": False, "Description": "p"}
    ]
    summed = await ask(world, "GetTemplateSummary", TemplateBody=template)
    assert summed["ResourceTypes"] == ["AWS::IAM::Role"]
    assert summed["Parameters"][0]["ParameterType"] == "Number"
