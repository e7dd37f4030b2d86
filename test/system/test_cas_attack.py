# SPDX-License-Identifier: Apache-2.0
"""What strangers and accounts of CAS try against the running server."""
import contextlib
import json
import os
import re
import resource
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

import sconce

EXE = os.path.join(os.path.dirname(sconce.SCONCE), "sconce-cas")
CLEAR = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Cas:
    """A CAS outside of an enclave, with private files and ports."""

    def __init__(self, folder, *options, files=None):
        self.folder = folder
        for name in ("coll", "config", "data"):
            (folder / name).mkdir(exist_ok=True)
        self.env = dict(os.environ, XDG_CONFIG_HOME=str(folder / "config"),
                        XDG_STATE_HOME=str(folder / "data"),
                        XDG_DATA_HOME=str(folder / "data"))
        ready = folder / "ready"
        self.log = open(folder / "log", "w")
        self.process = subprocess.Popen(
            [EXE, "--native", "--state", str(folder / "state"),
             "--collateral", str(folder / "coll"), "--listen",
             "127.0.0.1:0", "--enclaves", "127.0.0.1:0", "--ready",
             str(ready), *options], stderr=self.log, env=self.env,
            preexec_fn=files and (lambda: resource.setrlimit(
                resource.RLIMIT_NOFILE, (files, files))))
        for _ in range(400):
            if ready.exists() or self.process.poll() is not None:
                break
            time.sleep(0.05)
        said = json.loads(ready.read_text())
        self.key, self.port = said["key"], said["port"]
        self.enclaves = said["enclave_port"]
        self.address = "127.0.0.1:%d" % self.port

    def run(self, *args, user="config", ok=True):
        (self.folder / user).mkdir(exist_ok=True)
        p = subprocess.run(
            [sconce.SCONCE, *args], text=True, capture_output=True,
            timeout=60, env=dict(self.env, XDG_CONFIG_HOME=str(
                self.folder / user)))
        assert not ok or p.returncode == 0, p.stderr
        return p

    def attest(self, user="config"):
        return self.run("cas", "attest", "--native", "--enclaves",
                        "127.0.0.1:%d" % self.enclaves, "--default",
                        self.address, user=user)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def memory(self):
        with open("/proc/%d/status" % self.process.pid) as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) << 10

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
        self.log.close()


@pytest.fixture
def cas(tmp_path):
    c = Cas(tmp_path)
    yield c
    c.stop()


