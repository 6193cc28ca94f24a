"""A function's code: aws-lambda-powertools takes a batch from SQS, and reports what failed."""
# mypy: ignore-errors
# (It runs in an environment of its own, with packages that are not here.)

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)

processor = BatchProcessor(event_type=EventType.SQS)


def take(record):
    print(f"took {record.body} for the {record.attributes.approximate_receive_count}. time")
    if record.body == "poison":
        raise ValueError("poison")


def handler(event, context):
    return process_partial_response(
        event=event, record_handler=take, processor=processor, context=context
    )
