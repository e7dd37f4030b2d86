# SPDX-License-Identifier: Apache-2.0
"""The client of quoting services (host/aesm.c) against a service that speaks
Intel's protocol byte for byte, and against ones that do not."""

import errno
import os
import socket
import struct
import subprocess
import threading
import time

import pytest

import aesm
import sconce

CLIENT = sconce.BUILD / "test/aesm-client"
TARGET = bytes(range(256)) * 2
REPORT = bytes((i * 7) & 255 for i in range(432))
PUB_KEY_ID = bytes(32)
QUOTE = bytes(432) + struct.pack("<I", 700) + bytes(i & 255 for i in range(700))


def client(what, path, *args, timeout_ms=5000, **env):
    return subprocess.run(
        [CLIENT, what, str(path), *map(str, args)], capture_output=True,
        text=True, timeout=60,
        env={**os.environ, "SCONCE_LAS_TIMEOUT_MS": str(timeout_ms), **env})


def error(done, number):
    """The text of an error with this errno; one line."""
    assert done.returncode == 1, done
    code, _, text = done.stderr.partition(" ")
    assert int(code) == number, done.stderr
    assert text.count("\n") == 1 and text.strip()
    return text


class Service:
    """A good one; .with_(...) makes it answer otherwise."""

    def __init__(self):
        self.keys = [aesm.INTEL_KEY_ID]
        self.size = len(QUOTE)
        self.instead = {}  # number: answer, or list of one after another
        self.quote = QUOTE

    def __call__(self, number, fields):
        instead = self.instead.get(number, self)
        if isinstance(instead, list):
            instead = instead.pop(0) if instead else self
        if instead is not self:
            return instead
        if number == aesm.KEY_ID_NUM:
            return {1: 0, 2: len(self.keys)}
        if number == aesm.KEY_IDS:
            assert fields[1] == 256 * len(self.keys)
            return {1: 0, 2: b"".join(self.keys)}
        if number == aesm.INIT_QUOTE_EX:
            assert fields[1] in self.keys
            return {1: 0, 2: TARGET, 3: 32, 4: PUB_KEY_ID}
        if number == aesm.QUOTE_SIZE_EX:
            return {1: 0, 2: self.size}
        assert number == aesm.GET_QUOTE_EX
        assert fields[1] == REPORT and fields[2] in self.keys
        # Intel's service fills all of the room that it is told of.
        return {1: 0, 2: self.quote.ljust(fields[4], b"\0")}


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def mock(tmp_path, service):
    with aesm.Mock(tmp_path / "aesm", service) as m:
        yield m


@pytest.fixture
def report(tmp_path):
    path = tmp_path / "report"
    path.write_bytes(REPORT)
    return path


def test_target_and_quote(mock, service, report):
    done = client("target", mock.path)
    assert bytes.fromhex(done.stdout) == TARGET and done.returncode == 0
    assert mock.numbers() == [21, 22, 15]
    for size in len(QUOTE), len(QUOTE) + 1, 8192, 65536:
        service.size = size
        done = client("quote", mock.path, report)
        assert bytes.fromhex(done.stdout) == QUOTE
    assert mock.numbers()[-4:] == [21, 22, 16, 17]


def test_requests_byte_for_byte(mock, report):
    assert client("target", mock.path, timeout_ms=10000).returncode == 0
    assert client("quote", mock.path, report, timeout_ms=10000).returncode == 0
    key = aesm.INTEL_KEY_ID
    wanted = [(21, {}), (22, {1: 256}), (15, {1: key, 3: 1, 4: 32}), (21, {}),
              (22, {1: 256}), (16, {1: key}),
              (17, {1: REPORT, 2: key, 4: len(QUOTE)})]
    assert len(mock.requests) == len(wanted)
    for got, (number, fields) in zip(mock.requests, wanted):
        timeout = aesm.parse(got[4:])[1][9]
        assert 9000000 < timeout <= 10000000
        assert got == aesm.frame(number, {**fields, 9: timeout})
    # As Intel's own library writes it.
    assert len(mock.requests[2]) - 4 == 271
    assert mock.requests[2][4:10] == bytes.fromhex("7a8c020a8002")


def test_service_without_key_ids(mock, service, report):
    """One that has not loaded its modules has no key ids to tell."""
    for number in aesm.KEY_ID_NUM, aesm.KEY_IDS:
        for answer in ({1: 30}, {1: 0, 2: 0} if number == 21 else {1: 3},
                       aesm.frame(aesm.UNSUPPORTED, {1: 30})):
            service.instead = {number: answer}
            done = client("target", mock.path)
            assert bytes.fromhex(done.stdout) == TARGET, done.stderr


