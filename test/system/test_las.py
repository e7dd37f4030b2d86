# SPDX-License-Identifier: Apache-2.0
"""`sconce las`, asked by a client that is not ours, and its quotes, verified
by code that is not ours either."""

import hashlib
import os
import resource
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature

import aesm
import emulated
import quotes
import sconce

CLIENT = sconce.BUILD / "test/aesm-client"
REPORTDATA = bytes(range(64))


class Las:
    """A service; .stop() ends it."""

    def __init__(self, path, *args, mode="emulated", data="data", env=None):
        self.path = path / "las.sock"
        self.platform = path / data / "sconce/platform"
        self.env = {**os.environ, "XDG_DATA_HOME": str(path / data),
                    **(env or {})}
        self.process = subprocess.Popen(
            [sconce.SCONCE, "las", "--socket", self.path, "--mode", mode,
             *map(str, args)], stderr=subprocess.PIPE, text=True,
            env=self.env)
        # The line that says what it is comes once it listens.
        self.line = self.process.stderr.readline()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.stop()

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        status = self.process.wait(20)
        self.err = self.process.stderr.read()
        self.process.stderr.close()
        return status

    def keys(self):
        return emulated.Platform.load(self.platform)

    def ask(self, number, fields):
        return aesm.ask(self.path, number, fields)

    def key_id(self):
        assert self.ask(aesm.KEY_ID_NUM, {9: 1000000}) == {1: 0, 2: 1}
        answer = self.ask(aesm.KEY_IDS, {1: 256, 9: 1000000})
        assert answer[1] == 0 and len(answer[2]) == 256
        return answer[2]

    def target(self):
        answer = self.ask(aesm.INIT_QUOTE_EX,
                          {1: self.key_id(), 3: 1, 4: 32, 9: 1000000})
        assert answer[1] == 0 and answer[3] == 32 and len(answer[4]) == 32
        return answer[2]

    def quote(self, report, **more):
        key = self.key_id()
        size = self.ask(aesm.QUOTE_SIZE_EX, {1: key})[2]
        answer = self.ask(aesm.GET_QUOTE_EX, {1: report, 2: key, 4: size})
        assert answer[1] == 0, answer
        return answer[2]

    def code(self, number, fields):
        answer = self.ask(number, fields)
        assert list(answer) == [1], answer
        return answer[1]


@pytest.fixture
def las(tmp_path):
    with Las(tmp_path, "--collateral", tmp_path / "col") as las:
        yield las


def test_it_says_what_it_is(las):
    assert "EMULATED" in las.line and "prove nothing" in las.line
    assert str(las.path) in las.line
    assert stat.S_IMODE(las.path.stat().st_mode) == 0o666
    assert las.stop() == 0
    assert las.err == "" and not las.path.exists()


def test_quotes_are_good(las, tmp_path):
    """As a program in an enclave gets them, except for the enclave."""
    target = las.target()
    assert target[:18] == b"SCONCE-EMULATED-QE" and len(target) == 512
    report = las.keys().report(target, REPORTDATA)
    quote = las.quote(report)
    q = quotes.verify(quote, quotes.load_collateral(tmp_path / "col"))
    assert q.body.data == report[:384] and q.body.reportdata == REPORTDATA
    assert q.status == q.qe_status == "UpToDate"
    assert q.qe.mrsigner == quotes.QE_SIGNER
    assert q.qe.cpusvn == q.body.cpusvn == emulated.CPUSVN
    assert q.auth == bytes(range(32))
    assert q.user_data[16:] == bytes(4) and q.user_data[:16] != bytes(16)
    assert all("Sconce Emulated Platform" in name for name in q.names)
    assert q.extension["4"] == b"SCEMU\0" and len(q.extension["1"]) == 16
    assert q.extension["7"] == {"7.1": 0, "7.2": 0, "7.3": 255}
    again = quotes.parse(las.quote(report))
    assert again.key == q.key and again.qe_signature == q.qe_signature


