# ruff: noqa: PTH112, PTH119, PTH120, SIM115
"""The runtime of `python3.x` functions: takes events from the Runtime API and calls the handler.

Runs on Python 3.6 and later, with the standard library only. What it answers is what AWS's own
runtime interface client answers (Lambda guide, "Using the Lambda runtime API" and "Lambda function
handler in Python"). Several lines of one log event are joined by RS (0x1e), which Ogi turns back.
"""

import decimal
import importlib
import io
import json
import logging
import os
import signal
import site
import socket
import sys
import time
import traceback
from typing import Any

API = "/2018-06-01/runtime"
RECORD = "\x1e"
INDENT = "\u00a0"


class Fault(Exception):
    """A failure that has a name of Lambda's own: Runtime.ImportModuleError and the like."""

    def __init__(self, kind: str, message: str, trace: Any = ()) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.trace = list(trace)


class Api:
    """A connection to the Runtime API."""

    def __init__(self, address: str) -> None:
        self._host = address
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._next = self._head("GET", "/invocation/next", "")
        self._left = b""

    def _head(self, method: str, path: str, more: str) -> bytes:
        head = f"{method} {API}{path} HTTP/1.1\r\nHost: {self._host}\r\n{more}\r\n"
        return head.encode()

    def next(self) -> Any:
        """Wait for an event: its headers, by lower-case name, and its bytes."""
        self._socket.sendall(self._next)
        return self._answer()

    def answer(self, path: str, body: bytes, more: str = "", follow: bool = True) -> Any:
        """Post a result and, in the same packet, ask for the next event: (status, the event)."""
        head = self._head("POST", path, f"Content-Length: {len(body)}\r\n{more}")
        self._socket.sendall(head + body + (self._next if follow else b""))
        status, _, _ = self._answer_with_status()
        return status, self._answer() if follow else None

    def _answer(self) -> Any:
        _, headers, body = self._answer_with_status()
        return headers, body

    def _answer_with_status(self) -> Any:
        data = self._left
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, rest = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", "0"))
        parts, have = [rest], len(rest)
        while have < length:
            parts.append(self._receive())
            have += len(parts[-1])
        whole = b"".join(parts)
        self._left = whole[length:]
        return int(lines[0].split(" ", 2)[1]), headers, whole[:length]

    def _receive(self) -> bytes:
        data = self._socket.recv(262144)
        if not data:
            os._exit(0)
        return data


class CognitoIdentity:
    def __init__(self) -> None:
        self.cognito_identity_id = None
        self.cognito_identity_pool_id = None


class Client:
    def __init__(self, said: Any) -> None:
        self.installation_id = said.get("installation_id")
        self.app_title = said.get("app_title")
        self.app_version_name = said.get("app_version_name")
        self.app_version_code = said.get("app_version_code")
        self.app_package_name = said.get("app_package_name")


class ClientContext:
    def __init__(self, said: Any) -> None:
        self.custom = said.get("custom")
        self.env = said.get("env")
        self.client = Client(said["client"]) if said.get("client") else None


class LambdaContext:
    """The handler's second argument (Lambda guide, "AWS Lambda context object in Python")."""

    def __init__(self, headers: Any) -> None:
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.invoked_function_arn = headers["lambda-runtime-invoked-function-arn"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = CognitoIdentity()
        said = headers.get("lambda-runtime-client-context")
        self.client_context = ClientContext(json.loads(said)) if said else None
        self._deadline_ms = int(headers["lambda-runtime-deadline-ms"])

    def get_remaining_time_in_millis(self) -> int:
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message: Any) -> None:
        sys.stdout.write(str(message))

    def __repr__(self) -> str:
        names = (
            "aws_request_id", "log_group_name", "log_stream_name", "function_name",
            "memory_limit_in_mb", "function_version", "invoked_function_arn", "client_context",
            "identity",
        )  # fmt: skip
        shown = [f"{name}={getattr(self, name)}" for name in names]
        return "LambdaContext([{}])".format(",".join(shown))


class RequestId(logging.Filter):
    """Gives each log record the id of the request."""

    current = ""

    def filter(self, record: Any) -> bool:
        record.aws_request_id = RequestId.current
        return True


class LogHandler(logging.Handler):
    """One event per record, however many lines it has."""

    def emit(self, record: Any) -> None:
        sys.stdout.write(self.format(record).replace("\n", RECORD) + "\n")


