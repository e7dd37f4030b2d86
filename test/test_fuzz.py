# SPDX-License-Identifier: Apache-2.0
"""A short, repeatable run of each libFuzzer program of the build."""

import json
import os
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

import aesm
from pki import Case
from pki.quotes import KINDS

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / os.environ.get("SCONCE_BUILD", "build")
RUNS = 4000
SECONDS = 20  # the fuzzer's own limit; a slow machine makes fewer runs

VECTORS = Path(os.environ.get("SCONCE_VECTORS",
                              ROOT.parent / "shared" / "vectors"))
KEY = aesm.INTEL_KEY_ID
LAS_KEY = aesm.key_id(bytes(32))
# Where to start from: small real inputs, or nothing. "a+b": both in one.
# A platform or report that reaches everything, and a file.
TCB_INFO = [b"\xff" * 50 + case.files()["tcb_info.json"] for case in (
    Case(advisories=("INTEL-SA-00615",)), Case(tcb_version=2),
    Case(kind="tdx-v4", module_status="OutOfDate"))]
QE_IDENTITY = [bytes(56) + Case(kind=kind, qe_advisories=("INTEL-SA-00615",))
               .files()["qe_identity.json"] for kind in ("sgx-v3", "tdx-v4")]
EVIDENCE = [Case(kind=kind).files()["quote.bin"] for kind in KINDS] + [
    "vectors:dcap/%s/quote.bin" % case for case in (
        "sgx-v3-phala-00a067110000", "tdx-v4-phala-b0c06f000000",
        "tdx-v5-google-90c06f000000", "sgx-v3-intel-qvl-sample-ppid")] + [
    "vectors:snp/milan-v2-google/report.bin"]
PLATFORM = Case(revoked=("pck",))
X509 = [PLATFORM.pck.der, PLATFORM.ca.der, PLATFORM.platform.extension()[19:],
        b"".join(c.pem() for c in (PLATFORM.pck, PLATFORM.ca, PLATFORM.root)),
        PLATFORM.files()["pck_crl.der"],
        PLATFORM.files()["pck_crl.der"].hex().encode(),
        "vectors:snp/milan-v2-google/cert_chain.pem",
        "vectors:dcap/tdx-v4-phala-b0c06f000000/pck_crl.der"]
CLAIMS = bytes.fromhex("a26b7075626b65792d68617368582482015820") + bytes(32) \
    + bytes.fromhex("656e6f6e6365456e6f6e6365")
RATLS = [bytes.fromhex("d9ea6082591000") + EVIDENCE[0][:4096] + b"\x58"
         + bytes([len(CLAIMS)]) + CLAIMS,
         bytes.fromhex("da534e5031824000")]
GRAMINE = VECTORS / "ratls/gramine-cert.pem"
if GRAMINE.exists():
    RATLS.append(ssl.PEM_cert_to_DER_cert(GRAMINE.read_text().strip()))
HELLO = bytes.fromhex(
    "a56269640162" + "6f7000"
    + "64636f646500" + "6773657373696f6e" + "63612f62"
    + "6865766964656e6365" + "420102")
REPLY = bytes.fromhex(
    "a562696401656c65617365183c"
    + "66636f6e66696743010203" + "6673746174757300"
    + "696f6e5f65787069727901")
WIRE = [b"\0" + HELLO, b"\1" + REPLY,
        b"\2" + len(HELLO).to_bytes(4, "little") + HELLO]


def cbor(value):
    major, size, body = {
        int: lambda v: (0, v, b""),
        bytes: lambda v: (2, len(v), v),
        str: lambda v: (3, len(v.encode()), v.encode()),
        list: lambda v: (4, len(v), b"".join(map(cbor, v))),
    }[type(value)](value)
    head = bytes([major << 5 | size]) if size < 24 else \
        bytes([major << 5 | 24, size]) if size < 256 else \
        bytes([major << 5 | 25]) + size.to_bytes(2, "big")
    return head + body


# A session's secrets: name, kind, key type, origin, due, end of grace, value,
# value before.
SECRETS = [cbor(secrets) for secrets in (
    [1, []],
    [1, [["a", 0, 0, 0, 0, 0, [0, 0, b"text", b"", []], []]]],
    [1, [["k", 2, 2, 0, 9, 0, [5, 0, bytes.fromhex(
        "302e020100300506032b657004220420") + bytes(32), b"", []], []],
         ["x", 4, 0, 0, 9, 300, [5, 10, X509[0], b"", [X509[1], X509[2]]],
          [[1, 2, X509[0], b"key", []]]]]],
    ["", 1, 0, 0, 0, 0, [0, 0, b"", b"", []], []])]
