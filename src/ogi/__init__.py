"""Ogi: the event fan-out S3 -> SNS -> SQS -> Lambda as software that people own."""

__version__ = "0.1.0"