def test_our_client(las, tmp_path):
    def client(*args):
        return subprocess.run([CLIENT, *map(str, args)], capture_output=True,
                              text=True, timeout=30)

    done = client("target", las.path)
    target = bytes.fromhex(done.stdout)
    assert target == las.target()
    report = tmp_path / "report"
    report.write_bytes(las.keys().report(target))
    quote = bytes.fromhex(client("quote", las.path, report).stdout)
    quotes.verify(quote, quotes.load_collateral(tmp_path / "col"))
    report.write_bytes(emulated.Platform.random().report(target))
    done = client("quote", las.path, report)
    assert done.returncode == 1 and done.stderr.startswith("13 ")
    assert "as this user" in done.stderr


def test_the_verifier_of_these_tests_refuses(las, tmp_path):
    """Or the tests above would mean nothing."""
    collateral = quotes.load_collateral(tmp_path / "col")
    quote = bytearray(las.quote(las.keys().report(las.target())))
    for at in [*range(0, 432, 7), *range(436, 1046, 5), 1100, 2000, 3000]:
        quote[at] ^= 1
        with pytest.raises((AssertionError, InvalidSignature, ValueError)):
            quotes.verify(bytes(quote), collateral)
        quote[at] ^= 1
    quotes.verify(bytes(quote), collateral)


def test_false_reports(las):
    key, target, mine = las.key_id(), las.target(), las.keys()

    def code(report):
        return las.code(aesm.GET_QUOTE_EX, {1: report, 2: key, 4: 8192})

    good = mine.report(target)
    assert las.ask(aesm.GET_QUOTE_EX, {1: good, 2: key, 4: 8192})[1] == 0
    # Changed, for somebody else, of another platform.
    for at in (0, 20, 64, 383, 384, 415, 416, 431):
        assert code(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:]) == 47
    other = bytes(32) + target[32:]
    assert code(mine.report(other)) == 47
    assert code(mine.report(target[:64] + b"x" + target[65:])) == 47
    assert code(emulated.Platform.random().report(target)) == 47
    assert code(bytes(432)) == 47
    # No reports.
    for report in (b"", good[:431], good + b"\0", bytes(4000)):
        assert code(report) == 3


def test_room_for_quotes(las):
    key, report = las.key_id(), las.keys().report(las.target())
    size = las.ask(aesm.QUOTE_SIZE_EX, {1: key})[2]
    for room in 0, 1, size - 1, 65537, 0xffffffff:
        assert las.code(aesm.GET_QUOTE_EX, {1: report, 2: key, 4: room}) == 3
    for room in size, size + 1, 65536:
        quote = las.ask(aesm.GET_QUOTE_EX, {1: report, 2: key, 4: room})[2]
        assert len(quote) == room and not any(quote[size:])
        quotes.parse(quote[:size])


def test_qe_report(las):
    """The quoting enclave reports to the enclave that its quote is its."""
    key, report = las.key_id(), las.keys().report(las.target())
    target, nonce = bytes(range(128)) + bytes(384), os.urandom(16)
    info = nonce + target + bytes(432)
    size = las.ask(aesm.QUOTE_SIZE_EX, {1: key})[2]
    answer = las.ask(aesm.GET_QUOTE_EX,
                     {1: report, 2: key, 3: info, 4: size})
    assert answer[1] == 0 and answer[3][:528] == info[:528]
    qe = answer[3][528:]
    assert emulated.check_mac(las.keys(), qe, target)
    body = quotes.parse_report(qe[:384])
    assert body.mrsigner == quotes.QE_SIGNER
    assert body.reportdata == hashlib.sha256(
        nonce + answer[2]).digest() + bytes(32)
    for wrong in (b"", info[1:], info + b"x"):
        assert las.code(aesm.GET_QUOTE_EX,
                        {1: report, 2: key, 3: wrong, 4: size}) == 3