# Records 1 and 2 of CAS's log, the second with all that an event may have.
HASH = "ab" * 32
AUDIT = "".join(
    '{"seq":%d,"time":9,"term":1,"rows":3,"prev":"%s","map":"%s","events":[%s]'
    ',"hash":"%s"}\n' % (seq, HASH, HASH, events, HASH) for seq, events in (
        (1, '{"what":"store.create","after":"%s"}' % HASH),
        (2, '{"what":"a.b","object":"\\"\\\\x","actor":"%s","before":"%s",'
         '"after":"%s","denied":true,"detail":"0011"},{"what":"c"}'
         % (HASH, HASH, HASH)))).encode()
CHECKPOINT = ('{"checkpoint":{"cluster":"%s","head":"%s","seq":2,"term":1,'
              '"time":5},"key":"%s","signature":"3006020101020101"}\n' % (
                  HASH, HASH, "3059301306072a8648ce3d020106082a8648ce3d030107"
                  "034200046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4"
                  "a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b31"
                  "5ececbb6406837bf51f5")).encode()
RECORD = b"\xa7" + b"".join(map(cbor, (
    "map", bytes(32), "seq", 2, "prev", bytes(32), "rows", 3, "term", 1,
    "time", 300, "events"))) + b"\x82" + b"\xa7" + b"".join(map(cbor, (
        "what", "a.b", "actor", bytes(32), "after", bytes(32), "before",
        bytes(32), "denied"))) + b"\xf5" + b"".join(map(cbor, (
            "detail", b"123", "object", "x"))) + b"\xa1" + cbor("what") \
    + cbor("c")
APPROVAL = [bytes(32), b"", 7, 5, bytes(64), 1, 2, 4]
CAS_KEYS = [bytes([kind]) + cbor(message) for kind, message in (
    (0, [1, bytes(16), bytes(32), 2, 3, 1, bytes(32), bytes(16),
         [bytes(16)] * 3]),
    (1, [1, bytes(32), bytes(32), bytes(150)]),
    (2, [1, 5, [APPROVAL, APPROVAL]]),
    (2, [1, "join", bytes(32), "1.0"]),
    (2, [1, "grant", bytes(32), bytes(32), 1, 2, 3]),
    (2, [1, "refusal", "no"]))]
POLICIES = ["source:test/policies/%s.yaml" % name for name in (
    "edge-web", "everything", "locked-db", "root-board", "rules-user",
    "shared-rules")] + [
    text.encode() for text, _ in json.loads(
        (ROOT / "test/policies/bad.json").read_text())]
FORMS = [bytes.fromhex(row["form"]) for row in json.loads(
    (ROOT / "test/policies/session-hash.json").read_text())]
# Frames for a witness: a request for a term, two appends.
WITNESS = [b"".join(
    b"\x4b\0\0\0\x88\x01" + bytes([i, op, 5, a]) + b"\x58\x20" +
    bytes([a]) * 32 + bytes([b]) + b"\x58\x20" + bytes([b]) * 32
    for i, op, a, b in ((1, 1, 0, 0), (2, 2, 0, 1), (3, 2, 1, 2)))]
