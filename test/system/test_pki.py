# SPDX-License-Identifier: Apache-2.0
"""The generated hierarchy (test/pki), as openssl sees it."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from pki import Case, Key, Platform, write
from pki.quotes import KINDS

AT = "1750809600"  # 2025-06-25
PKI = Path(__file__).resolve().parent.parent / "pki"


def openssl(*args):
    return subprocess.run(["openssl", *map(str, args)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def chain(folder, case):
    (folder / "pck.pem").write_bytes(case.pck.pem())
    (folder / "ca.pem").write_bytes(case.ca.pem())
    for name in ("root_ca_crl", "pck_crl"):
        done = openssl("crl", "-inform", "DER", "-in",
                       folder / (name + ".der"), "-out",
                       folder / (name + ".pem"))
        assert done.returncode == 0, done.stdout
    return openssl(
        "verify", "-attime", AT, "-crl_check_all", "-ignore_critical",
        "-CAfile", folder / "root.pem", "-untrusted", folder / "ca.pem",
        "-CRLfile", folder / "root_ca_crl.pem",
        "-CRLfile", folder / "pck_crl.pem", folder / "pck.pem")


@pytest.mark.parametrize("ca", ["platform", "processor"])
def test_the_chain_is_good(tmp_path, ca):
    case = Case(platform=Platform(ca=ca))
    done = chain(write(case.files(), tmp_path), case)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("revoked, depth", [("pck", 0), ("ca", 1)])
def test_what_is_revoked_is_found_revoked(tmp_path, revoked, depth):
    case = Case(revoked=(revoked,))
    done = chain(write(case.files(), tmp_path), case)
    assert done.returncode != 0
    assert "error 23 at %d depth" % depth in done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_case_gives_the_same_bytes(kind):
    assert Case(kind=kind).files() == Case(kind=kind).files()
    assert Case(kind=kind).files() != Case(kind=kind, seed="x").files()


def test_signatures_are_openssl_s(tmp_path):
    key = Key("test")
    (tmp_path / "data").write_bytes(b"data")
    (tmp_path / "sig").write_bytes(key.sign_der(b"data"))
    (tmp_path / "key").write_bytes(key.spki())
    done = openssl("dgst", "-sha256", "-verify", tmp_path / "key", "-keyform",
                   "DER", "-signature", tmp_path / "sig", tmp_path / "data")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kind, size", [
    ("sgx-v3", 432), ("sgx-v4", 432), ("sgx-v5", 438), ("tdx-v4", 632),
    ("tdx-v5", 638), ("tdx-v5-1.5", 702)])
def test_the_quote_is_laid_out_as_specified(kind, size):
    case = Case(kind=kind)
    quote = case.quote()
    length = int.from_bytes(quote[size:size + 4], "little")
    assert len(quote) == size + 4 + length
    data = quote[size + 4:]
    assert data[64:128] == case.key("attestation").public
    inner = data[128:] if kind == "sgx-v3" else data[134:]
    bound = hashlib.sha256(data[64:128] + bytes(range(32))).digest()
    assert inner[320:352] == bound


def test_it_is_a_command(tmp_path):
    subprocess.run([sys.executable, PKI, "--kind", "tdx-v4", "--status",
                    "OutOfDate", tmp_path / "out"], check=True)
    files = Case(kind="tdx-v4", status="OutOfDate").files()
    for name, data in files.items():
        assert (tmp_path / "out" / name).read_bytes() == data