def test_key_ids(las):
    key = las.key_id()
    assert key == aesm.key_id(quotes.QE_SIGNER)
    for wrong, code in ((aesm.INTEL_KEY_ID, 38), (b"", 3), (key[:255], 3)):
        for number, more in ((15, {3: 1, 4: 32}), (16, {}),
                             (17, {1: bytes(432), 4: 8192})):
            fields = {2 if number == 17 else 1: wrong, **more}
            assert las.code(number, fields) == code
    for size in 0, 255, 512:
        assert las.code(aesm.KEY_IDS, {1: size}) == 3
    assert las.code(aesm.INIT_QUOTE_EX, {1: key, 3: 1, 4: 31}) == 3
    # Only the size of the public key's id.
    answer = las.ask(aesm.INIT_QUOTE_EX, {1: key, 3: 0})
    assert answer[3] == 32 and 4 not in answer
    # Selecting: from all, from a list, from a list without ours.
    head = struct.pack("<HHI", 0, 0, 1)
    both = struct.pack("<HHI", 0, 0, 2) + aesm.INTEL_KEY_ID + key
    for chosen in ({}, {1: head + key}, {1: both}):
        assert las.ask(aesm.SELECT_KEY_ID, chosen) == {1: 0, 2: key}
    assert las.code(aesm.SELECT_KEY_ID, {1: head + aesm.INTEL_KEY_ID}) == 38
    for wrong in (head, head + key[1:], b"\1" + head[1:] + key,
                  struct.pack("<HHI", 0, 0, 0),
                  struct.pack("<HHI", 0, 0, 17) + 17 * key):
        assert las.code(aesm.SELECT_KEY_ID, {1: wrong}) == 3


def test_requests_of_other_times(las):
    for number in (1, 2, 3, 5, 10, 14, 100):
        with aesm.connect(las.path) as sock:
            sock.sendall(aesm.frame(number, {9: 1}))
            assert aesm.parse(aesm.receive(sock)) == (aesm.UNSUPPORTED,
                                                      {1: 30})


BROKEN = {
    "no length": b"\x01",
    "nothing": struct.pack("<I", 0),
    "too long": struct.pack("<I", 8193) + bytes(8193),
    "far too long": b"\xff" * 100,
    "garbage": struct.pack("<I", 64) + os.urandom(64),
    "text": b"GET / HTTP/1.1\r\n\r\n",
    "two messages": struct.pack("<I", 6) + 2 * aesm.message(21, {}),
    "no report": aesm.frame(17, {2: aesm.INTEL_KEY_ID, 4: 8192}),
    "two timeouts": aesm.frame(21, {9: [1, 2]}),
    "bytes for a number": aesm.frame(21, {9: b"1"}),
    "number for bytes": aesm.frame(16, {1: 7}),
    "33 bits": aesm.frame(21, {9: 1 << 32}),
}


@pytest.mark.parametrize("how", BROKEN)
def test_broken_requests(las, how):
    """They are hung up on, at once or when they say no more."""
    with aesm.connect(las.path) as sock:
        try:
            sock.sendall(BROKEN[how])
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(1000) == b""
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert las.key_id()


def test_every_cut(las):
    whole = aesm.frame(16, {1: las.key_id(), 9: 1000})
    for cut in range(len(whole)):
        with aesm.connect(las.path) as sock:
            sock.sendall(whole[:cut])
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(1000) == b""
    assert las.key_id()


def test_a_byte_at_a_time(las):
    with aesm.connect(las.path) as sock:
        for byte in aesm.frame(21, {9: 1000}):
            sock.sendall(bytes([byte]))
            time.sleep(0.01)
        # No more from this side, which does not end the service's answer.
        sock.shutdown(socket.SHUT_WR)
        assert aesm.parse(aesm.receive(sock)) == (21, {1: 0, 2: 1})
        assert sock.recv(1) == b""


def test_one_request_per_connection(las):
    with aesm.connect(las.path) as sock:
        sock.sendall(aesm.frame(21, {}))
        aesm.receive(sock)
        assert sock.recv(1) == b""


