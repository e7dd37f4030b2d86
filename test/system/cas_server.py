# SPDX-License-Identifier: Apache-2.0
"""The real CAS, without an enclave, and people who talk to it.

    with Cas(tmp_path) as cas:
        owner = cas.person("owner")
        owner.cli("cas", "provision").check()
        answer = owner.ask("GET", "/v1/owner/status")
        assert answer.status == 200 and answer.json["name"] == "CAS"

Each person has a key and a folder of settings. Every answer that anybody got,
what commands printed, and what CAS said on standard error is kept: at the end
none of cas.secrets may be in it.
"""

import datetime
import hashlib
import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import sconce

CAS = sconce.BUILD / "bin/sconce-cas"
YAML = "application/yaml"
JSON = "application/json"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["code"]

    def __repr__(self):
        return "%d %s" % (self.status, self.body[:300])


def tls(pem=None):
    """A client that takes any server, as tests know whom they started."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if pem:
        context.load_cert_chain(pem)
    return context


def make_identity(path):
    """A PEM with key and certificate; the hash that policies know it by."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    now = datetime.datetime.now(datetime.timezone.utc)
    cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
            .public_key(key.public_key()).serial_number(1)
            .not_valid_before(now - datetime.timedelta(1))
            .not_valid_after(now + datetime.timedelta(365))
            .sign(key, hashes.SHA256()))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption())
        + cert.public_bytes(serialization.Encoding.PEM))
    path.chmod(0o600)
    return hashlib.sha256(key.public_key().public_bytes(
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo)).hexdigest()


class Person:
    """key False: nobody, without a certificate."""

    def __init__(self, cas, name, key=True):
        self.cas, self.name = cas, name
        self.folder = cas.folder / "people" / name
        self.pem = self.folder / "sconce/client.pem"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.key = make_identity(self.pem) if key else None
        self.context = tls(self.pem if key else None)
        self.connection = None
        self.known = False

    def ask(self, method, path, body=None, type=YAML, headers=None,
            timeout=60):
        headers = {"Content-Type": type, **(headers or {})} \
            if body is not None else dict(headers or {})
        if isinstance(body, dict):
            body, headers["Content-Type"] = json.dumps(body), JSON
        if isinstance(body, str):
            body = body.encode()
        for again in (False, True):
            try:
                return self.ask_once(method, path, body, headers, timeout)
            except (ConnectionError, http.client.HTTPException,
                    ssl.SSLError):
                # A kept connection may have ended; a new one has not.
                had, self.connection = self.kept, None
                if again or not had:
                    raise

    def ask_once(self, method, path, body, headers, timeout):
        self.kept = self.connection is not None
        if not self.kept:
            self.connection = http.client.HTTPSConnection(
                "127.0.0.1", self.cas.port, timeout=timeout,
                context=self.context)
        self.connection.timeout = timeout
        try:
            self.connection.request(method, path, body, headers)
        except OSError:
            # It may have said why it reads no more.
            if self.kept or self.connection.sock is None:
                raise
        r = self.connection.getresponse()
        answer = Answer(r.status, r.headers, r.read())
        self.cas.answers.append(answer.body + str(r.headers).encode())
        return answer

    def env(self):
        return {**os.environ, "XDG_CONFIG_HOME": str(self.folder),
                "XDG_STATE_HOME": str(self.folder / "state"),
                "XDG_DATA_HOME": str(self.folder / "data"),
                "SCONCE_LAS": str(self.folder / "no-las")}

    def cli(self, *args, input="", keep=True, timeout=60):
        """A command of sconce, of which nothing is secret if keep."""
        if not self.known:
            self.known = True
            self.attest().check()
        start = time.monotonic()
        done = subprocess.run(
            [sconce.SCONCE, *map(str, args)], env=self.env(), input=input,
            capture_output=True, text=True, timeout=timeout)
        if keep:
            self.cas.answers.append((done.stdout + done.stderr).encode())
        return sconce.Result(done.returncode, done.stdout, done.stderr, {},
                             time.monotonic() - start)

    def attest(self, *more):
        self.known = True
        return self.cli("cas", "attest", "--native", "--default",
                        "--enclaves", "127.0.0.1:%d" % self.cas.enclave_port,
                        *more, "127.0.0.1:%d" % self.cas.port)

    def create(self, text):
        answer = self.ask("POST", "/v1/sessions", text)
        assert answer.status == 200, answer
        return answer.json["hash"]


