# SPDX-License-Identifier: Apache-2.0
"""Chains of certificates with random oddities, as openssl sees them.

The verifier reads certificates itself. What it accepts, `openssl verify` must
accept, too; it may be stricter (name constraints, a root that does not say
that it is a CA), and says so in few cases only.
"""

import random
import subprocess
from datetime import timedelta

from pki import AT, Case, Key, certs, der
from quote_verify import verify

CASES = 150
DAY = timedelta(days=1)
NAMES = {"root": "Intel SGX Root CA", "ca": "Intel SGX PCK Platform CA",
         "pck": "Intel SGX PCK Certificate"}


def odd(rng, percent=5):
    return rng.random() * 100 < percent


def constraints(rng, is_ca):
    flag = is_ca != odd(rng)
    body = der.boolean(True) if flag else b""
    if flag and rng.random() < 0.7:
        body += der.integer(rng.choice([0, 0, 1, 1, 2, 127, 128, 300]))
    return certs.extension("2.5.29.19", der.sequence(body), not odd(rng, 20))


def usage(rng, is_ca):
    bits = 0x06 if is_ca else 0xc0
    if odd(rng):
        bits = rng.choice([0x02, 0x04, 0x80, 0xc0, 0x06, 0x00, 0xfe])
    return certs.extension("2.5.29.15", der.bits(bytes([bits]), 1),
                           not odd(rng, 20))


def extensions(rng, is_ca, extra):
    out = list(extra)
    if not odd(rng):
        out.append(constraints(rng, is_ca))
    if not odd(rng):
        out.append(usage(rng, is_ca))
    if odd(rng):
        out.append(certs.extension("1.2.3.4", b"\x05\x00", odd(rng, 50)))
    if odd(rng, 2):  # name constraints
        out.append(certs.extension("2.5.29.30", der.sequence(der.explicit(
            0, der.sequence(der.implicit(2, b"x")))), True))
    if odd(rng, 2):  # extended key usage: TLS servers
        out.append(certs.extension("2.5.29.37", der.sequence(
            der.oid("1.3.6.1.5.5.7.3.1")), odd(rng, 50)))
    rng.shuffle(out)
    return der.explicit(3, der.sequence(*out)) if out else b""


def certificate(rng, case, use, issuer, is_ca, extra=()):
    """Well formed and of the right names; all else may be odd."""
    key, issuer_key = case.key(use), case.key(issuer)
    version = der.explicit(0, der.integer(
        rng.choice([0, 1, 3]) if odd(rng, 2) else 2))
    algorithm = certs.ECDSA_SHA256
    if odd(rng, 2):  # parameters, which there must be none of
        algorithm = der.sequence(der.oid("1.2.840.10045.4.3.2"), b"\x05\x00")
    body = der.sequence(
        version, der.integer(rng.choice([1, 127, 128, 1 << 159])), algorithm,
        certs.name(NAMES[issuer]),
        der.sequence(der.time(AT + (DAY if odd(rng, 3) else -DAY)),
                     der.time(AT - (DAY if odd(rng, 3) else -DAY))),
        certs.name(NAMES[use]), key.spki(), extensions(rng, is_ca, extra))
    signer = Key("other") if odd(rng, 3) else issuer_key
    return certs.Certificate(
        der.sequence(body, algorithm, der.bits(signer.sign_der(body))), key,
        NAMES[use], 1)


def generated(number):
    rng = random.Random(number)
    case = Case()
    case.root = certificate(rng, case, "root", "root", True)
    case.ca = certificate(rng, case, "ca", "root", True)
    case.pck = certificate(rng, case, "pck", "ca", False,
                           [case.platform.extension()])
    case.order = rng.choice([("pck", "ca", "root"), ("root", "pck", "ca")])
    return case


def openssl_accepts(case, folder):
    for use in NAMES:
        (folder / use).write_bytes(getattr(case, use).pem())
    return subprocess.run(
        ["openssl", "verify", "-attime", "%d" % AT.timestamp(),
         "-check_ss_sig", "-CAfile", folder / "root", "-untrusted",
         folder / "ca", folder / "pck"], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL).returncode == 0


def test_nothing_is_accepted_that_openssl_refuses(tmp_path):
    count = {}
    for number in range(CASES):
        case = generated(number)
        got = verify(case.files(), tmp_path / "case", "--no-crl")
        ours = got.status != 2 and got.json["chain"]
        theirs = openssl_accepts(case, tmp_path)
        assert theirs or not ours, (number, got)
        count[ours, theirs] = count.get((ours, theirs), 0) + 1
    # So that this says something: many of either kind, few differences.
    assert count[True, True] > CASES / 5, count
    assert count[False, False] > CASES / 5, count
    assert count.get((False, True), 0) < CASES / 6, count


def test_key_usage_says_something(tmp_path, monkeypatch):
    """RFC 5280, 4.2.1.3: at least one bit."""
    case = Case()
    monkeypatch.setattr(certs, "ca_extensions", lambda path_length: [
        certs.extension("2.5.29.15", der.bits(b"\0", 1), True)])
    case.pck = case.certificate("pck", case.ca,
                                extra=[case.platform.extension()])
    assert not openssl_accepts(case, tmp_path)
    got = verify(case.files(), tmp_path / "case")
    assert got.status == 1 and "pck-chain" in got.rules, got
