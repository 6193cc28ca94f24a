"""Runtimes: which of them Lambda knows, and which functions have here.

What Lambda does not know it refuses with the list of those that it does; what it knows and is not
here is refused by name.
"""

from __future__ import annotations

from ogi.errors import unsupported
from ogi.sandbox.interpreters import version_of
from ogi.services.lambda_.errors import InvalidParameterValueException

PYTHON_OLDEST = (3, 6)
KNOWN = (
    "nodejs", "nodejs4.3", "nodejs6.10", "nodejs8.10", "nodejs10.x", "nodejs12.x", "nodejs14.x",
    "nodejs16.x", "nodejs18.x", "nodejs20.x", "nodejs22.x", "nodejs24.x", "java8", "java8.al2",
    "java11", "java17", "java21", "java25", "python2.7", "python3.6", "python3.7", "python3.8",
    "python3.9", "python3.10", "python3.11", "python3.12", "python3.13", "python3.14",
    "dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1", "dotnetcore3.1", "dotnet6", "dotnet8",
    "dotnet10", "nodejs4.3-edge", "go1.x", "ruby2.5", "ruby2.7", "ruby3.2", "ruby3.3", "ruby3.4",
    "ruby4.0", "provided", "provided.al2", "provided.al2023", "nodejs26.x", "python3.15",
    "java8.al2023", "java11.al2023", "java17.al2023", "custom",
)  # fmt: skip
"""The API reference's valid values of Runtime, in its order (CreateFunction). Lambda's own list has
no order, and leaves out those that it has given up."""


def check(runtime: str) -> str:
    """The runtime, if functions may have it."""
    if runtime not in KNOWN and not runtime.startswith("arn:"):
        # What users were told: github.com/serverless/serverless/issues/7183
        raise InvalidParameterValueException(
            f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum "
            f"value set: [{', '.join(KNOWN)}] or be a valid ARN"
        )
    version = version_of(runtime)
    here = runtime.startswith("provided") if version is None else version >= PYTHON_OLDEST
    if not here:
        raise unsupported(f"the runtime {runtime}")
    return runtime