class Witness:
    def __init__(self, folder):
        self.folder, self.address = folder, "127.0.0.1:0"
        self.log = folder.with_suffix(".log")
        self.start()

    def start(self):
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [sconce.SCONCE, "witness", "--state", self.folder,
                 "--listen", self.address], stdout=log, stderr=log)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            m = re.search(r"listening at (\S+), key ([0-9a-f]{64})",
                          self.log.read_text())
            if m:
                self.address, self.key = m.groups()
                return
            time.sleep(0.02)
        raise AssertionError(self.log.read_text())

    def stop(self):
        self.process.kill()
        self.process.wait()


class Cas:
    def __init__(self, folder, *options, witnesses=0, provisioned=True,
                 env=None, state=None):
        self.folder, self.options, self.env = Path(folder), options, env
        self.state = state or self.folder / "cas"
        self.provisioned = provisioned
        self.answers, self.secrets, self.people = [], [], {}
        self.listen = ("127.0.0.1:0", "127.0.0.1:0")
        (self.folder / "collateral").mkdir(exist_ok=True)
        self.log = self.folder / "cas.log"
        self.log.write_text("")
        self.witnesses = [Witness(self.folder / ("witness%d" % i))
                          for i in range(witnesses)]

    def __enter__(self):
        try:
            self.start()
            self.owner = self.person("owner")
            if self.provisioned:
                answer = self.owner.ask(
                    "POST", "/v1/owner/provision", "name: CAS\n")
                assert answer.status == 200, answer
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        self.stop(signal.SIGKILL if exc and exc[0] else signal.SIGTERM)
        for w in self.witnesses:
            w.stop()
        self.check_secrets()

    def command(self):
        more = []
        for w in self.witnesses:
            more += ["--witness", w.key, "--witness-at",
                     "%s=%s" % (w.key, w.address)]
        return [CAS, "--native", "--state", self.state, "--collateral",
                self.folder / "collateral", "--listen", self.listen[0],
                "--enclaves", self.listen[1], "--ready",
                self.folder / "ready", *more, *self.options]

    def start(self, wait=True):
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(
                list(map(str, self.command())), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env={**os.environ, **(self.env or {})})
        if not wait:
            return
        if not sconce.wait_path(ready, 60,
                                lambda: self.process.poll() is None):
            raise AssertionError(self.log.read_text()[-3000:])
        said = json.loads(ready.read_text())
        self.key = said["key"]
        self.port, self.enclave_port = said["port"], said["enclave_port"]
        # Again at the same place.
        self.listen = ("127.0.0.1:%d" % self.port,
                       "127.0.0.1:%d" % self.enclave_port)

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(30)
        assert status in (0, -how), self.log.read_text()[-3000:]
        return status

    def again(self, how=signal.SIGTERM):
        self.stop(how)
        self.start()

    def person(self, name):
        if name not in self.people:
            self.people[name] = Person(self, name, name != "nobody")
        return self.people[name]

    def health(self):
        return self.person("nobody").ask("GET", "/healthz")

    def metrics(self):
        text = self.person("nobody").ask("GET", "/metrics").body.decode()
        return {k.removeprefix("sconce_cas_"): int(v) for k, v in (
            line.split() for line in text.splitlines()
            if not line.startswith("#"))}

    def until(self, what, done, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if done():
                return
            time.sleep(0.05)
        raise AssertionError("%s: not within %d s\n%s" % (
            what, seconds, self.log.read_text()[-2000:]))

    def check_secrets(self):
        said = self.answers + [self.log.read_bytes()]
        said += [w.log.read_bytes() for w in self.witnesses]
        for secret in self.secrets:
            data = secret if isinstance(secret, bytes) else secret.encode()
            for text in said:
                assert data not in text, "a secret in %r" % text[:2000]