def test_key_is_chosen(mock, service, report):
    other = aesm.key_id(b"other" * 6, prod_id=9)
    epid = aesm.key_id(b"epid", algorithm=0)
    service.keys = [epid, other, aesm.INTEL_KEY_ID]
    assert client("target", mock.path).returncode == 0
    assert aesm.parse(mock.requests[-1][4:])[1][1] == other
    service.keys = [epid]
    assert "ECDSA" in error(client("target", mock.path), errno.EIO)


def test_key_is_initialised_and_asked_again(mock, service, report):
    for number in aesm.QUOTE_SIZE_EX, aesm.GET_QUOTE_EX:
        service.instead = {number: [{1: 42}]}
        del mock.requests[:]
        done = client("quote", mock.path, report)
        assert bytes.fromhex(done.stdout) == QUOTE
        assert mock.numbers()[-3:] == [15, 16, 17]
    # Never: it is not tried for ever, and the report is to be made again.
    service.instead = {aesm.GET_QUOTE_EX: {1: 42}}
    error(client("quote", mock.path, report), errno.EAGAIN)
    # Another quoting enclave has come: the report is for the old one.
    service.instead = {aesm.GET_QUOTE_EX: [{1: 42}, {1: 47}]}
    assert "again" in error(client("quote", mock.path, report), errno.EAGAIN)


@pytest.mark.parametrize("number", [15, 16, 17])
def test_every_error_code(mock, service, report, number):
    what = ["target"] if number == 15 else ["quote"]
    for code in [*range(1, 52), 0x7fffffff, 0xffffffff]:
        if code == 42 and number != 15:
            continue
        service.instead = {number: {1: code}}
        done = client(what[0], mock.path, report)
        text = error(done, {18: errno.EBUSY, 19: errno.EBUSY,
                            47: errno.EACCES}.get(code, errno.EIO))
        assert "AESM error %d)" % code in text and mock.path in text


INIT = {1: 0, 2: TARGET, 3: 32, 4: PUB_KEY_ID}
BROKEN = {
    "hangs up": None,
    "no length": b"\x01\0",
    "nothing": struct.pack("<I", 0),
    "cut off": aesm.frame(15, INIT)[:-1],
    "too long": struct.pack("<I", 128 * 1024 + 1) + bytes(1000),
    "far too long": b"\xff\xff\xff\xff",
    "garbage": struct.pack("<I", 64) + bytes(64),
    "ones": struct.pack("<I", 64) + b"\xff" * 64,
    "text": b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 200000,
    "other answer": aesm.frame(16, {1: 0, 2: 4000}),
    "two answers": struct.pack("<I", 2 * len(aesm.message(15, INIT))) +
    2 * aesm.message(15, INIT),
    "no error code": aesm.frame(15, {2: TARGET}),
    "two error codes": aesm.frame(15, {**INIT, 1: [0, 0]}),
    "error code of bytes": aesm.frame(15, {**INIT, 1: b"\0"}),
    "error code of 33 bits": aesm.frame(15, {**INIT, 1: 1 << 32}),
    "error code of 65 bits": aesm.frame(15, {**INIT, 1: 1 << 64}),
    "target of 511 bytes": aesm.frame(15, {**INIT, 2: TARGET[1:]}),
    "target of 513 bytes": aesm.frame(15, {**INIT, 2: TARGET + b"x"}),
    "no target": aesm.frame(15, {1: 0}),
    "a group": aesm.frame(15, {1: 0}) + b"",
    "field 0": struct.pack("<I", 4) + b"\x7a\x02\x00\x00",
    "length beyond the message": struct.pack("<I", 5) + b"\x7a\x7f\x08\0\0",
}


@pytest.mark.parametrize("how", BROKEN)
def test_broken_answers(mock, service, how):
    service.instead = {aesm.INIT_QUOTE_EX: BROKEN[how]}
    text = error(client("target", mock.path), errno.EPROTO)
    assert mock.path in text


def test_unknown_fields_are_passed_over(mock, service):
    service.instead = {15: aesm.frame(
        15, {1: 0, 2: TARGET, 77: b"new", 78: 1 << 63, 4: PUB_KEY_ID})}
    assert bytes.fromhex(client("target", mock.path).stdout) == TARGET