def connect(port, pem=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if pem:
        context.load_cert_chain(pem)
    plain = socket.create_connection(("127.0.0.1", port), 10)
    return context.wrap_socket(plain)


def ended(s, seconds):
    """True: the other side ended it within that time."""
    s.settimeout(seconds)
    try:
        while s.recv(65536):
            pass
        return True
    except (socket.timeout, TimeoutError):
        return False
    except OSError:
        return True


# ---- whose key it is ----

def test_another_key_is_refused(cas, tmp_path):
    """The certificate is not verified, the key is: every request."""
    cas.attest()
    (tmp_path / "other").mkdir()
    other = Cas(tmp_path / "other")
    try:
        wrong = ("--cas", other.address, "--cas-key", cas.key)
        p = cas.run("cas", "status", *wrong, ok=False)
        assert p.returncode and "its key is not the one" in p.stderr
        # As found in the file of known ones, too.
        known = tmp_path / "config/sconce/cas.json"
        known.write_text(known.read_text().replace(cas.address,
                                                   other.address))
        p = cas.run("cas", "status", ok=False)
        assert p.returncode and "its key is not the one" in p.stderr
        p = cas.run("cas", "provision", ok=False)
        assert p.returncode and "its key is not the one" in p.stderr
        # Nothing of it arrived there.
        assert "provisioned: false" in cas.run(
            "cas", "status", "--cas", other.address, "--cas-key",
            other.key).stdout
    finally:
        other.stop()


# ---- what strangers can hold ----

def frame(payload):
    return struct.pack("<I", len(payload)) + payload


def text(value):
    data = value.encode()
    size = len(data)
    if size < 24:
        return bytes([0x60 + size]) + data
    if size < 256:
        return b"\x78" + bytes([size]) + data
    return b"\x79" + struct.pack(">H", size) + data


HELLO, TOKEN = 0, 6


def request(op, session):
    """id, op, code, session, as cas/wire.h orders them."""
    return frame(b"\xa4" + text("id") + b"\x01" + text("op") + bytes([op]) +
                 text("code") + b"\x00" + text("session") + text(session))


def replies(s, seconds=5):
    s.settimeout(seconds)
    data = b""
    while len(data) < 4 or len(data) < 4 + struct.unpack_from("<I", data)[0]:
        more = s.recv(65536)
        if not more:
            return None
        data += more
    return data[4:]


def test_names_of_strangers_do_not_spoil_the_log(cas):
    """The log can be fetched whatever was asked of CAS, and of its reasons
    none is cut within a letter."""
    cas.attest()
    cas.run("cas", "provision")
    for name in ("\u00e9" * 700 + "/x", "a" + "\u00e9" * 700 + "/x",
                 "\x1b[31mred\u202e/x", "a\nb/c", "\u20ac" * 500):
        for op in (HELLO, TOKEN):
            s = connect(cas.enclaves)
            s.send(request(op, name))
            assert replies(s), "no answer to a name of %d" % len(name)
            s.close()
    log = cas.run("audit", "fetch", "-o", str(cas.folder / "log.json"))
    assert log.returncode == 0
    assert "service.attest" in (cas.folder / "log.json").read_text()


def test_strangers_have_a_deadline(cas):
    """A byte now and then keeps no place: neither port waits for ever."""
    slow = connect(cas.enclaves)
    slow.send(struct.pack("<I", 200000))
    people = connect(cas.port)
    people.send(b"GET /v1/version HTTP/1.1\r\nHost: x\r\nX-A: ")
    begin = time.monotonic()
    open_ = {slow, people}
    while open_ and time.monotonic() - begin < 90:
        for s in list(open_):
            try:
                s.send(b"a")
            except OSError:
                open_.discard(s)
                continue
            if ended(s, 1):
                open_.discard(s)
    assert not open_


def test_replies_that_nobody_reads(tmp_path):
    """A stranger that asks and does not read costs next to nothing."""
    cas = Cas(tmp_path, "--rate", "0")
    try:
        before = cas.memory()
        flood = [connect(cas.enclaves) for _ in range(4)]
        data = request(TOKEN, "a" * 900 + "/b") * 50
        for s in flood:
            s.setblocking(False)
        until = time.monotonic() + 6
        while time.monotonic() < until:
            for s in flood:
                with contextlib.suppress(OSError):
                    s.send(data)
            time.sleep(0.001)
        assert cas.memory() - before < 6 << 20
    finally:
        cas.stop()


def test_places_of_strangers_are_given_away(tmp_path):
    """Who takes all connections keeps nobody out, on either port."""
    cas = Cas(tmp_path, files=264)  # 100 for each port
    try:
        cas.attest()
        cas.run("cas", "provision")
        held = []
        for port in (cas.port, cas.enclaves):
            for _ in range(300):
                held.append(socket.create_connection(("127.0.0.1", port), 10))
        time.sleep(1)
        assert cas.alive()
        assert "provisioned: true" in cas.run("cas", "status").stdout
        s = connect(cas.enclaves)
        s.send(request(TOKEN, "a/b"))
        assert replies(s)
        assert len(os.listdir("/proc/%d/fd" % cas.process.pid)) < 264
    finally:
        cas.stop()


def test_bytes_of_strangers_are_bounded(tmp_path):
    """Requests that are never whole do not take all memory."""
    cas = Cas(tmp_path)
    try:
        cas.attest()
        cas.run("cas", "provision")
        before = cas.memory()
        held = []
        body = b"x" * (1 << 20)
        for _ in range(100):
            s = connect(cas.port)
            s.settimeout(5)
            with contextlib.suppress(OSError):
                s.sendall(b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\n"
                          b"Content-Length: 2000000\r\n\r\n" + body)
            held.append(s)
        assert cas.memory() - before < 96 << 20
        assert "provisioned: true" in cas.run("cas", "status").stdout
    finally:
        cas.stop()


@contextlib.contextmanager
def witness(folder):
    log = folder / "witness.log"
    with open(log, "w") as f:
        p = subprocess.Popen(
            [sconce.SCONCE, "witness", "--state", str(folder / "witness"),
             "--listen", "127.0.0.1:0"], stdout=f, stderr=f)
    found = None
    for _ in range(200):
        found = re.search(r"listening at (\S+), key ([0-9a-f]{64})",
                          log.read_text())
        if found:
            break
        time.sleep(0.05)
    try:
        yield p, found[2], found[1]
    finally:
        p.send_signal(signal.SIGCONT)
        p.kill()
        p.wait()


def test_clients_that_do_not_wait(tmp_path):
    """They are gone when the answer is there, as a witness took its time."""
    with witness(tmp_path) as (w, key, at):
        cas = Cas(tmp_path, "--witness", key, "--witness-at", key + "=" + at)
        try:
            cas.attest()
            cas.run("cas", "provision")
            cas.run("session", "create", cas.write(
                "a.yaml", 'name: a\nversion: "1.0"\n'))
            pem = str(cas.folder / "config/sconce/client.pem")
            w.send_signal(signal.SIGSTOP)
            for turn in range(20):
                s = connect(cas.port, pem)
                s.send(b"GET /v1/sessions/a HTTP/1.1\r\nHost: x\r\n\r\n")
                p = connect(cas.port, pem)
                p.send(b"POST /v1/diff HTTP/1.1\r\nHost: x\r\n"
                       b"Content-Length: 9\r\n\r\nname: b\r\n")
                e = connect(cas.enclaves)
                e.send(request(HELLO, "a/b") * 20)
                time.sleep(0.02)
                for c in (s, p, e):
                    if turn % 2:  # reset, or ended in order
                        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                     struct.pack("ii", 1, 0))
                    c.close()
            time.sleep(0.5)
            assert cas.alive()
            w.send_signal(signal.SIGCONT)
            assert "name: a" in cas.run("session", "read", "a").stdout
            assert cas.alive()
        finally:
            cas.stop()


