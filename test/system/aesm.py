# SPDX-License-Identifier: Apache-2.0
"""AESM's socket protocol, once more: for tests of both of its ends.

Written from Intel's description of the messages, not from host/aesm_wire.c.
A message is a dict {field number: int or bytes}; a field may also be a list,
then it occurs that often.
"""

import os
import socket
import struct
import threading

INIT_QUOTE_EX, QUOTE_SIZE_EX, GET_QUOTE_EX = 15, 16, 17
SELECT_KEY_ID, UNSUPPORTED, KEY_ID_NUM, KEY_IDS = 19, 20, 21, 22

INTEL_MRSIGNER = bytes.fromhex(
    "8c4f5775d796503e96137f77c68a829a0056ac8ded70140b081b094490c57bff")


def key_id(mrsigner, prod_id=1, algorithm=2):
    """sgx_ql_att_key_id_t, padded as sgx_att_key_id_ext_t."""
    return struct.pack("<HHH48sI16s64s16sI", 0, 0, 32, mrsigner, prod_id,
                       b"", b"", b"", algorithm).ljust(256, b"\0")


INTEL_KEY_ID = key_id(INTEL_MRSIGNER)


def varint(n):
    out = b""
    while True:
        byte, n = n & 0x7f, n >> 7
        out += bytes([byte | (0x80 if n else 0)])
        if not n:
            return out


def field(number, value):
    if isinstance(value, list):
        return b"".join(field(number, v) for v in value)
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def message(number, fields):
    return field(number, b"".join(field(n, v) for n, v in fields.items()))


def frame(number, fields):
    body = message(number, fields)
    return struct.pack("<I", len(body)) + body


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        shift += 7
        if not byte & 0x80:
            return value, at


def fields_of(data):
    out, at = {}, 0
    while at < len(data):
        tag, at = read_varint(data, at)
        value, at = read_varint(data, at)
        if tag & 7 == 2:
            assert at + value <= len(data)
            value, at = data[at:at + value], at + value
        else:
            assert tag & 7 == 0, tag
        assert tag >> 3 not in out
        out[tag >> 3] = value
    return out


def parse(body):
    """(message number, fields)"""
    outer = fields_of(body)
    (number, inner), = outer.items()
    return number, fields_of(inner)


def receive_exactly(sock, size):
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise EOFError("%d of %d bytes" % (len(data), size))
        data += more
    return data


def receive(sock):
    size, = struct.unpack("<I", receive_exactly(sock, 4))
    assert size < 1 << 20
    return receive_exactly(sock, size)


def connect(path, timeout=20):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    sock.connect(str(path))
    return sock


def ask(path, number, fields):
    """One request; the answer's fields. EOFError: hung up on."""
    with connect(path) as sock:
        sock.sendall(frame(number, fields))
        got, answer = parse(receive(sock))
        assert got == number or got == UNSUPPORTED, got
        return answer


class Mock:
    """A service: answer(number, fields) gives the answer's fields, or bytes
    to be sent as they are, or None to hang up. .requests are the frames that
    came, with their lengths."""

    def __init__(self, path, answer):
        self.path, self.answer, self.requests = str(path), answer, []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(64)
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        if not self.path.startswith("\0"):
            os.unlink(self.path)

    def run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=[sock],
                             daemon=True).start()

    def serve(self, sock):
        with sock:
            try:
                body = receive(sock)
                self.requests.append(struct.pack("<I", len(body)) + body)
                number, fields = parse(body)
                answer = self.answer(number, fields)
                if isinstance(answer, dict):
                    answer = frame(number, answer)
                if answer is not None:
                    sock.sendall(answer)
            except (EOFError, OSError):
                pass

    def numbers(self):
        return [parse(r[4:])[0] for r in self.requests]
