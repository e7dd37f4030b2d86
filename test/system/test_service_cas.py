# SPDX-License-Identifier: Apache-2.0
"""Services in enclaves under the real CAS, which runs natively: what programs
ask for while they run, files of the image with variables, one-time passwords,
and what the log says of their ends."""

import base64
import hashlib
import hmac
import os
import re
import signal
import socket
import struct
import subprocess
import time

import pytest

import sconce
from test_volumes import image

OTP_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
POLICY = """
name: s
version: "1.0"
services:
  - {name: a, image_name: i, command: [/bin/busybox, sh, -c, "@@1"],
     attestation: {sgx: {mrenclave: %s}}}
  - {name: locked, image_name: i, command: [/bin/busybox, echo, in],
     attestation: {sgx: {mrenclave: %s}},
     one_time_password_shared_secret: %s}
secrets:
  - {name: pw, kind: ascii, value: so secret}
  - {name: mine, kind: ascii, value: geheim}
  - {name: box, kind: ascii, size: 20, write: [a]}
images:
  - name: i
    root: %s
    provide_secrets: [pw, box]
    injection_files: [/etc/motto]
security: {attestation: {mode: emulated, tolerate: [emulated]}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class RealCas:
    def __init__(self, tmp):
        self.tmp, self.running = tmp, []
        self.env = {**os.environ, "SCONCE_LAS": str(tmp / "las.sock"),
                    **{"XDG_%s_HOME" % n: str(tmp / n.lower())
                       for n in ("CONFIG", "STATE", "DATA")}}

    def start(self, *args, ready):
        log = open(self.tmp / (args[0] + ".log"), "w+")
        self.running.append(subprocess.Popen(
            [str(a) for a in (sconce.SCONCE, *args)], env=self.env,
            stdout=log, stderr=subprocess.STDOUT))
        end = time.monotonic() + 60
        while not ready((self.tmp / (args[0] + ".log")).read_text()):
            assert time.monotonic() < end and \
                self.running[-1].poll() is None, log.read()
            time.sleep(0.05)

    def __enter__(self):
        tmp, at = self.tmp, "127.0.0.1:%d" % free_port()
        enclaves = "127.0.0.1:%d" % free_port()
        (tmp / "config").mkdir()
        self.start("las", "--socket", tmp / "las.sock", "--collateral",
                   tmp / "coll", ready=lambda _: (
                       tmp / "las.sock").exists() and
                   (tmp / "coll" / "tcb_info.json").exists())
        self.start("cas", "start", "--state", tmp / "cas", "--collateral",
                   tmp / "coll", "--emulated", "--native", "--listen", at,
                   "--enclaves", enclaves, ready=lambda s: "key " in s)
        self("cas", "attest", "--enclaves", enclaves, "--default", "--native",
             "--rollback", "none", at)
        self("cas", "provision")
        return self

    def __exit__(self, *_):
        for p in reversed(self.running):
            p.send_signal(signal.SIGTERM)
            try:
                p.wait(20)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()

    def __call__(self, *args, status=0):
        p = subprocess.run([str(a) for a in (sconce.SCONCE, *args)],
                           env=self.env, capture_output=True, text=True,
                           timeout=100)
        assert p.returncode == status, p.stdout + p.stderr
        return p

    def run(self, service, *args, options=(), status=0):
        return self("run", "-q", "--memory", "256m", "--session", service,
                    "--volume-dir", "root=%s" % (self.tmp / "image"),
                    *options, "--", *args, status=status)


@pytest.fixture(scope="module")
def cas(tmp_path_factory):
    tmp = tmp_path_factory.mktemp("cas")
    hash_ = image(tmp, conf="pw=$$SCONE::pw$$\n")
    with RealCas(tmp) as cas:
        mrenclave = re.search(r"mrenclave\s+(\w+)",
                              cas("measure").stdout).group(1)
        key = subprocess.run(
            ["openssl", "genpkey", "-algorithm", "X25519", "-outform", "PEM"],
            check=True, capture_output=True).stdout
        (tmp / "audit.pem").write_bytes(key)
        raw = subprocess.run(["openssl", "pkey", "-pubout", "-outform", "DER"],
                             input=key, check=True, capture_output=True)
        (tmp / "s.yaml").write_text(
            POLICY % (mrenclave, mrenclave, OTP_SECRET, hash_) +
            "audit_key: %s\n" % raw.stdout[-32:].hex())
        cas("session", "create", tmp / "s.yaml")
        yield cas


def log(cas):
    """Of the session's events, as `sconce audit` shows them."""
    out = cas.tmp / "log"
    cas("audit", "fetch", "-o", out)
    return cas("audit", "show", "--key", cas.tmp / "audit.pem", out).stdout


def test_values_and_templates(cas):
    # A shell that does not fork.
    show = 'show() { v=-; read -r v < $1; echo "$v"; }; cd /dev/sconce/secret\n'
    done = cas.run("s/a", show + """
show /etc/motto; show pw; show pw:hex; show box
echo -n new > box; show box; show mine; show none; echo -n x > pw
""", status=1)
    lines = done.stdout.splitlines()
    assert len(lines.pop(3)) == 20  # CAS made it
    assert lines == [
        "pw=so secret", "so secret", b"so secret".hex(), "new",
        "-", "-"]
    for name in ("mine", "none"):
        assert "can't open %s: Permission denied" % name in done.stderr
    assert "`write` of the secret lists it" in done.stderr
    assert "wanted: listed in provide_secrets of its image" in done.stderr
    # What was put is there for the next one.
    assert cas.run("s/a", show + "show box").stdout == "new\n"


def otp(at):
    mac = hmac.new(base64.b32decode(OTP_SECRET),
                   struct.pack(">Q", int(at) // 30), hashlib.sha1).digest()
    where = mac[19] & 15
    code = struct.unpack(">I", mac[where:where + 4])[0] & 0x7fffffff
    return "%06d" % (code % 1000000)


def test_one_time_password(cas):
    done = cas.run("s/locked", status=125)
    assert done.stdout == "" and "no one-time password" in done.stderr
    code = otp(time.time())
    wrong = "%06d" % ((int(code) + 1) % 1000000)
    done = cas.run("s/locked", options=["--otp", wrong], status=125)
    assert "one-time password is wrong" in done.stderr
    assert cas.run("s/locked@" + code).stdout == "in\n"
    done = cas.run("s/locked", options=["--otp", code], status=125)
    assert "was used" in done.stderr


def test_ends_are_in_the_log(cas):
    cas.run("s/a", "exit 7", status=7)
    cas.run("s/a", "kill -9 $$", status=-9)
    text = log(cas)
    assert re.search(r"service.exit.*exit status 7", text), text
    assert re.search(r"service.exit.*signal 9", text), text
