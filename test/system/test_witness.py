# SPDX-License-Identifier: Apache-2.0
"""`sconce witness` and the client of witnesses (bench-witness drives it):
faults of processes, disks, networks and of those who connect."""

import hashlib
import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import \
    Ed25519PrivateKey

import sconce

CLIENT = sconce.BUILD / "bin/bench-witness"
KEY = bytes(31) + b"\7"


class Witness:
    """A process; .stop() ends it, start() begins anew with the same state."""

    def __init__(self, path, *args, port=0, key=None):
        self.state, self.args, self.port = path, list(args), port
        self.key_file = key
        self.start()

    def start(self, enclave=False):
        command = [sconce.SCONCE, "witness"]
        if enclave:
            command = [sconce.SCONCE, "run", "-v", "/tmp:/tmp", "--",
                       sconce.BUILD / "bin/sconce-witness"]
        self.process = subprocess.Popen(
            [*map(str, command), "--listen", "127.0.0.1:%d" % self.port,
             "--state", str(self.state), *map(str, self.args)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            bufsize=1)
        line = self.process.stdout.readline()
        found = re.fullmatch(
            r"sconce witness: listening at 127\.0\.0\.1:(\d+), key (\w{64})\n",
            line)
        assert found, (line, self.process.stderr.read())
        self.port, self.hash = int(found[1]), found[2]
        self.name = "127.0.0.1:%d=%s" % (self.port, self.hash)

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(20)
        self.err = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return status

    def restart(self, number=signal.SIGKILL):
        self.stop(number)
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.returncode is None:
            self.stop(signal.SIGKILL)


class Cas:
    """The client, step by step."""

    def __init__(self, *witnesses, key=KEY, timeout=2000):
        self.process = subprocess.Popen(
            [CLIENT, key.hex(), "0", str(timeout),
             *(w.name for w in witnesses)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            bufsize=1)
        line = self.process.stdout.readline()
        found = re.fullmatch(
            r"term (\d+) seq (\d+) head (\w{64}) exists ([01])\n", line)
        self.failed = None if found else self.process.stderr.read()
        if found:
            self.term, self.seq = int(found[1]), int(found[2])
            self.head, self.exists = found[3], found[4] == "1"

    def append(self):
        """'5 3/3', 'stale: ...' or 'timeout: ...'"""
        self.process.stdin.write("\n")
        return self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture
def three(tmp_path):
    group = [Witness(tmp_path / ("w%d" % i)) for i in range(3)]
    yield group
    for w in group:
        if w.process.returncode is None:
            w.stop(signal.SIGKILL)


def test_help():
    done = subprocess.run([sconce.SCONCE, "witness", "--help"],
                          capture_output=True, text=True)
    assert done.returncode == 0 and "--state DIR" in done.stdout
    for bad, what in (([], "--state DIR is missing"),
                      (["--state", "x", "--clusters", "0"], "from 1 to 65536"),
                      (["--state", "x", "--only", "ab"], "64 hexadecimal"),
                      (["--stat"], "lists the options")):
        done = subprocess.run([sconce.SCONCE, "witness", *bad],
                              capture_output=True, text=True)
        assert done.returncode == 125 and what in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_appends(three):
    with Cas(*three) as cas:
        assert (cas.seq, cas.exists) == (0, False)
        assert [cas.append()[0] for _ in range(5)] == list("12345")
    with Cas(*three) as again:
        assert again.exists and again.seq == 5 and again.term > cas.term
        assert again.append().startswith("6 ")
    assert all(w.stop() == 0 and w.err == "" for w in three)
    assert all(w.state.joinpath("witness.state").stat().st_size == 1024
               for w in three)


def test_second_instance_fences_the_first(three):
    with Cas(*three) as first:
        assert first.append().startswith("1 ")
        with Cas(*three) as second:
            assert second.seq == 1
            answer = first.append()
            assert answer.startswith("stale: ") and "another CAS" in answer
            assert second.append().startswith("2 ")
            assert first.append().startswith("stale: ")


def test_one_may_fail(three):
    with Cas(*three) as cas:
        assert cas.append().startswith("1 ")
        three[0].stop(signal.SIGKILL)
        assert cas.append().startswith("2 ")
        three[1].stop(signal.SIGKILL)
        answer = cas.append()
        assert answer.startswith("timeout: ") and "wanted 2" in answer
        assert three[0].name.split("=")[0] in answer
        # The first missed an append: it gets the newest alone.
        three[0].start()
        assert cas.append().startswith("3 ")
        three[2].stop(signal.SIGKILL)
        three[1].start()
        assert cas.append().startswith("4 ")
    with Cas(three[0], three[1], three[2]) as cas:
        assert cas.seq == 4


def test_killed_at_any_time(three):
    """What was acknowledged is what the next one finds."""
    acknowledged = 0
    for turn in range(6):
        with Cas(*three, timeout=5000) as cas:
            assert acknowledged <= cas.seq <= acknowledged + 1
            for i in range(12):
                if i % 4 == turn % 4:
                    three[(turn + i) % 3].restart()
                answer = cas.append()
                assert answer[0].isdigit(), answer
                acknowledged = int(answer.split()[0])


def test_a_silent_one(three):
    """Stopped, not dead: connections stay open and nothing comes."""
    with Cas(*three) as cas:
        three[2].process.send_signal(signal.SIGSTOP)
        start = time.monotonic()
        assert [cas.append().split()[0] for _ in range(20)] == \
            [str(i) for i in range(1, 21)]
        assert time.monotonic() - start < 2
        three[2].process.send_signal(signal.SIGCONT)
        time.sleep(0.2)
        cas.append()
        time.sleep(0.2)
        assert cas.append() == "22 3/3"


def test_old_disk(three):
    """One of three restored from a copy: with all three answering, what was
    acknowledged is found. All but one restored: it is not, as documented."""
    copies = [w.state.with_name(w.state.name + ".old") for w in three]
    with Cas(*three) as cas:
        cas.append()
    for w, copy in zip(three, copies):
        w.stop()
        shutil.copytree(w.state, copy)
        w.start()
    with Cas(*three) as cas:
        assert [cas.append().split()[0] for _ in range(4)][-1] == "5"
        time.sleep(0.1)
        assert cas.append() == "6 3/3"

    def restore(i):
        three[i].stop()
        shutil.rmtree(three[i].state)
        shutil.copytree(copies[i], three[i].state)
        three[i].start()
    restore(0)
    with Cas(*three) as cas:
        assert cas.seq == 6
    for i in 0, 1, 2:
        restore(i)
    with Cas(*three) as cas:
        assert cas.seq == 1


def test_wrong_key(three, tmp_path):
    """Somebody else at the address is nobody."""
    three[0].stop()
    os.unlink(three[0].state / "key.pem")
    old = three[0].name
    three[0].start()
    assert three[0].name != old
    three[0].name, fresh = old, three[0].name
    three[1].stop()
    with Cas(*three, timeout=700) as cas:
        assert "another key than the one that is configured" in cas.failed
    three[0].name = fresh
    with Cas(*three, timeout=2000) as cas:
        assert cas.failed is None


def test_the_same_twice(three):
    with Cas(three[0], three[1], three[1]) as cas:
        assert "have the same key" in cas.failed
    with Cas(three[0], three[1]) as cas:
        assert "wanted 1, 3, 5" in cas.failed


def cluster_of(key):
    public = Ed25519PrivateKey.from_private_bytes(key).public_key()
    return hashlib.sha256(public.public_bytes(
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def test_clusters_are_apart(three):
    with Cas(*three) as one, Cas(*three, key=bytes(32)) as other:
        assert one.append().startswith("1 ")
        assert not other.exists
        assert other.append().startswith("1 ")
        assert one.append().startswith("2 ")


def test_only(tmp_path):
    with Witness(tmp_path / "w", "--only", cluster_of(KEY)) as w:
        with Cas(w) as cas:
            assert cas.append() == "1 1/1"
        with Cas(w, key=bytes(32)) as cas:
            assert "do not let this cluster in" in cas.failed


def test_clusters_are_bounded(tmp_path):
    with Witness(tmp_path / "w", "--clusters", "2") as w:
        for i in range(4):
            with Cas(w, key=bytes(31) + bytes([i])) as cas:
                assert (cas.failed is None) == (i < 2)


def test_damaged_state(tmp_path):
    with Witness(tmp_path / "w") as w:
        with Cas(w) as cas:
            cas.append()
        w.stop()
        file = w.state / "witness.state"
        data = bytearray(file.read_bytes())
        data[100] ^= 1
        file.write_bytes(data)
        done = subprocess.run(
            [sconce.SCONCE, "witness", "--state", w.state, "--listen",
             "127.0.0.1:0"], capture_output=True, text=True, timeout=20)
        assert done.returncode == 125 and "--repair" in done.stderr
        w.args.append("--repair")
        w.start()
        with Cas(w) as cas:
            assert cas.seq == 0


def test_one_process_per_state(tmp_path):
    with Witness(tmp_path / "w") as w:
        done = subprocess.run(
            [sconce.SCONCE, "witness", "--state", w.state, "--listen",
             "127.0.0.1:0"], capture_output=True, text=True, timeout=20)
        assert done.returncode == 125
        assert "another witness has it" in done.stderr


def tls(w, tmp_path, key=KEY):
    """A connection with a client key, by another TLS client than ours."""
    from cryptography import x509
    from datetime import datetime, timedelta
    private = Ed25519PrivateKey.from_private_bytes(key)
    name = x509.Name([])
    cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
            .public_key(private.public_key()).serial_number(1)
            .not_valid_before(datetime.utcnow() - timedelta(days=1))
            .not_valid_after(datetime.utcnow() + timedelta(days=1))
            .sign(private, None))
    file = tmp_path / "client.pem"
    file.write_bytes(private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()) + cert.public_bytes(
            serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(file)
    s = socket.create_connection(("127.0.0.1", w.port), 5)
    return context.wrap_socket(s)


def frame(number, op, term=0, from_seq=0, to_seq=0):
    def uint(v):
        return bytes([v]) if v < 24 else bytes([0x18, v])
    body = b"\x88\x01" + uint(number) + uint(op) + uint(term) + \
        uint(from_seq) + b"\x58\x20" + bytes(32) + uint(to_seq) + \
        b"\x58\x20" + bytes(32)
    return struct.pack("<I", len(body)) + body


def receive(s):
    data = b""
    while len(data) < 4 or len(data) < 4 + struct.unpack("<I", data[:4])[0]:
        more = s.recv(1)
        if not more:
            return None
        data += more
    return data[4:]


def test_another_client(tmp_path):
    """The protocol as documented, byte by byte."""
    with Witness(tmp_path / "w") as w:
        with tls(w, tmp_path) as s:
            assert hashlib.sha256(s.getpeercert(True)).digest()
            assert s.version() == "TLSv1.3"
            s.sendall(frame(1, 0))
            assert receive(s) == b"\x87\x01\x01\0\0\0\0\x58\x20" + bytes(32)
            # In pieces, and many at once: each is answered, in order.
            for byte in frame(2, 1, 5):
                s.sendall(bytes([byte]))
            assert receive(s)[:7] == b"\x87\x01\x02\x00\x05\0\0"
            s.sendall(b"".join(frame(3, 2, 5, n, n + 1) for n in range(100)))
            for n in range(100):
                assert receive(s)[3] == 0
            s.sendall(frame(4, 1, 5))
            assert receive(s)[:6] == b"\x87\x01\x04\x01\x05\x05"
    with Witness(tmp_path / "v") as w:
        for bad in (b"\0\0\0\0", b"\xff\xff\xff\xff", frame(1, 3),
                    b"\1\0\0\0\0", frame(1, 0)[:-1] + b"\0" * 90):
            with tls(w, tmp_path) as s:
                s.sendall(bad)
                if bad == frame(1, 0)[:-1] + b"\0" * 90:
                    receive(s)
                assert s.recv(1) == b""


def test_slow_and_half_open(tmp_path):
    """Strangers who connect and are silent do not keep CAS out."""
    with Witness(tmp_path / "w", "--connections", "8") as w, Cas(w) as cas:
        assert cas.append().startswith("1 ")
        idle = [socket.create_connection(("127.0.0.1", w.port))
                for _ in range(50)]
        for _ in range(5):
            assert cas.append()[0].isdigit()
        known = [tls(w, tmp_path) for _ in range(3)]
        assert cas.append() == "7 1/1"
        # Most of the idle ones were closed to make room.
        closed = 0
        for s in idle:
            s.settimeout(0.2)
            try:
                closed += s.recv(1) == b""
            except ConnectionResetError:
                closed += 1
            except socket.timeout:
                pass
            s.close()
        assert closed >= 40
        for s in known:
            s.close()


def test_plain_text_and_no_certificate(tmp_path):
    with Witness(tmp_path / "w") as w:
        with socket.create_connection(("127.0.0.1", w.port), 5) as s:
            s.sendall(b"GET / HTTP/1.1\r\n\r\n")
            s.settimeout(5)
            try:
                while s.recv(100):
                    pass
            except ConnectionResetError:
                pass
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with pytest.raises((ssl.SSLError, ConnectionError)):
            with context.wrap_socket(socket.create_connection(
                    ("127.0.0.1", w.port), 5)) as s:
                s.sendall(frame(1, 0))
                if s.recv(1) == b"":
                    raise ConnectionError
        with Cas(w) as cas:
            assert cas.append() == "1 1/1"


def test_in_an_enclave(tmp_path):
    w = Witness(tmp_path / "w")
    w.stop()
    w.start(enclave=True)
    with w, Cas(w, timeout=10000) as cas:
        assert cas.append() == "1 1/1"
        assert cas.append() == "2 1/1"
    w.start(enclave=True)
    with Cas(w, timeout=10000) as cas:
        assert cas.seq == 2
    assert w.stop() == 0
