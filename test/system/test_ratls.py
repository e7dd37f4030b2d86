# SPDX-License-Identifier: Apache-2.0
"""RA-TLS as others meet it: the programs of sconce-attest(3), built against
what `meson install` puts in place, talking TLS 1.3 to each other and to
openssl; and their certificates, read by code that is not ours."""

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    encode_dss_signature)

import sconce
from pki import Case, write
from test_las import Las

MANUAL = sconce.ROOT / "doc/man/sconce-attest.3"
# What test/pki's programs measure when nothing else is said.
POLICIES = {
    "sgx-v3": "mrenclave: " + "11" * 32, "sgx-v4": "mrsigner: " + "22" * 32,
    "tdx-v4": "mrtd: " + "44" * 48, "tdx-v5": "mrtd: " + "44" * 48 +
    ", rtmr3: " + "53" * 48, "tdx-v5-1.5": "mrtd: " + "44" * 48,
}
# Where the report data stands in a quote, and how much of it is signed.
LAYOUT = {"sgx-v3": (48 + 320, 432), "sgx-v4": (48 + 320, 432),
          "tdx-v4": (48 + 520, 632), "tdx-v5": (54 + 520, 54 + 584),
          "tdx-v5-1.5": (54 + 520, 54 + 648)}


def run(args, **more):
    return subprocess.run(args, capture_output=True, timeout=60, **more)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """What is installed, and the manual's examples built against it."""
    place = tmp_path_factory.mktemp("ratls")
    build = sconce.ROOT / os.environ.get("SCONCE_BUILD", "build")
    env = dict(os.environ, DESTDIR=str(place / "root"))
    done = run(["meson", "install", "-C", build, "--no-rebuild"], env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    for name, source in examples():
        (place / name).write_text(source)
    return place


def examples():
    text = MANUAL.read_text()
    for name, body in re.findall(
            r'^\.\\" example: (\S+)\n\.EX\n(.*?)^\.EE$', text, re.S | re.M):
        body = re.sub(r"^\\&$", "", body, flags=re.M)
        yield name, body.replace("\\e", "\\")


def flags(place, *options):
    [pc] = (place / "root").rglob("sconce-attest.pc")
    env = dict(os.environ, PKG_CONFIG_PATH=str(pc.parent),
               PKG_CONFIG_SYSROOT_DIR=str(place / "root"))
    done = run(["pkg-config", *options, "sconce-attest"], env=env)
    assert done.returncode == 0, done.stderr
    # The sysroot is that of our library alone.
    root = str(place / "root")
    return [flag for flag in done.stdout.decode().split()
            if not flag.startswith(("-I", "-L")) or root in flag]


def compile_example(place, name, compiler, *options):
    out = place / Path(name).stem
    done = run([compiler, *options, "-Wall", "-Wextra", "-Werror", "-o", out,
                place / name, *flags(place, "--cflags", "--libs")])
    assert done.returncode == 0, done.stderr.decode()
    return out


def library_path(place):
    [lib] = [p for p in (place / "root").rglob("libsconce-attest.so")]
    return {"LD_LIBRARY_PATH": str(lib.parent)}


@pytest.fixture(scope="module")
def client(place):
    return compile_example(place, "client.c", "cc", "-std=gnu99", "-pedantic")


@pytest.fixture(scope="module")
def server(place):
    return compile_example(place, "server.c", "cc", "-std=gnu99", "-pedantic")


def test_installed(place):
    root = place / "root"
    names = {p.name for p in root.rglob("*") if not p.is_dir()}
    assert {"attest.h", "sconce-attest.pc", "sconce-attest.3",
            "libsconce-attest.so", "libsconce-attest.so.0"} <= names
    [lib] = root.rglob("libsconce-attest.so")
    shown = run(["nm", "-D", "--defined-only", lib]).stdout.decode()
    symbols = {line.split()[2].split("@")[0]
               for line in shown.splitlines() if " T " in line}
    text = (sconce.ROOT / "include/sconce/attest.h").read_text()
    declared = set(re.findall(r"\b(sconce_\w+)\(", text))
    declared.discard("sconce_quote_fn")
    assert symbols == declared
    # Every function is in the manual.
    manual = MANUAL.read_text()
    assert not [name for name in declared if name not in manual]


@pytest.mark.skipif(not shutil.which("g++"), reason="no g++")
def test_header_is_fit_for_cpp(place):
    source = place / "cpp.cc"
    source.write_text("#include <sconce/attest.h>\n"
                      "int main() { return !sconce_verifier_new(); }\n")
    compile_example(place, "cpp.cc", "g++")


@pytest.mark.skipif(not shutil.which("groff"), reason="no groff")
def test_manual_is_clean():
    done = run(["groff", "-man", "-ww", "-z", "-Tutf8", MANUAL])
    assert done.returncode == 0 and not done.stderr, done.stderr.decode()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """The manual's server, with evidence of a kind."""

    def __init__(self, place, program, kind, *options):
        self.address = "127.0.0.1:%d" % free_port()
        command = place / ("evidence-%s" % kind)
        out = place / ("quote-%s" % kind)
        command.write_text(
            '#!/bin/sh\n"%s" "%s" --kind %s %s --report-data "$1" "%s" &&\n'
            'exec cat "%s/quote.bin"\n' % (
                sys.executable, sconce.ROOT / "test/pki", kind,
                " ".join(options), out, out))
        command.chmod(0o755)
        self.process = subprocess.Popen(
            [program, self.address, command], stdout=subprocess.PIPE,
            env=dict(os.environ, **library_path(place)))

    def __enter__(self):
        assert self.process.stdout.readline() == b"ready\n"
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def collateral(place, kind, **more):
    """Valid now; the folder has root.pem too."""
    now = datetime.now(timezone.utc).replace(microsecond=0)
    window = now - timedelta(days=1), now + timedelta(days=1)
    dates = {use: window for use in (
        "root_crl", "pck_crl", "tcb_info", "qe_identity")}
    return write(Case(kind=kind, dates=dates, **more).files(),
                 place / ("collateral-%s-%d" % (kind, len(more))))


def connect(place, client, address, folder, policy):
    text = place / "policy"
    text.write_text(policy)
    return run([client, address, folder, text, folder / "root.pem"],
               env=dict(os.environ, **library_path(place)))


@pytest.mark.parametrize("kind", sorted(POLICIES))
def test_client_and_server(place, client, server, kind):
    policy = "allow_emulated: true\nmeasurements: {%s}\n" % POLICIES[kind]
    folder = collateral(place, kind)
    with Server(place, server, kind) as s:
        done = connect(place, client, s.address, folder, policy)
        assert done.returncode == 0, done
        assert done.stdout.decode() == \
            "%s, UpToDate\nhello\n" % kind.removesuffix("-1.5")

        # Another program than the client wants.
        name = POLICIES[kind].split(":")[0]
        size = len(POLICIES[kind].split(":")[1].split(",")[0].strip())
        done = connect(
            place, client, s.address, folder,
            "allow_emulated: true\nmeasurements: {%s: %s}\n" % (
                name, "77" * (size // 2)))
        assert done.returncode == 1
        assert b"refused: policy-" + name.encode() in done.stderr
        assert not done.stdout

        # An emulated platform, to a policy that says nothing of such.
        done = connect(place, client, s.address, folder,
                       policy.split("\n", 1)[1])
        assert done.returncode == 1
        assert b"emulated" in done.stderr

        # Policies that any program would meet, or can: RTMRs are extended by
        # the program itself.
        for any_one in ["", "measurements: {rtmr3: %s}\n" % ("53" * 48)]:
            done = connect(place, client, s.address, folder,
                           "allow_emulated: true\n" + any_one)
            assert done.returncode == 1
            assert b"names no program" in done.stderr

        # The platform needs a patch.
        old = collateral(place, kind, status="OutOfDate")
        done = connect(place, client, s.address, old, policy)
        assert done.returncode == 1
        assert b"OutOfDate" in done.stderr


# In an enclave: what the kernel gives, as the server's command.
QUOTE = """
import sys
with open("/dev/attestation/user_report_data", "wb") as f:
    f.write(bytes.fromhex(sys.argv[1]))
with open("/dev/attestation/quote", "rb") as f:
    sys.stdout.buffer.write(f.read())
"""


def test_server_in_an_enclave(place, client, server, tmp_path):
    """The same server, unchanged, proves by which enclave it is run."""
    script = tmp_path / "quote.py"
    script.write_text(QUOTE)
    port = free_port()
    address = "127.0.0.1:%d" % port
    measured = json.loads(run(
        [sconce.SCONCE, "measure", "--json"]).stdout)["mrenclave"]
    with Las(tmp_path, "--collateral", tmp_path / "col") as las:
        with sconce.Server(
                server, address, "/usr/bin/python3 %s" % script, port=port,
                options=["--quiet"],
                env={**las.env, **library_path(place),
                     "SCONCE_LAS": str(las.path)}):
            folder = tmp_path / "col"
            shutil.copy(folder / "root_ca.pem", folder / "root.pem")
            policy = "allow_emulated: true\nmeasurements: {mrenclave: %s}\n"
            # The kernel, with whatever it runs.
            done = connect(place, client, address, folder, policy % measured)
            assert done.returncode == 1, done
            assert b"policy-config_id" in done.stderr
            policy = policy.replace("}", ", config_id: %s}" % ("00" * 64))
            done = connect(place, client, address, folder, policy % measured)
            assert done.returncode == 0, done
            assert done.stdout.decode() == "sgx-v3, UpToDate\nhello\n"
            done = connect(place, client, address, folder, policy % ("5" * 64))
            assert done.returncode == 1
            assert b"policy-mrenclave" in done.stderr


# ---- what others make of our certificates ----

def s_client(address):
    done = run(["openssl", "s_client", "-connect", address, "-tls1_3",
                "-showcerts", "-ign_eof"], input=b"ping\n")
    text = done.stdout.decode(errors="replace")
    assert "TLSv1.3" in text and "ping" in text, text
    [cert] = certificates(text)
    return cert


def certificates(text):
    return [x509.load_pem_x509_certificate(pem.encode()) for pem in re.findall(
        "-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", text,
        re.S)]


def verify_issued(cert, issuer):
    issuer.public_key().verify(
        cert.signature, cert.tbs_certificate_bytes,
        ec.ECDSA(cert.signature_hash_algorithm))


class Cbor:
    """Just enough of RFC 8949, and nothing of indefinite length."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def head(self):
        first = self.data[self.at]
        self.at += 1
        kind, info = first >> 5, first & 31
        assert info < 28
        if info < 24:
            return kind, info
        size = 1 << info - 24
        value = int.from_bytes(self.data[self.at:self.at + size], "big")
        self.at += size
        return kind, value

    def item(self):
        kind, value = self.head()
        if kind == 0:
            return value
        if kind in (2, 3):
            text = self.data[self.at:self.at + value]
            assert len(text) == value
            self.at += value
            return text if kind == 2 else text.decode()
        if kind == 4:
            return [self.item() for _ in range(value)]
        if kind == 5:
            return {self.item(): self.item() for _ in range(value)}
        assert kind == 6
        return value, self.item()

    @staticmethod
    def decode(data):
        reader = Cbor(data)
        item = reader.item()
        assert reader.at == len(data)
        return item


def verify_raw(public, raw, data):
    half = len(raw) // 2
    public.verify(encode_dss_signature(
        int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")),
        data, ec.ECDSA(hashes.SHA256()))


def verify_quote(quote, kind, root):
    """Signatures from the quote to the root; returns the report data."""
    place, signed = LAYOUT[kind]
    data = quote[signed + 4:]
    size = int.from_bytes(quote[signed:signed + 4], "little")
    assert size == len(data)
    point = b"\x04" + data[64:128]
    verify_raw(ec.EllipticCurvePublicKey.from_encoded_point(
        ec.SECP256R1(), point), data[:64], quote[:signed])
    rest = data[128:]
    if int.from_bytes(quote[:2], "little") > 3:
        assert rest[:2] == b"\x06\0"
        rest = rest[6:]
    report, signature, rest = rest[:384], rest[384:448], rest[448:]
    auth = rest[2:2 + int.from_bytes(rest[:2], "little")]
    rest = rest[2 + len(auth):]
    assert report[320:352] == hashlib.sha256(data[64:128] + auth).digest()
    assert rest[:2] == b"\x05\0"
    certs = certificates(rest[6:].decode())
    verify_raw(certs[0].public_key(), signature, report)
    for cert, issuer in zip(certs, certs[1:]):
        verify_issued(cert, issuer)
    assert certs[-1] == root
    return quote[place:place + 64]


@pytest.mark.parametrize("kind", ["sgx-v3", "tdx-v4", "tdx-v5-1.5"])
def test_read_by_others(place, server, kind):
    with Server(place, server, kind) as s:
        cert = s_client(s.address)
    verify_issued(cert, cert)
    [ext] = [e for e in cert.extensions
             if e.oid.dotted_string == "2.23.133.5.4.9"]
    assert not ext.critical
    tag, [quote, claims] = Cbor.decode(ext.value.value)
    assert tag == 60000
    # With SHA-256 alone the claims have a form that is known to the byte.
    spki = cert.public_key().public_bytes(
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo)
    digest = hashlib.sha256(spki).digest()
    assert claims.hex() == "a16b7075626b65792d68617368582482015820" \
        + digest.hex()
    assert Cbor.decode(Cbor.decode(claims)["pubkey-hash"]) == [1, digest]
    [root] = certificates((collateral(place, kind) / "root.pem").read_text())
    data = verify_quote(quote, kind, root)
    assert data == hashlib.sha256(claims).digest() + bytes(32)
    # This test would see a change.
    with pytest.raises((InvalidSignature, AssertionError)):
        verify_quote(quote[:60] + bytes([quote[60] ^ 1]) + quote[61:], kind,
                     root)


def test_openssl_server_without_evidence(place, client):
    """An ordinary TLS server is no peer."""
    key, cert = place / "plain.key", place / "plain.pem"
    made = run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=plain",
                "-keyout", key, "-out", cert])
    assert made.returncode == 0, made.stderr
    address = "127.0.0.1:%d" % free_port()
    process = subprocess.Popen(
        ["openssl", "s_server", "-accept", address, "-key", key, "-cert",
         cert, "-tls1_3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    try:
        while b"ACCEPT" not in process.stdout.readline():
            assert process.poll() is None
        done = connect(
            place, client, address, collateral(place, "sgx-v3"),
            "allow_emulated: true\nmeasurements: {%s}\n"
            % POLICIES["sgx-v3"])
        assert done.returncode == 1
        assert b"no evidence" in done.stderr
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_debug_td_is_refused(place, client, server):
    """Evidence that verifies is not yet evidence that is accepted."""
    with Server(place, server, "tdx-v4", "--debug") as s:
        done = connect(
            place, client, s.address, collateral(place, "tdx-v4"),
            "allow_emulated: true\nmeasurements: {mrtd: %s}\n" % ("44" * 48))
    assert done.returncode == 1
    assert b"debug" in done.stderr