def set_up_output() -> None:
    """Both outputs are one pipe, in UTF-8 whatever the locale, written line by line."""
    for name, number in (("stdout", 1), ("stderr", 2)):
        raw = open(number, "wb", buffering=65536, closefd=False)
        text = io.TextIOWrapper(raw, "utf-8", "backslashreplace", line_buffering=True)
        setattr(sys, name, text)
        setattr(sys, f"__{name}__", text)
    handler = LogHandler()
    form = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
    formatter = logging.Formatter(form, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    handler.addFilter(RequestId())
    logging.root.addHandler(handler)


def set_up_path() -> None:
    """The task's own modules first, what the runtime brings (boto3) last."""
    runtime = sys.path.pop(0)
    version = "python{}.{}".format(*sys.version_info[:2])
    layers = [f"/opt/python/lib/{version}/site-packages", "/opt/python"]
    sys.path[:0] = [os.environ["LAMBDA_TASK_ROOT"], *(p for p in layers if os.path.isdir(p))]
    sys.path.append(runtime)
    site.setquit()
    site.sethelper()


def find_handler(name: str) -> Any:
    """The function that `module.function` or `folder/module.function` names."""
    try:
        module_name, function_name = name.rsplit(".", 1)
    except ValueError as error:
        message = f"Bad handler '{name}': {error}"
        raise Fault("Runtime.MalformedHandlerName", message) from None
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        message = f"Unable to import module '{module_name}': {error}"
        raise Fault("Runtime.ImportModuleError", message) from None
    except SyntaxError as error:
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        message = f"Syntax error in module '{module_name}': {error}"
        raise Fault("Runtime.UserCodeSyntaxError", message, trace) from None
    try:
        return getattr(module, function_name)
    except AttributeError:
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        raise Fault("Runtime.HandlerNotFound", message) from None


def describe(error: BaseException, request_id: str) -> Any:
    """An error as the Runtime API wants it."""
    if isinstance(error, Fault):
        kind, message, trace = error.kind, error.message, error.trace
    else:
        kind, message = type(error).__name__, str(error)
        trace = traceback.format_list(_own(traceback.extract_tb(error.__traceback__)))
    return {
        "errorMessage": message,
        "errorType": kind,
        "requestId": request_id,
        "stackTrace": trace,
    }


def _own(frames: Any) -> Any:
    """The frames behind this file and the import machinery: the function's own."""
    cut = 0
    for at, frame in enumerate(frames):
        folder = os.path.basename(os.path.dirname(frame.filename))
        machinery = frame.filename.startswith("<frozen importlib") or folder == "importlib"
        if frame.filename == __file__ or (machinery and at == cut):
            cut = at + 1
    return frames[cut:]


def log_error(said: Any) -> None:
    """One log event: type, message and stack, as AWS's runtime prints it."""
    lines = ["[ERROR] {}: {}".format(said["errorType"], said["errorMessage"])]
    if said["stackTrace"]:
        lines.append("Traceback (most recent call last):")
        for entry in said["stackTrace"]:
            for line in entry.rstrip("\n").split("\n"):
                bare = line.lstrip(" ")
                lines.append(INDENT * (len(line) - len(bare)) + bare)
    sys.stdout.write("\n".join(lines).replace("\n", RECORD) + "\n")


def plain(value: Any) -> Any:
    """What json cannot write by itself, but AWS's encoder can."""
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def run(handler: Any, headers: Any, payload: bytes) -> bytes:
    try:
        event = json.loads(payload.decode("utf-8"))
    except ValueError as error:
        message = f"Unable to unmarshal input: {error}"
        raise Fault("Runtime.UnmarshalError", message) from None
    result = handler(event, LambdaContext(headers))
    try:
        text = json.dumps(result, ensure_ascii=False, allow_nan=False, default=plain)
        return text.encode("utf-8")
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        message = f"Unable to marshal response: {error}"
        raise Fault("Runtime.MarshalError", message) from None


def perish() -> None:
    """Memory ran out: end as Lambda ends such a process."""
    os.kill(os.getpid(), signal.SIGKILL)


def error_bytes(said: Any) -> bytes:
    return json.dumps(said, default=str).encode("utf-8")


def main() -> None:
    set_up_output()
    set_up_path()
    api = Api(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = find_handler(os.environ["_HANDLER"])
    except MemoryError:
        perish()
    except Exception as error:
        said = describe(error, "")
        log_error(said)
        sys.stdout.flush()
        more = "Lambda-Runtime-Function-Error-Type: {}\r\n".format(said["errorType"])
        api.answer("/init/error", error_bytes(said), more, follow=False)
        sys.exit(1)
    sys.stdout.flush()
    sys.stderr.flush()
    event = api.next()
    while True:
        headers, payload = event
        request_id = headers["lambda-runtime-aws-request-id"]
        RequestId.current = request_id
        trace = headers.get("lambda-runtime-trace-id")
        if trace:
            os.environ["_X_AMZN_TRACE_ID"] = trace
        outcome, more = "response", ""
        try:
            body = run(handler, headers, payload)
        except MemoryError:
            perish()
        except Exception as error:
            said = describe(error, request_id)
            log_error(said)
            body, outcome = error_bytes(said), "error"
            more = "Lambda-Runtime-Function-Error-Type: {}\r\n".format(said["errorType"])
        sys.stdout.flush()
        sys.stderr.flush()
        _, event = api.answer(f"/invocation/{request_id}/{outcome}", body, more)
