"""Ogi: the event fan-out S3 -> SNS -> SQS -> Lambda as software that people own."""

from ogi.compiled import install as _install

__version__ = "0.1.0"

_install()
