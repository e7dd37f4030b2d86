# SPDX-License-Identifier: Apache-2.0
"""`sconce audit`: logs of a store, verified by it and, from doc/audit.md
alone, by the few lines of Python below."""

import hashlib
import json
import struct
import subprocess

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import sconce

PROCESS = sconce.BUILD / "test/store-process"


def head(major, n):
    for limit, size, letter in ((24, 0, ""), (2 ** 8, 24, "B"),
                                (2 ** 16, 25, "H"), (2 ** 32, 26, "I"),
                                (2 ** 64, 27, "Q")):
        if n < limit:
            return bytes([major << 5 | (size or n)]) + (
                struct.pack(">" + letter, n) if letter else b"")


def cbor(v):
    if v is True:
        return b"\xf5"
    if isinstance(v, int):
        return head(0, v)
    if isinstance(v, bytes):
        return head(2, len(v)) + v
    if isinstance(v, str):
        return head(3, len(v.encode())) + v.encode()
    if isinstance(v, list):
        return head(4, len(v)) + b"".join(map(cbor, v))
    pairs = sorted((cbor(k), cbor(x)) for k, x in v.items())
    return head(5, len(v)) + b"".join(k + x for k, x in pairs)


BYTES = {"prev", "map", "actor", "before", "after", "detail", "cluster",
         "head"}


def meaning(v):
    """A JSON value as the CBOR that is hashed."""
    if isinstance(v, dict):
        return {k: bytes.fromhex(x) if k in BYTES else meaning(x)
                for k, x in v.items()}
    return list(map(meaning, v)) if isinstance(v, list) else v


def check(text):
    """Records, and checkpoints, of a log; all by the book."""
    last = bytes(32)
    records = checkpoints = 0
    for line in text.splitlines():
        v = json.loads(line)
        if "checkpoint" in v:
            spki = bytes.fromhex(v["key"])
            key = serialization.load_der_public_key(spki)
            key.verify(bytes.fromhex(v["signature"]),
                       b"sconce-audit-checkpoint-1\0"
                       + cbor(meaning(v["checkpoint"])),
                       ec.ECDSA(hashes.SHA256()))
            assert bytes.fromhex(v["checkpoint"]["head"]) == last
            assert v["checkpoint"]["seq"] == records
            checkpoints += 1
            continue
        claimed = bytes.fromhex(v.pop("hash"))
        assert bytes.fromhex(v["prev"]) == last
        last = hashlib.sha256(cbor(meaning(v))).digest()
        assert last == claimed
        records += 1
        assert v["seq"] == records
    return records, checkpoints


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    path = tmp_path_factory.mktemp("audit")
    run = subprocess.Popen([PROCESS, "run", path / "cas.db", path / "holder"],
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for _ in range(3000):
        run.stdout.readline()
    run.stdin.close()
    run.stdout.read()
    run.wait(30)
    key = ec.generate_private_key(ec.SECP256R1())
    (path / "key.pem").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))
    text = subprocess.run(
        [PROCESS, "export", path / "cas.db", path / "holder",
         path / "key.pem"], check=True, capture_output=True,
        timeout=60).stdout
    file = path / "log.jsonl"
    file.write_bytes(text)
    spki = key.public_key().public_bytes(
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo)
    return file, hashlib.sha256(spki).hexdigest()


def audit(*args):
    return subprocess.run([sconce.SCONCE, "audit", *map(str, args)],
                          capture_output=True, text=True, timeout=60)


def test_by_the_book(log):
    records, checkpoints = check(log[0].read_text())
    assert records > 100 and checkpoints == 1


def test_verify(log):
    file, key = log
    done = audit("verify", file)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ok: records 1 to ")
    assert "Whose key that is was not looked at" in done.stdout
    done = audit("verify", "--cas-key", key, file)
    assert done.returncode == 0 and "not looked at" not in done.stdout
    done = audit("verify", "--json", "--cas-key", key, file)
    v = json.loads(done.stdout)
    assert v["result"] == "ok" and v["code"] == 0
    assert v["cas_key"] == key and v["cluster"] == "cc" * 32
    assert v["signed"] == v["last"] and v["cas_key_compared"]


def test_known(log, tmp_path):
    file, key = log
    lines = file.read_text().splitlines(True)
    known = tmp_path / "known"
    known.write_text(lines[-1])
    assert audit("verify", "--known", known, file).returncode == 0
    tail = tmp_path / "tail"
    tail.write_text("".join(lines[-2:]))
    assert audit("verify", "--known", known, tail).returncode == 0
    assert audit("verify", tail).returncode == 14
    known.write_text(lines[0])
    done = audit("verify", "--known", known, file)
    assert done.returncode == 20 and "not a checkpoint" in done.stderr
    known.write_text(lines[-1])
    done = audit("verify", "--known", known, "--cas-key", "00" * 31 + "01",
                 file)
    assert done.returncode == 19


def test_grades(log, tmp_path):
    file, key = log
    lines = file.read_text().splitlines(True)
    bad = tmp_path / "bad"

    def grade(text, *args):
        bad.write_text(text)
        done = audit("verify", "--json", *args, bad)
        v = json.loads(done.stdout)
        assert v["code"] == done.returncode
        if done.returncode:
            assert v["error"] in done.stderr
        return v["result"], done.returncode

    text = "".join(lines)
    assert grade(text) == ("ok", 0)
    assert grade(text[:-100]) == ("truncated", 14)
    assert grade("".join(lines[:-1])) == ("truncated", 14)
    assert grade(text.replace("test.change", "test.chance", 1)) == (
        "tampered", 20)
    assert grade(text, "--cas-key", "ab" * 32) == ("wrong_cas", 19)


def test_show(log):
    file, _ = log
    done = audit("show", file)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert " store.create to " in lines[0]
    assert " test.change " in lines[1]
    done = audit("show", "--json", file)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(events) == len(lines)
    assert events[1]["what"] == "test.change" and events[1]["seq"] == 2


def test_usage(tmp_path):
    for args in (["verify"], ["verify", tmp_path / "none"],
                 ["verify", tmp_path], ["verify", "--cas-key", "x", "/dev/null"],
                 ["frobnicate"]):
        done = audit(*args)
        assert done.returncode == 2 and done.stderr.startswith("sconce: ")
    assert audit("--help").returncode == 0
    assert audit("show", "--help").returncode == 0