# ---- texts of others ----

def test_texts_of_others_are_shown_as_they_are(cas):
    """A proposal's comment and policy neither move the reader's cursor nor
    pass for lines of CAS."""
    cas.attest()
    cas.run("cas", "provision")
    key = cas.run("cas", "key").stdout.strip()
    board = ('name: a\nversion: "1.0"\naccess_policy:\n  read: [CREATOR]\n'
             '  update: [CREATOR]\nboard: {veto: [%s]}\n' % key)
    first = cas.run("session", "create", cas.write("a.yaml", board)).stdout
    pred = re.search(r"hash: (\w{64})", first).group(1)
    evil = "fine\x1b[2K\r\u202e\nstate: applied\n"
    p = cas.run("proposal", "open", "--comment", evil, cas.write(
        "b.yaml", board + "predecessor: %s\nsecrets:\n"
        '  - {name: s, kind: ascii, value: "\\e[31m\\u202ex"}\n' % pred))
    name = re.search(r"id: (\w+)", p.stdout).group(1)
    for args in (["show", name], ["vote", name], ["list"]):
        out = cas.run("proposal", *args).stdout
        assert not CLEAR.search(out), (args, out)
        assert "\nstate: applied" not in out or args[0] == "vote"
    said = cas.run("session", "read", "no\x1b[2Kname", ok=False)
    assert said.returncode and not CLEAR.search(said.stderr)


# ---- who it says it is ----

class Between:
    """Passes on what people ask, under a key of its own."""

    def __init__(self, folder, port):
        pem, key = str(folder / "mitm.pem"), str(folder / "mitm.key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec",
                        "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", key, "-out", pem, "-subj", "/CN=CAS",
                        "-days", "2"], check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pem, key)
        self.target, self.asked = port, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.pass_on, args=(client,),
                             daemon=True).start()

    def pass_on(self, plain):
        with contextlib.suppress(OSError), self.context.wrap_socket(
                plain, server_side=True) as client, connect(
                    self.target) as cas:
            while data := client.recv(65536):
                self.asked.append(data.split(b"\r\n")[0])
                cas.send(data)
                cas.settimeout(1)
                with contextlib.suppress(TimeoutError, socket.timeout):
                    while answer := cas.recv(65536):
                        client.send(answer)


def test_somebody_in_between(cas):
    """What CAS says of itself is worth nothing under another key; and without
    an enclave nothing, unless one says so."""
    p = cas.run("cas", "attest", "--collateral", str(cas.folder / "coll"),
                cas.address, ok=False)
    assert p.returncode and "does not run in an enclave" in p.stderr
    between = Between(cas.folder, cas.port)
    p = cas.run("cas", "attest", "--native",
                "127.0.0.1:%d" % between.port, ok=False)
    between.listener.close()
    assert p.returncode and "its key is not the one" in p.stderr, p
    # It was asked once, and told nothing more.
    assert [a.split(b"?")[0] for a in between.asked] == [
        b"GET /v1/attestation"]
    assert not (cas.folder / "config/sconce/cas.json").exists()


def test_values_do_not_stay_in_memory_that_was_given_up(cas):
    """What was sent, stored and deleted is not in the process any more."""
    cas.attest()
    cas.run("cas", "provision")
    value = "left-behind-%s" % os.urandom(12).hex()
    path = cas.write("v.yaml", 'name: v\nversion: "1.0"\nsecrets:\n'
                     "  - {name: s, kind: ascii, value: %s}\n" % value)
    cas.run("session", "create", path)
    assert found(cas.process.pid, value)
    cas.run("session", "delete", "v")
    for _ in range(20):  # connections and commits come to their end
        if not found(cas.process.pid, value):
            break
        time.sleep(0.25)
    assert found(cas.process.pid, value) == 0


def found(pid, value):
    count = 0
    with open("/proc/%d/maps" % pid) as maps, \
            open("/proc/%d/mem" % pid, "rb", 0) as mem:
        for line in maps:
            start, end = (int(x, 16) for x in line.split()[0].split("-"))
            if "r" not in line.split()[1] or "[v" in line:
                continue
            with contextlib.suppress(OSError, ValueError):
                mem.seek(start)
                count += mem.read(end - start).count(value.encode())
    return count
