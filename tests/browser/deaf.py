#!/usr/bin/env python3
"""Runs the program that `QUAZZAR_TEST_BROWSER` names, deaf to the machine's networks coming and going.

Chromium aborts every request in flight, with ERR_NETWORK_CHANGED, whenever an address of the machine changes, and each
container that starts or stops changes one. It learns about that from a NETLINK socket, and assumes that it is always
online if it cannot open one (net/base/address_tracker_linux.cc, `AbortAndForceOnline`). So a seccomp filter refuses
that socket, as on a kernel without NETLINK. On other processors, and where filters are not allowed, the program runs
as usual.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct
import sys

#: For each processor the AUDIT_ARCH_… of linux/audit.h, and the number of the system call socket(2).
PROCESSORS = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET|BPF_K
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000  # SECCOMP_RET_…
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, _PR_SET_NO_NEW_PRIVS = 22, 2, 38


class _Program(ctypes.Structure):
    """`struct sock_fprog` of linux/filter.h."""

    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_char_p)]


def refuse_netlink() -> None:
    """For this process and all that it starts, socket(AF_NETLINK, …) fails with EAFNOSUPPORT."""
    if platform.machine() not in PROCESSORS:
        return
    architecture, call = PROCESSORS[platform.machine()]
    # Each step: what to do, how many steps to skip if it is equal and if it is not, a number. The loads are from
    # `struct seccomp_data`: the system call's number, the architecture, the low half of the first argument.
    steps = (
        (_LOAD, 0, 0, 4),
        (_IF_EQUAL, 0, 5, architecture),
        (_LOAD, 0, 0, 0),
        (_IF_EQUAL, 0, 3, call),
        (_LOAD, 0, 0, 16),
        (_IF_EQUAL, 0, 1, socket.AF_NETLINK),
        (_RETURN, 0, 0, _ERRNO | errno.EAFNOSUPPORT),
        (_RETURN, 0, 0, _ALLOW),
    )
    program = _Program(len(steps), b"".join(struct.pack("HBBI", *step) for step in steps))
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program))


if __name__ == "__main__":
    refuse_netlink()
    browser = os.environ["QUAZZAR_TEST_BROWSER"]
    os.execv(browser, [browser, *sys.argv[1:]])
