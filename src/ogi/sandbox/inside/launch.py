"""The first thing that runs inside: makes the loopback listeners, sets limits, starts the runtime.

The listeners are made in here, so that they belong to the sandbox's own network, and are handed out
to Ogi through a socket that it left open: Ogi answers on them, nothing has to be relayed.
Runs on Python 3.6 and later, with the standard library only.
"""

import array
import importlib
import json
import os
import resource
import select
import signal
import socket
from typing import Any

BACKLOG = 64
PROCESSES_MAX = 1024
"""Processes and threads (Lambda's quotas page: 1,024)."""
FILES_MAX = 1024
"""File descriptors (Lambda's quotas page: 1,024)."""


def listen(port: int) -> socket.socket:
    """A listener on this network's loopback; port 0 is any."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(BACKLOG)
    return listener


def hand_out(control: socket.socket, listeners: Any) -> None:
    """Send the listeners to Ogi (socket.send_fds came with Python 3.9)."""
    numbers = array.array("i", [listener.fileno() for listener in listeners])
    control.sendmsg([b"ready"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers.tobytes())])
    for listener in listeners:
        listener.close()


def limit(what: int, amount: int) -> None:
    """Lower a limit; a system that does not have it goes without."""
    try:
        _, hard = resource.getrlimit(what)
        if hard != resource.RLIM_INFINITY:
            amount = min(amount, hard)
        resource.setrlimit(what, (amount, amount))
    except (ValueError, OSError):
        pass


def guard(control: socket.socket) -> None:
    """Without a sandbox: go on in a child; when Ogi or the child ends, end the whole group."""
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    child = os.fork()
    if child == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(heard)
        os.close(told)
        return
    status = 0
    while True:
        watched: Any = [control, heard]
        readable, _, _ = select.select(watched, [], [])
        if control in readable:
            os.killpg(0, signal.SIGKILL)
        os.read(heard, 64)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
    os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))


def main() -> None:
    plan = json.loads(os.environ.pop("_OGI_PLAN"))
    control = socket.socket(fileno=plan["control"])
    api = listen(plan["api_port"])
    listeners = [api]
    os.environ["AWS_LAMBDA_RUNTIME_API"] = f"127.0.0.1:{api.getsockname()[1]}"
    if plan["endpoint_port"] is not None:
        listeners.append(listen(plan["endpoint_port"]))
    hand_out(control, listeners)
    if plan["guarded"]:
        guard(control)
    control.close()
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_NOFILE, FILES_MAX)
    if hasattr(resource, "RLIMIT_NPROC") and not plan["guarded"]:
        limit(resource.RLIMIT_NPROC, PROCESSES_MAX)
    limit(resource.RLIMIT_DATA, plan["data_bytes_max"])
    os.chdir(os.environ["LAMBDA_TASK_ROOT"])
    command = plan["command"]
    if command:
        os.execv(command[0], command)
    # It lies beside this file, whose folder is the first entry of sys.path.
    importlib.import_module("python_runtime").main()


if __name__ == "__main__":
    main()
