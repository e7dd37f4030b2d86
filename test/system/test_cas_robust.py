# SPDX-License-Identifier: Apache-2.0
"""CAS under clients that mean no good, clocks that jump, full disks and
witnesses that are away: others are served, nothing is lost or leaks."""

import os
import resource
import select
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest

import sconce
from cas_server import Cas, tls

HELLO = bytes.fromhex(
    "a56269640162" + "6f7000" + "64636f646500" + "6773657373696f6e"
    + "63612f62" + "6865766964656e6365" + "420102")
HELLO = struct.pack("<I", len(HELLO)) + HELLO
CLIENT_HELLO = bytes.fromhex("1603010200010001fc0303")


@pytest.fixture(scope="module", autouse=True)
def descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def cas(tmp_path_factory):
    with Cas(tmp_path_factory.mktemp("robust")) as cas:
        cas.person("alice").create("name: there\nversion: '1.0'\n")
        yield cas


def connect(port):
    return socket.create_connection(("127.0.0.1", port), 20)


def connect_tls(port, context=None):
    return (context or tls()).wrap_socket(connect(port))


def serves(cas, seconds=5.0):
    """Others are served, on both ports, within this time."""
    start = time.monotonic()
    answer = cas.person("alice").ask("GET", "/v1/sessions/there")
    assert answer.status == 200, answer
    with connect_tls(cas.enclave_port) as s:
        s.sendall(HELLO)
        assert s.recv(4)
    assert time.monotonic() - start < seconds


def set_clock(shift, real, monotonic):
    """In place: the file is mapped, and must not be empty for a moment."""
    with open(shift, "r+b") as f:
        f.write(struct.pack("qq", real, monotonic))


def ended(s, seconds):
    """Whether the other side ends the connection within this time."""
    s.settimeout(seconds)
    try:
        while s.recv(65536):
            pass
        return True
    except TimeoutError:
        return False
    except OSError:
        return True


def memory(cas):
    status = Path("/proc/%d/status" % cas.process.pid).read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def cpu(cas):
    fields = Path("/proc/%d/stat" % cas.process.pid).read_text() \
        .rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- garbage ----

@pytest.mark.parametrize("junk", [
    b"GET / HTTP/1.1\r\n\r\n", b"\0" * 4096, b"\xff" * 70000,
    CLIENT_HELLO + os.urandom(600), b"\x16\x03\x01\xff\xff" + bytes(70000),
    b"\x15\x03\x03\0\2\2\x28", b""], ids=range(7))
def test_garbage_before_tls(cas, junk):
    for port in (cas.port, cas.enclave_port):
        with connect(port) as s:
            try:
                s.sendall(junk)
                s.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            assert ended(s, 10), port
    serves(cas)