SEEDS = {
    "fuzz-audit": [AUDIT, AUDIT + CHECKPOINT, CHECKPOINT],
    "fuzz-store-record": [RECORD],
    "fuzz-aesm": [aesm.message(*m) for m in (
        (15, {1: KEY, 3: 1, 4: 32, 9: 10 ** 7}), (16, {1: KEY, 9: 5}),
        (17, {1: bytes(432), 2: KEY, 3: bytes(960), 4: 4600}), (21, {9: 1}),
        (22, {1: 256}), (19, {1: bytes(8) + KEY}),
        (15, {1: 0, 2: bytes(512), 3: 32, 4: bytes(32)}),
        (16, {1: 0, 2: 4600}), (17, {1: 0, 2: bytes(600), 3: bytes(960)}),
        (21, {1: 0, 2: 1}), (22, {1: 0, 2: KEY}), (20, {1: 30}))],
    "fuzz-cas-keys": CAS_KEYS,
    "fuzz-elf": ["/bin/true"],
    "fuzz-las": [aesm.message(*m) for m in (
        (15, {1: LAS_KEY, 3: 1, 4: 32}), (16, {1: LAS_KEY}), (21, {}),
        (17, {1: b"\1" * 432, 2: LAS_KEY, 3: bytes(960), 4: 4213}),
        (22, {1: 256}), (19, {1: b"\0\0\0\0\1\0\0\0" + LAS_KEY}))],
    "fuzz-evidence": EVIDENCE,
    "fuzz-program": ["/bin/true"],
    "fuzz-quote": EVIDENCE,
    # Flags, method, what the engine says; path; type; body.
    "fuzz-http": [
        b"\1\0\x08/v1/sessions/a%2fb?hash=" + b"ab" * 32 + b"\n\n",
        b"\1\1\0/v1/sessions\napplication/json\n" + json.dumps(
            {"session": "a", "signatures": [
                {"key": "AAAA", "value": "AAA="}]}).encode(),
        b"\1\1\0/v1/proposals/ab/votes\napplication/json\n" + json.dumps(
            {"yes": True, "reason": "r", "signature": {
                "key": "AAAA", "value": "AAAA"}}).encode(),
        b"\1\3\0/v1/sessions/a\n\n{\"signatures\": []}",
        b"\1\1\0/v1/dry-run/a?service=s\n\nx",
        b"\1\0\x08/v1/audit/log?from=3\n\n",
        b"\0\0\0/v1/attestation?nonce=a\n\n",
        b"\0\0\0/v1/values?session=a&secret=b&format=c\n\n",
        b"\0\0\0/v1/openapi.json\n\n",
        b"\0\4\0/v1/proposals/a\n\n"],
    # A HELLO and a TAG, alone and as frames; a reply.
    "fuzz-wire": WIRE,
    "fuzz-witness": WITNESS,
    "fuzz-yaml": ["source:test/fuzz/corpus/yaml/full"],
    "fuzz-qe-identity": QE_IDENTITY,
    "fuzz-rewrite": ["/bin/true", "build:test/fuzz/seed-rewrite"],
    "fuzz-tcb-info": TCB_INFO,
    "fuzz-secret": SECRETS,
    "fuzz-x509": X509,
    "fuzz-ratls": RATLS,
    "fuzz-session": POLICIES,
    "fuzz-session-form": FORMS,
    "fuzz-subst": [b"$$SCONE::a:hex$$ @@1 $$SCONE::b|escape(json)$$",
                   b"$$SCONE::self::software_identity$$$$SCONE::c"],
    "fuzz-template": [b"$$SCONE::a:hex$$ $$ $$SCONE::b|escape(json)$$\0",
                      b"$$SCONE::self::software_identity$$$$SCONE::none$$"],
    "fuzz-snp": ["vectors:snp/%s" % case for case in (
        "milan-v2-google/report.bin+vectors:snp/milan-v2-google/vcek.der",
        "genoa-v5-oak/report.bin+vectors:snp/genoa-v5-oak/cert_chain.pem",
        "milan-v3-vlek-trustee/report.bin"
        "+vectors:snp/milan-v3-vlek-trustee/vlek.der")],
}


def programs():
    found = sorted(p for p in (BUILD / "test/fuzz").glob("fuzz-*")
                   if p.is_file() and os.access(p, os.X_OK))
    return [pytest.param(p, id=p.name) for p in found]


@pytest.mark.skipif(not shutil.which("clang"), reason="no clang")
def test_every_fuzz_target_was_built():
    sources = {p.stem.removeprefix("fuzz_").replace("_", "-")
               for p in (ROOT / "test/fuzz").glob("fuzz_*.c")}
    built = {p.id.removeprefix("fuzz-") for p in programs()}
    assert sources and sources <= built, \
        "no program for %s" % sorted(sources - built)


def seed_path(seed):
    place, _, rest = seed.rpartition(":")
    return {"build": BUILD, "source": ROOT, "vectors": VECTORS,
            "": Path("/")}[place] / rest


def write_seeds(name, corpus):
    for i, seed in enumerate(SEEDS.get(name, [])):
        if isinstance(seed, bytes):
            (corpus / str(i)).write_bytes(seed)
            continue
        parts = [seed_path(part) for part in seed.split("+")]
        if all(part.exists() for part in parts):
            (corpus / str(i)).write_bytes(
                b"".join(part.read_bytes() for part in parts))


@pytest.mark.parametrize("program", programs())
def test_fuzz(program, tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    write_seeds(program.name, corpus)
    done = subprocess.run(
        [program, "-seed=1", "-runs=%d" % RUNS,
         "-max_total_time=%d" % SECONDS, "-max_len=20000", "-timeout=10",
         "-rss_limit_mb=1024", corpus],
        cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=SECONDS + 60, text=True,
        errors="replace")
    assert done.returncode == 0, done.stdout[-4000:]
    assert "Done " in done.stdout, done.stdout[-4000:]


if __name__ == "__main__":
    # For tools/fuzz: NAME FOLDER.
    write_seeds(sys.argv[1], Path(sys.argv[2]))