def test_false_quotes(mock, service, report):
    size = len(QUOTE)
    for bad in (b"", bytes(436), QUOTE[:-1], QUOTE[:435],
                bytes(432) + b"\xff\xff\xff\xff" + bytes(700),
                bytes(432) + struct.pack("<I", 701) + bytes(700)):
        service.instead = {17: {1: 0, 2: bad}}
        error(client("quote", mock.path, report), errno.EPROTO)
    service.instead = {17: {1: 0}}
    error(client("quote", mock.path, report), errno.EPROTO)
    # More than there was said to be room for.
    service.instead = {17: {1: 0, 2: QUOTE + bytes(1)}}
    error(client("quote", mock.path, report), errno.EPROTO)
    for wrong in 0, 1, 436, 65537, 0xffffffff:
        service.instead = {16: {1: 0, 2: wrong}}
        error(client("quote", mock.path, report), errno.EPROTO)
    service.instead = {}
    text = error(client("quote", mock.path, report, size - 1), errno.ENOSPC)
    assert str(size) in text
    assert client("quote", mock.path, report, size).returncode == 0


def test_number_of_keys_is_bounded(mock, service):
    service.instead = {21: {1: 0, 2: 17}}
    error(client("target", mock.path), errno.EPROTO)
    service.instead = {22: {1: 0, 2: aesm.INTEL_KEY_ID + b"x"}}
    error(client("target", mock.path), errno.EPROTO)


def test_slow_service(tmp_path):
    """A byte now and then is not an answer in time."""
    stop = threading.Event()

    def dribble(number, fields):
        stop.wait(30)

    with aesm.Mock(tmp_path / "s", dribble) as m:
        start = time.monotonic()
        text = error(client("target", m.path, timeout_ms=400),
                     errno.ETIMEDOUT)
        assert "400 ms" in text and time.monotonic() - start < 5
        stop.set()
    whole = aesm.frame(21, {1: 0, 2: 1})

    class Dribbling(aesm.Mock):
        def serve(self, sock):
            with sock:
                try:
                    aesm.receive(sock)
                    for byte in whole:
                        sock.sendall(bytes([byte]))
                        time.sleep(0.2)
                except OSError:
                    pass

    with Dribbling(tmp_path / "d", None) as m:
        start = time.monotonic()
        error(client("target", m.path, timeout_ms=600), errno.ETIMEDOUT)
        assert time.monotonic() - start < 5


def test_nobody_lets_in(tmp_path):
    """Somebody listens and accepts nothing."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(tmp_path / "s"))
    listener.listen(0)
    waiting = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
               for _ in range(2)]
    for s in waiting:
        s.setblocking(False)
        try:
            s.connect(str(tmp_path / "s"))
        except BlockingIOError:
            pass
    error(client("target", tmp_path / "s", timeout_ms=300), errno.ETIMEDOUT)
    for s in [listener, *waiting]:
        s.close()


def test_no_service(tmp_path, service):
    text = error(client("target", tmp_path / "nothing"), errno.ENOENT)
    assert "sconce las" in text
    # A socket left behind.
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left.bind(str(tmp_path / "left"))
    left.close()
    error(client("target", tmp_path / "left"), errno.ENOENT)
    (tmp_path / "file").write_text("")
    error(client("target", tmp_path / "file"), errno.ENOENT)
    error(client("target", tmp_path / ("x" * 200)), errno.ENOENT)


def test_where_it_is_looked_for(tmp_path, service):
    """$SCONCE_LAS and nothing else, or the user's own service first."""
    runtime = tmp_path / "run"
    (runtime / "sconce").mkdir(parents=True)
    env = {"XDG_RUNTIME_DIR": str(runtime)}
    with aesm.Mock(runtime / "sconce/las.sock", service) as m:
        assert client("target", "-", **env).returncode == 0
        assert len(m.requests) == 3
        assert client("target", "-", **env, SCONCE_LAS=m.path).returncode == 0
        gone = str(tmp_path / "gone")
        text = error(client("target", "-", **env, SCONCE_LAS=gone),
                     errno.ENOENT)
        assert gone in text


def test_abstract_socket(service):
    """Intel's older services have one, its name padded with NULs."""
    name = "sconce_test_%d" % os.getpid()
    with aesm.Mock("\0" + name.ljust(107, "\0"), service):
        assert client("target", "@" + name).returncode == 0