@pytest.mark.parametrize("junk", [
    b"\0" * 4096, b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n",
    b"GET /" + b"a" * 40000, b"GET / HTTP/1.1\r\nA: " + b"b" * 40000,
    b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 9000,
    b"POST /v1/sessions HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    b"POST /v1/sessions HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n",
    b"POST /v1/sessions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /v1/sessions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"7fffffffffffffff\r\n"], ids=range(10))
def test_garbage_for_people_in_tls(cas, junk):
    with connect_tls(cas.port) as s:
        try:
            s.sendall(junk)
        except OSError:
            return
        s.settimeout(1)
        try:
            got = s.recv(65536)
        except OSError:
            got = b""
        assert not got or got.split()[1][:1] in b"45", got
    serves(cas)


@pytest.mark.parametrize("junk", [
    b"\0\0\0\0", b"\xff\xff\xff\xff", struct.pack("<I", 256 * 1024 + 1),
    struct.pack("<I", 5) + b"\xa1\x61\x61\x01\x02", b"\x80\x00\x00\x00" +
    os.urandom(70000),
    struct.pack("<I", 5) + b"\xbf\xff\xff\xff\xff"], ids=range(6))
def test_garbage_for_enclaves_in_tls(cas, junk):
    with connect_tls(cas.enclave_port) as s:
        try:
            s.sendall(junk)
        except OSError:
            pass
        assert ended(s, 10)
    serves(cas)


@pytest.mark.parametrize("size", [2 * 2 ** 20 + 1, 3 * 2 ** 20])
def test_bodies_that_are_too_large(cas, size):
    alice = cas.person("alice")
    answer = alice.ask("POST", "/v1/sessions", b"x" * size)
    assert answer.status == 413, answer
    answer = alice.ask("POST", "/v1/sessions", b"x" * (2 * 2 ** 20 - 5))
    assert answer.status == 400 and answer.error == "EINVAL", answer
    answer = alice.ask("GET", "/v1/version", headers={"A": "b" * 20000})
    assert answer.status == 400


def test_a_body_without_end(cas):
    with connect_tls(cas.port) as s:
        s.sendall(b"POST /v1/sessions HTTP/1.1\r\n"
                  b"Transfer-Encoding: chunked\r\n\r\n")
        before, sent = memory(cas), 0
        try:
            while sent < 64 << 20:
                s.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
                sent += 65536
        except OSError:
            pass
        assert sent < 32 << 20, "nobody stopped it"
        assert memory(cas) - before < 16 << 20
    serves(cas)


def test_older_tls_is_refused(cas):
    for port in (cas.port, cas.enclave_port):
        context = tls()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(OSError):
            connect_tls(port, context).close()
        with connect_tls(port) as s:
            assert s.version() == "TLSv1.3"
    serves(cas)


# ---- many, slow, greedy ----

def test_two_thousand_connections(cas):
    held = [connect(port) for port in (cas.port, cas.enclave_port)
            for _ in range(850)]
    for s in held[::2]:
        s.sendall(CLIENT_HELLO)
    held += [connect_tls(port) for port in (cas.port, cas.enclave_port)
             for _ in range(150)]
    for s in held[1700:1850]:
        s.sendall(b"GET /v1/version HTTP/1.1\r\nHost")
    assert len(held) == 2000
    serves(cas)
    # All of the enclaves' are counted, and go away.
    assert cas.metrics()["connections"] >= 1000
    for s in held:
        s.close()
    cas.until("connections", lambda: cas.metrics()["connections"] == 0)
    serves(cas)


def test_requests_without_reading_the_answers(cas):
    before = memory(cas)
    request = b"GET /v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"
    for port, data in ((cas.port, request * 200),
                       (cas.enclave_port, HELLO * 200)):
        with connect_tls(port) as s:
            s.setblocking(False)
            end = time.monotonic() + 4
            sent = 0
            while time.monotonic() < end and sent < 200 << 20:
                try:
                    sent += s.send(data)
                except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                    # It reads no more, as it should be.
                    select.select([], [s], [], 0.2)
                except OSError:
                    break
            assert memory(cas) - before < 64 << 20, (data[:9], sent)
            serves(cas)


def test_resets_in_the_middle(cas):
    alice = cas.person("alice")
    body = b"name: reset%d\nversion: '1.0'\n"
    for i in range(60):
        s = connect_tls(cas.port, alice.context)
        text = body % i
        request = (b"POST /v1/sessions HTTP/1.1\r\nHost: a\r\n"
                   b"Content-Length: %d\r\n\r\n" % len(text)) + text
        s.sendall(request[:len(request) - i % 3])
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     struct.pack("ii", 1, 0))
        s.close()
    serves(cas)
    # Each is there whole, or not at all.
    for name in alice.ask("GET", "/v1/sessions?prefix=reset").json["sessions"]:
        assert alice.ask("GET", "/v1/sessions/" + name).status == 200


def drip(sockets, stop):
    while not stop.wait(1):
        for s in sockets:
            try:
                s.send(b"a")
            except OSError:
                pass


def test_slow_clients_hold_nobody_up_and_are_ended(tmp_path):
    shift = tmp_path / "shift"
    shift.write_bytes(bytes(16))
    env = {"LD_PRELOAD": str(sconce.BUILD / "test/clock-shift.so"),
           "CLOCK_SHIFT": str(shift)}
    with Cas(tmp_path, env=env) as cas:
        cas.person("alice").create("name: there\nversion: '1.0'\n")
        people = [connect_tls(cas.port) for _ in range(100)]
        for s in people:
            s.sendall(b"GET /v1/version HTTP/1.1\r\nA: ")
        enclaves = [connect_tls(cas.enclave_port) for _ in range(100)]
        for s in enclaves[:50]:
            s.sendall(struct.pack("<I", 200000))
        for s in enclaves[50:]:
            # Refused, and it stays.
            s.sendall(HELLO)
        shaking = [connect(p) for p in (cas.port, cas.enclave_port)
                   for _ in range(50)]
        for s in shaking:
            s.sendall(b"\x16\x03\x01\x20\0")
        stop = threading.Event()
        thread = threading.Thread(target=drip, args=(
            people + enclaves[:50] + shaking, stop))
        thread.start()
        try:
            time.sleep(2)
            serves(cas)
            assert not ended(people[0], 0.1) and not ended(enclaves[0], 0.1)
            # 21 s later for enclaves, 61 for people; a byte came just now.
            set_clock(shift, 0, 21)
            for s in enclaves + shaking[50:]:
                assert ended(s, 5)
            assert not ended(people[0], 0.1)
            set_clock(shift, 0, 61)
            for s in people + shaking[:50]:
                assert ended(s, 5)
            serves(cas)
        finally:
            stop.set()
            thread.join()


def test_no_descriptors_left(tmp_path):
    class Few(Cas):
        def command(self):
            return ["/bin/sh", "-c", 'ulimit -n 200; exec "$0" "$@"',
                    *super().command()]

    with Few(tmp_path) as cas:
        cas.person("alice").create("name: there\nversion: '1.0'\n")
        held = []
        for port in (cas.port, cas.enclave_port):
            for _ in range(150):
                held.append(connect(port))

        def calm():
            before = cpu(cas)
            time.sleep(1)
            return cpu(cas) - before < 0.1

        # Once the first keys are made.
        cas.until("it turns in circles", calm, 40)
        for s in held:
            s.close()
        serves(cas, 10)
        assert cas.log.stat().st_size < 20000


def test_rate_of_each_client(tmp_path):
    with Cas(tmp_path, "--rate", "5") as cas:
        alice, bob = cas.person("alice"), cas.person("bob")
        answers = [alice.ask("GET", "/v1/sessions") for _ in range(30)]
        refused = [a for a in answers if a.status != 200]
        assert 10 <= len(answers) - len(refused) <= 25
        for a in refused:
            assert (a.status, a.error) == (429, "EDQUOT")
            assert int(a.headers["Retry-After"]) >= 1
        assert bob.ask("GET", "/v1/sessions").status == 200
        assert all(cas.health().status == 200 for _ in range(30))
        time.sleep(int(refused[-1].headers["Retry-After"]) + 0.1)
        assert alice.ask("GET", "/v1/sessions").status == 200


# ---- clocks ----

HOLD = """
name: hold
version: "1.0"
services:
  - {name: s, command: [/bin/sleep, "600"], instances: 1, lease: 60s}
  - {name: t, command: [/bin/sh, -c, "echo $CERT"],
     environment: {CERT: "$$SCONE::c$$"}}
secrets:
  - {name: k, kind: private-key}
  - {name: c, kind: x509-ca, private_key: k, common_name: Hold,
     export_public: true, valid_for: 30d}
security: {attestation: {mode: none}, service_access_token: "sesame"}
"""


def test_clocks_that_jump(tmp_path):
    shift = tmp_path / "shift"
    shift.write_bytes(bytes(16))
    env = {"LD_PRELOAD": str(sconce.BUILD / "test/clock-shift.so"),
           "CLOCK_SHIFT": str(shift)}
    with Cas(tmp_path, env=env) as cas:
        alice = cas.person("alice")
        alice.create(HOLD)
        alice.attest().check()
        command = [sconce.SCONCE, "exec", "-q", "--session", "hold/s",
                   "--token", "sesame", "--"]
        service = subprocess.Popen(command, env=alice.env())
        try:
            cas.until("the instance",
                      lambda: cas.metrics()["instances"] == 1)
            # A day back, two days on: the log goes on, sessions are made,
            # services are configured, people are known.
            for i, seconds in enumerate((-86400, 2 * 86400, 0)):
                set_clock(shift, seconds, 0)
                time.sleep(2.5)
                alice.create("name: at%d\nversion: '1.0'\n" % i)
                done = alice.cli("exec", "-q", "--session", "hold/t",
                                 "--token", "sesame", "--").check()
                assert "BEGIN CERTIFICATE" in done.out
                assert service.poll() is None
                assert cas.health().status == 200
            # What is longer ago than a lease is over, or said again: but
            # never two at once.
            assert cas.metrics()["instances"] <= 2
            cas.again()
            assert alice.ask("GET", "/v1/sessions/at0").status == 200
            log = tmp_path / "log"
            cas.owner.cli("audit", "fetch", "-o", log).check()
            cas.owner.cli("audit", "verify", "--cas-key", cas.key,
                          log).check()
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait(20)


# ---- witnesses ----

def test_witnesses_away(tmp_path):
    with Cas(tmp_path, witnesses=3) as cas:
        alice = cas.person("alice")
        alice.create("name: before\nversion: '1.0'\n")
        assert cas.health().status == 200
        cas.witnesses[0].stop()
        alice.create("name: one-less\nversion: '1.0'\n")
        os.kill(cas.witnesses[1].process.pid, signal.SIGSTOP)
        hashes = []
        thread = threading.Thread(target=lambda: hashes.append(
            cas.person("bob").create("name: waits\nversion: '1.0'\n")))
        thread.start()
        # Who goes away in the middle takes nothing with him.
        with connect_tls(cas.port, alice.context) as s:
            s.sendall(b"POST /v1/sessions HTTP/1.1\r\nContent-Length: 26\r\n"
                      b"\r\nname: gone\nversion: '1.0'\n")
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                         struct.pack("ii", 1, 0))
        cas.until("503", lambda: cas.health().status == 503)
        why = cas.health().json
        assert why["code"] == "EAGAIN" and "witness" in why["error"], why
        time.sleep(1)
        assert not hashes, "it was acknowledged without a quorum"
        os.kill(cas.witnesses[1].process.pid, signal.SIGCONT)
        cas.witnesses[0].start()
        thread.join(40)
        assert hashes
        cas.until("200", lambda: cas.health().status == 200)
        alice.create("name: after\nversion: '1.0'\n")
        cas.again(signal.SIGKILL)
        assert cas.person("bob").ask(
            "GET", "/v1/sessions/waits").json["hash"] == hashes[0]
        assert alice.ask("GET", "/v1/sessions/after").status == 200


