# SPDX-License-Identifier: Apache-2.0
"""/dev/attestation, used as a program would; for test_attestation.py.

Steps as arguments, done in turn in one process; values are hexadecimal digits,
@FILE is a file's contents, >FILE at the end puts the result there instead of
on standard output. An error ends a step with its name: "EBADMSG".
"""

import errno
import os
import sys

DEVICE = "/dev/attestation/"


def value(text):
    if text.startswith("@"):
        with open(text[1:], "rb") as f:
            return f.read()
    return bytes.fromhex(text)


def get(name):
    with open(DEVICE + name, "rb") as f:
        return f.read()


def put(name, data):
    with open(DEVICE + name, "wb") as f:
        f.write(data)
    return b""


def transact(name, data):
    fd = os.open(DEVICE + name, os.O_RDWR)
    try:
        os.write(fd, data)
        out = b""
        while piece := os.read(fd, 10000):
            out += piece
        return out
    finally:
        os.close(fd)


def step(what, name, *args):
    """The result, or an error's name."""
    do = {"get": get, "put": put, "do": transact}[what]
    try:
        return do(name, *map(value, args))
    except OSError as e:
        return errno.errorcode[e.errno]


for line in sys.argv[1:]:
    words = line.split()
    to = words.pop()[1:] if words[-1].startswith(">") else None
    result = step(*words)
    if to and not isinstance(result, str):
        with open(to, "wb") as f:
            f.write(result)
        result = b""
    print(result if isinstance(result, str) else result.hex(), flush=True)