def raise_limit(count):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        pytest.skip("at most %d descriptors here" % hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def test_dawdlers_do_not_hold_up_others(las):
    """Far more than there are places; half of them half-open."""
    raise_limit(2048)
    held = []
    for i in range(600):
        sock = aesm.connect(las.path)
        if i % 2:
            sock.sendall(b"\x10\0\0")
        held.append(sock)
        if i % 50 == 49:
            start = time.monotonic()
            assert las.key_id()
            assert time.monotonic() - start < 3
    # The oldest had to go.
    assert held[0].recv(1) == b""
    # And who says nothing for long, too.
    held[-1].settimeout(10)
    start = time.monotonic()
    assert held[-1].recv(1) == b""
    assert 2 < time.monotonic() - start < 8
    for sock in held:
        sock.close()
    # It notices one after the other.
    end = time.monotonic() + 20
    fds = "/proc/%d/fd" % las.process.pid
    while len(os.listdir(fds)) >= 20 and time.monotonic() < end:
        time.sleep(0.05)
    assert len(os.listdir(fds)) < 20


def test_clients_that_do_not_read(las):
    """Their answers are as long as can be."""
    key, report = las.key_id(), las.keys().report(las.target())
    held = []
    for _ in range(100):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(str(las.path))
        sock.sendall(aesm.frame(17, {1: report, 2: key, 4: 65536}))
        held.append(sock)
    assert las.key_id()
    for sock in held:
        sock.close()
    assert las.key_id()


def test_many_at_once(las, tmp_path):
    report = las.keys().report(las.target())
    collateral = quotes.load_collateral(tmp_path / "col")
    with ThreadPoolExecutor(32) as pool:
        made = list(pool.map(lambda _: las.quote(report), range(200)))
    assert len(set(made)) == 200  # signatures differ
    for quote in made[::40]:
        quotes.verify(quote, collateral)


def test_without_descriptors(tmp_path):
    """Running out of them is a pause, not the end."""
    with Las(tmp_path) as las:
        resource.prlimit(las.process.pid, resource.RLIMIT_NOFILE, (12, 12))
        held = [aesm.connect(las.path) for _ in range(30)]
        time.sleep(0.3)
        for sock in held:
            sock.close()
        assert las.key_id()
        assert las.stop() == 0


def test_stop_finishes_answers(tmp_path):
    with Las(tmp_path) as las:
        dawdler = aesm.connect(las.path)
        assert las.key_id()  # it has been let in before
        start = time.monotonic()
        assert las.stop(signal.SIGINT) == 0
        assert time.monotonic() - start < 4
        assert dawdler.recv(1) == b""
        assert not las.path.exists()


def test_killed_and_started_again(tmp_path):
    """The platform is the same one; the socket left behind is no hindrance."""
    with Las(tmp_path, "--collateral", tmp_path / "col") as las:
        before = quotes.parse(las.quote(las.keys().report(las.target())))
        collateral = quotes.load_collateral(tmp_path / "col")
        assert las.stop(signal.SIGKILL) == -signal.SIGKILL
        assert las.path.exists()
    for _ in range(3):
        with Las(tmp_path) as las:
            quote = las.quote(las.keys().report(las.target()))
            after = quotes.verify(quote, collateral)
            assert after.key == before.key
            assert after.certification == before.certification
            assert after.user_data == before.user_data
            las.stop(signal.SIGKILL)


def test_two_at_one_place(las, tmp_path):
    done = subprocess.run(
        [sconce.SCONCE, "las", "--mode", "emulated", "--socket", las.path],
        capture_output=True, text=True, timeout=20, env=las.env)
    assert done.returncode == 125
    assert "another `sconce las`" in done.stderr
    assert las.key_id()


def test_first_starts_at_the_same_time(tmp_path):
    """Of one platform, all of them."""
    count = 8
    services, threads = [None] * count, []

    def start(i):
        services[i] = Las(tmp_path / str(i), data="../data")

    for i in range(count):
        (tmp_path / str(i)).mkdir()
        threads.append(threading.Thread(target=start, args=[i]))
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    made = set()
    for las in services:
        q = quotes.parse(las.quote(las.keys().report(las.target())))
        made.add((q.key, q.certification))
        assert las.stop() == 0
    assert len(made) == 1
    kept = os.listdir(tmp_path / "data/sconce")
    assert sorted(kept) == ["emulated-platform.pem", "platform"]
    mode = (tmp_path / "data/sconce/platform").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_another_platform(las, tmp_path):
    """Two users' platforms: neither takes reports or roots of the other."""
    with Las(make(tmp_path / "b"), "--collateral",
             tmp_path / "other") as other:
        target = las.target()
        assert target == other.target()
        quote = other.quote(other.keys().report(target))
        quotes.verify(quote, quotes.load_collateral(tmp_path / "other"))
        with pytest.raises(AssertionError):
            quotes.verify(quote, quotes.load_collateral(tmp_path / "col"))
        assert las.code(17, {1: other.keys().report(target),
                             2: las.key_id(), 4: 8192}) == 47


def make(path):
    path.mkdir()
    return path


# ---- on hardware: passing on to Intel's service ----

def intel(number, fields):
    if number == aesm.KEY_ID_NUM:
        return {1: 0, 2: 1}
    if number == aesm.KEY_IDS:
        return {1: 0, 2: aesm.INTEL_KEY_ID}
    if number == aesm.INIT_QUOTE_EX:
        return {1: 0, 2: bytes(512), 3: 32, 4: bytes(32)}
    if number == aesm.QUOTE_SIZE_EX:
        return {1: 0, 2: 4600}
    if number == aesm.GET_QUOTE_EX:
        return {1: 0, 2: bytes(432) + struct.pack("<I", 100) + bytes(4064)}


def test_forwarding(tmp_path):
    with aesm.Mock(tmp_path / "aesm", intel) as mock, \
            Las(tmp_path, "--aesm", mock.path, mode="auto") as las:
        assert "EMULATED" not in las.line and mock.path in las.line
        report = tmp_path / "report"
        report.write_bytes(bytes(432))
        done = subprocess.run([CLIENT, "quote", las.path, report],
                              capture_output=True, text=True, timeout=20)
        assert len(bytes.fromhex(done.stdout)) == 536, done.stderr
        # What goes on is what came, byte for byte.
        request = aesm.frame(15, {1: aesm.INTEL_KEY_ID, 3: 1, 4: 32, 9: 77})
        with aesm.connect(las.path) as sock:
            sock.sendall(request)
            assert aesm.parse(aesm.receive(sock)) == (
                15, intel(15, {}))
        assert mock.requests[-1] == request
        # What is broken does not go on.
        count = len(mock.requests)
        with aesm.connect(las.path) as sock:
            sock.sendall(BROKEN["two timeouts"])
            assert sock.recv(1) == b""
        assert len(mock.requests) == count
        assert las.stop() == 0
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("answer", [
    None, b"\0", struct.pack("<I", 1 << 30), struct.pack("<I", 4) + b"abcd",
    aesm.frame(16, {1: 0, 2: 1}), aesm.frame(15, {2: bytes(512)})])
def test_forwarding_to_a_broken_service(tmp_path, answer):
    with aesm.Mock(tmp_path / "aesm", lambda n, f: answer) as mock, \
            Las(tmp_path, "--aesm", mock.path, mode="hardware") as las:
        assert las.code(15, {1: aesm.INTEL_KEY_ID, 3: 1, 4: 32}) == 30


def test_slow_intel(tmp_path):
    """Who waits for it does not hold up who asks for something else."""
    go = threading.Event()

    def slow(number, fields):
        if number == aesm.GET_QUOTE_EX:
            go.wait(30)
        return intel(number, fields)

    with aesm.Mock(tmp_path / "aesm", slow) as mock, \
            Las(tmp_path, "--aesm", mock.path, mode="hardware") as las, \
            ThreadPoolExecutor(40) as pool:
        fields = {1: bytes(432), 2: aesm.INTEL_KEY_ID, 4: 4600}
        waiting = [pool.submit(las.ask, 17, fields) for _ in range(40)]
        start = time.monotonic()
        for _ in range(20):
            assert las.key_id() == aesm.INTEL_KEY_ID
        assert time.monotonic() - start < 5
        go.set()
        assert all(w.result()[1] == 0 for w in waiting)


def test_intel_goes_away(tmp_path):
    with aesm.Mock(tmp_path / "aesm", intel) as mock:
        las = Las(tmp_path, "--aesm", mock.path, mode="hardware")
    with las:
        assert las.code(21, {}) == 30


def test_modes(tmp_path):
    nothing = tmp_path / "nothing"
    with Las(tmp_path, "--aesm", nothing, mode="hardware") as las:
        assert las.process.wait(20) == 125 and "aesmd" in las.line
    with Las(tmp_path, "--aesm", nothing, mode="auto") as las:
        lines = [las.line]
        if "this machine has SGX" in lines[0]:
            lines.append(las.process.stderr.readline())
        assert "EMULATED" in lines[-1]


# ---- the command ----

def run(*args, **env):
    return subprocess.run([sconce.SCONCE, *map(str, args)], text=True,
                          capture_output=True, timeout=20,
                          env={**os.environ, **env})


def test_usage():
    help_text = run("help", "las").stdout
    assert help_text.count("\n") > 20 and "--collateral" in help_text
    assert run("las", "--help").stdout == help_text
    for args in (["--mode", "x"], ["--permissions", "999"], ["--nothing"],
                 ["--socket"], ["x"], ["--socket", "x" * 108],
                 ["--permissions", ""], ["--socket", "@abstract"],
                 ["--socket", "/nowhere/at/all", "--mode", "emulated"],
                 ["--socket", "/proc/version", "--mode", "emulated"]):
        done = run("las", *args)
        assert done.returncode == 125, args
        assert done.stderr.startswith("sconce: "), done.stderr
        assert done.stderr.count("\n") == 1


def test_default_place():
    """Of somebody who is not root; root's is the whole machine's."""
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} \
        if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory() as tmp:
        path = Path(tmp)
        if nobody:
            os.chown(tmp, nobody["user"], nobody["group"])
            if subprocess.run(["test", "-x", CLIENT], **nobody).returncode:
                pytest.skip("the build is not for everybody's eyes")
        env = {**os.environ, "XDG_RUNTIME_DIR": tmp,
               "XDG_DATA_HOME": str(path / "data")}
        las = subprocess.Popen(
            [sconce.SCONCE, "las", "--mode", "emulated"], text=True,
            stderr=subprocess.PIPE, env=env, **nobody)
        assert str(path / "sconce/las.sock") in las.stderr.readline()
        done = subprocess.run([CLIENT, "target", "-"], capture_output=True,
                              env=env, timeout=20)
        las.terminate()
        assert las.wait(20) == 0 and done.returncode == 0, done.stderr
        las.stderr.close()
        mode = (path / "sconce").stat().st_mode
        assert stat.S_IMODE(mode) == 0o700