# ---- a full disk ----

def can_mount():
    return subprocess.run(
        ["unshare", "-r", "-m", "sh", "-c", "mount -t tmpfs x /mnt"],
        capture_output=True).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="no mount name spaces here")
def test_full_disk(tmp_path):
    state = tmp_path / "cas"
    state.mkdir()

    class Small(Cas):
        def command(self):
            return ["unshare", "-r", "-m", "sh", "-c",
                    'mount -t tmpfs -o size=2m x "$0" && exec "$@"',
                    state, *super().command()]

    with Small(tmp_path) as cas:
        alice, done, over = cas.person("alice"), [], threading.Event()
        inside = Path("/proc/%d/root%s" % (cas.process.pid, state))
        text = "name: s%d\nversion: '1.0'\nservices: [{name: a, command: " \
            "[/x, '%s'], attestation: {sgx: {mrenclave: '%s'}}}]\n"

        def fill():
            for i in range(400):
                if over.is_set():
                    return
                alice.create(text % (i, "y" * 20000, "ab" * 32))
                done.append(i)

        alice.create("name: first\nversion: '1.0'\n")
        (inside / "filler").write_bytes(bytes(700 * 1024))
        thread = threading.Thread(target=fill)
        thread.start()
        cas.until("503", lambda: cas.health().status == 503, 60)
        why = cas.health().json["error"]
        assert "full" in why or "space" in why, why
        assert cas.metrics()["commit_failing"] == 1
        time.sleep(1.5)
        acknowledged = len(done)
        assert 0 < acknowledged < 400
        time.sleep(1)
        assert len(done) == acknowledged, "acknowledged without a disk"
        # Reading needs the log; figures do not.
        assert cas.person("nobody").ask("GET", "/metrics").status == 200
        over.set()
        (inside / "filler").unlink()
        thread.join(30)
        cas.until("more", lambda: len(done) > acknowledged)
        cas.until("200", lambda: cas.health().status == 200)
        for i in (0, acknowledged - 1):
            assert alice.ask("GET", "/v1/sessions/s%d" % i).status == 200