def test_permissions(tmp_path):
    with Las(tmp_path, "--permissions", "0600") as las:
        assert stat.S_IMODE(las.path.stat().st_mode) == 0o600


def test_place_of_something_else(tmp_path):
    (tmp_path / "las.sock").write_text("precious")
    with Las(tmp_path) as las:
        assert las.process.wait(20) == 125
    assert (tmp_path / "las.sock").read_text() == "precious"


def test_systemd_is_told(tmp_path):
    for name in (str(tmp_path / "notify"), "\0sconce-test-%d" % os.getpid()):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.bind(name)
        sock.settimeout(20)
        with Las(tmp_path, env={
                "NOTIFY_SOCKET": name.replace("\0", "@")}):
            assert sock.recv(100) == b"READY=1"
        sock.close()


def test_collateral(tmp_path):
    """Written before it listens; anew at each start, with the same root."""
    def written():
        with Las(tmp_path, "--collateral", tmp_path / "col"):
            return {p.name: p.read_bytes()
                    for p in (tmp_path / "col").iterdir()}

    first, second = written(), written()
    assert sorted(first) == [
        "pck_crl.der", "qe_identity.json", "qe_identity_chain.pem",
        "root_ca.pem", "root_ca_crl.der", "tcb_info.json",
        "tcb_info_chain.pem"]
    assert sorted(first) == sorted(second)
    assert {n for n in first if first[n] != second[n]} == {
        n for n in first if n.endswith((".json", ".der"))}
    (tmp_path / "file").write_text("")
    with Las(tmp_path, "--collateral", tmp_path / "file") as las:
        assert las.process.wait(20) == 125
        assert str(tmp_path / "file") in las.line


def test_collateral_is_not_of_hardware(tmp_path):
    with aesm.Mock(tmp_path / "aesm", intel) as mock, \
            Las(tmp_path, "--collateral", tmp_path / "col", "--aesm",
                mock.path, mode="auto") as las:
        assert las.process.wait(20) == 125 and "collateral" in las.line
    assert not (tmp_path / "col").exists()


def test_damaged_platform(tmp_path):
    (tmp_path / "data/sconce").mkdir(parents=True)
    platform = tmp_path / "data/sconce/platform"
    platform.write_bytes(bytes(56))
    platform.chmod(0o600)
    with Las(tmp_path) as las:
        assert las.process.wait(20) == 125
        assert "platform" in las.line
