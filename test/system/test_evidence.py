# SPDX-License-Identifier: Apache-2.0
"""Chains, revocation, dates and signatures that no real evidence has wrong:
`sconce quote verify` on evidence of a generated hierarchy (test/pki)."""

import itertools
import os
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from pki import AT, LONG, Case, Platform, TdReport, certs, quotes
from pki.quotes import KINDS
from quote_verify import verify

ROOT = Path(__file__).resolve().parent.parent.parent
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
BOTH = {"tcb-info-chain-date", "qe-identity-chain-date"}
# What has dates, and the rules that tell that they are over.
DATES = {
    "root": {"pck-date"} | BOTH,
    "ca": {"pck-date"},
    "pck": {"pck-date"},
    "tcb": BOTH,
    "root_crl": {"root-crl-date"},
    "pck_crl": {"pck-crl-date"},
    "tcb_info": {"tcb-info-date"},
    "qe_identity": {"qe-identity-date"},
}
CERTS = ("root", "ca", "pck")


def check(case, folder, rules, *options, signature=True, chain=True,
          files=None, at=AT):
    got = verify({**case.files(), **(files or {})}, folder, *options, at=at)
    assert got.status == (1 if rules else 0), got
    assert got.rules == set(rules), got
    assert got.json["signature"] == signature, got
    assert got.json["chain"] == chain, got
    return got


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_wrong(kind, tmp_path):
    for ca in ("platform", "processor"):
        check(Case(kind=kind, platform=Platform(ca=ca)), tmp_path, ())


@pytest.mark.parametrize("kind", KINDS)
def test_revoked(kind, tmp_path):
    rows = {("pck",): ({"pck-revoked"}, False),
            ("ca",): ({"pck-ca-revoked"}, False),
            ("pck", "ca"): ({"pck-revoked", "pck-ca-revoked"}, False),
            ("tcb",): ({"tcb-info-revoked", "qe-identity-revoked"}, True)}
    for revoked, (rules, chain) in rows.items():
        case = Case(kind=kind, revoked=revoked)
        got = check(case, tmp_path, rules, chain=chain)
        # What a revoked key signed rates nothing.
        assert got.json["tcb_status"] == (
            None if "tcb" in revoked else "UpToDate"), got
        check(case, tmp_path, (), "--no-crl")


@pytest.mark.parametrize("use", DATES)
def test_dates(use, tmp_path):
    chain = use not in CERTS
    for kind in ("sgx-v3", "tdx-v4"):
        case = Case(kind=kind, dates={use: (AT - DAY, AT + DAY)})
        check(case, tmp_path, (), at=AT - DAY)
        check(case, tmp_path, (), at=AT + DAY)
        check(case, tmp_path, DATES[use], chain=chain, at=AT - DAY - SECOND)
        got = check(
            case, tmp_path, DATES[use], chain=chain, at=AT + DAY + SECOND)
        # Old information still is information.
        assert got.json["tcb_status"] == "UpToDate", got


def test_chains_in_any_order(tmp_path):
    for order in itertools.permutations(CERTS):
        check(Case(order=order), tmp_path, ())
    # Those that are missing are found in other files, if they are there.
    check(Case(order=("pck", "ca")), tmp_path, ())
    check(Case(order=("pck", "pck", "ca", "root", "ca")), tmp_path, ())
    check(Case(order=("pck", "root")), tmp_path, {"pck-chain"}, chain=False)
    check(Case(order=("ca", "root")), tmp_path,
          {"pck-name", "qe-report-signature"}, signature=False, chain=False)


def test_another_root(tmp_path):
    case, other = Case(), Case(seed="other")
    check(case, tmp_path, {"pck-root", "tcb-info-root", "qe-identity-root"},
          files={"root.pem": other.root.pem()}, chain=False)
    # An impostor: the name of the root, another key.
    case.ca.der = case.certificate("ca", other.root, 0).der
    check(case, tmp_path, {"pck-chain"}, chain=False)


def certificate(case, use, issuer, name, path_length=None, extra=()):
    return certs.certificate(name, case.key(use), issuer, LONG,
                             case.serial(use), path_length, extra)


def test_names_have_their_place(tmp_path):
    case = Case()
    extra = [case.platform.extension()]
    case.pck = certificate(case, "pck", case.ca, "Intel SGX TCB Signing",
                           extra=extra)
    check(case, tmp_path, {"pck-name", "qe-report-signature"},
          signature=False, chain=False)
    case = Case()
    case.tcb = certificate(case, "tcb", case.root, "Intel SGX PCK Certificate")
    check(case, tmp_path, {"tcb-info-name", "qe-identity-name"})
    # Signed by a PCK that bears the name of the signer of TCB information.
    case = Case()
    case.tcb = certificate(case, "tcb", case.ca, "Intel SGX TCB Signing")
    files = case.files()
    files["tcb_info_chain.pem"] = files["qe_identity_chain.pem"] = \
        case.tcb.pem() + case.ca.pem() + case.root.pem()
    check(case, tmp_path, {"tcb-info-chain", "qe-identity-chain"},
          files=files)


def test_who_may_certify(tmp_path):
    # The CA is none.
    case = Case()
    case.ca = case.certificate("ca", case.root)
    check(case, tmp_path, {"pck-chain"}, chain=False)
    # A PCK made by a PCK: its issuer's name is its own, as a root's.
    case = Case()
    extra = [case.platform.extension()]
    case.intermediate = case.pck
    case.pck = certificate(case, "forged", case.intermediate,
                           "Intel SGX PCK Certificate", extra=extra)
    case.order = ("pck", "intermediate", "ca", "root")
    check(case, tmp_path, {"pck-root"}, chain=False)
    # A CA under the CA, which has a path length of 0.
    case = Case()
    case.intermediate = certificate(
        case, "below", case.ca, "Intel SGX PCK Processor CA", 0)
    case.pck = certificate(case, "pck", case.intermediate,
                           "Intel SGX PCK Certificate", extra=extra)
    case.order = ("pck", "intermediate", "ca", "root")
    check(case, tmp_path, {"pck-chain"}, chain=False)
    # The root itself.
    case = Case()
    case.pck = certificate(case, "pck", case.root,
                           "Intel SGX PCK Certificate", extra=extra)
    check(case, tmp_path, {"pck-chain"}, chain=False)


def test_extensions(tmp_path):
    case = Case()
    case.pck = certificate(case, "pck", case.ca, "Intel SGX PCK Certificate")
    check(case, tmp_path, {"pck-extension"}, chain=False)
    case = Case()
    case.pck = certificate(
        case, "pck", case.ca, "Intel SGX PCK Certificate",
        extra=[case.platform.extension(),
               certs.extension("1.2.3.4", b"\x05\x00", critical=True)])
    check(case, tmp_path, {"pck-chain"}, chain=False)
    case = Case()
    case.pck = certificate(case, "pck", case.ca, "Intel SGX PCK Certificate",
                           extra=[case.platform.extension()] * 2)
    check(case, tmp_path, {"pck-chain", "qe-report-signature"},
          signature=False, chain=False)


def test_lists(tmp_path):
    case, other = Case(), Case(seed="other")
    files = case.files()
    validity = case.validity("pck_crl")
    swapped = {"root_ca_crl.der": files["pck_crl.der"],
               "pck_crl.der": files["root_ca_crl.der"]}
    check(case, tmp_path, {"root-crl-issuer", "pck-crl-issuer"},
          files=swapped, chain=False)
    # Signed by somebody else in the name of the issuer.
    forged = {"root_ca_crl.der": certs.crl(case.root, validity,
                                           key=other.root.key),
              "pck_crl.der": certs.crl(case.ca, validity, key=case.pck.key)}
    check(case, tmp_path, {"root-crl-signature", "pck-crl-signature"},
          files=forged, chain=False)
    # Thousands of others are revoked, or that one among them.
    serials = list(range(1 << 150, (1 << 150) + 5000))
    check(case, tmp_path, (), files={
        "pck_crl.der": certs.crl(case.ca, validity, serials)})
    check(case, tmp_path, {"pck-revoked"}, chain=False, files={
        "pck_crl.der": certs.crl(case.ca, validity,
                                 serials + [case.pck.serial])})
    # Old, but what is revoked stays so.
    old = (AT - 9 * DAY, AT - DAY)
    check(case, tmp_path, {"pck-crl-date", "pck-revoked"}, chain=False, files={
        "pck_crl.der": certs.crl(case.ca, old, [case.pck.serial])})


@pytest.mark.parametrize("kind", KINDS)
def test_signatures(kind, tmp_path):
    case, other = Case(kind=kind), Case(kind=kind, seed="other")
    # Of a PCK that has the name only.
    case.pck = certs.Certificate(case.pck.der, other.pck.key,
                                 case.pck.subject, case.pck.serial)
    check(case, tmp_path, {"qe-report-signature"}, signature=False)
    # The report names another attestation key.
    case = Case(kind=kind)
    quote = bytearray(case.files()["quote.bin"])
    at = bytes(quote).index(case.key("attestation").public)
    quote[at:at + 64] = other.key("attestation").public
    check(case, tmp_path, {"qe-report-data", "quote-signature"},
          files={"quote.bin": bytes(quote)}, signature=False)
    quote[at:at + 64] = b"\xff" * 64  # no point of the curve
    check(case, tmp_path, {"qe-report-data", "quote-signature"},
          files={"quote.bin": bytes(quote)}, signature=False)


def with_certification(case, data, kind):
    body = case.report.encode()
    return quotes.quote(case.kind, body, case.pck.key,
                        quotes.certification_data(data, kind), case.qe,
                        case.key("attestation"))


def test_quotes_without_certificates(tmp_path):
    case = Case()
    issuers = case.ca.pem() + case.root.pem()
    for kind, size in ((1, 36), (2, 276), (3, 404)):
        quote = {"quote.bin": with_certification(case, bytes(size), kind)}
        check(case, tmp_path / "none", {"pck-missing", "qe-report-signature"},
              files=quote, signature=False, chain=False)
        check(case, tmp_path, (), files={
            **quote, "pck_cert.pem": case.pck.pem(),
            "pck_issuer_chain.pem": issuers})
    check(case, tmp_path, (), files={
        "quote.bin": with_certification(case, case.pck.pem(), 4),
        "pck_issuer_chain.pem": issuers})


def test_another_platform(tmp_path):
    case = Case()
    for platform, rule in (
            (Platform(fmspc=bytes(6)), "tcb-info-fmspc"),
            (Platform(pce_id=b"\1\0"), "tcb-info-pceid")):
        other = Case(platform=platform)
        got = check(case, tmp_path, {rule},
                    files={"tcb_info.json": other.files()["tcb_info.json"]})
        assert got.json["tcb_status"] is None, got


@pytest.mark.parametrize("kind", ["tdx-v4", "tdx-v5", "tdx-v5-1.5"])
def test_tdx_modules(kind, tmp_path):
    # Not signed as the TCB information says, or with attributes.
    for members, rule in (
            ({"mrsignerseam": b"\1" * 48}, "tdx-module-signer"),
            ({"seam_attributes": b"\0" * 7 + b"\1"},
             "tdx-module-attributes")):
        for svn in (b"\5\1\2", b"\5\0\2"):
            report = TdReport(tee_tcb_svn=svn + bytes(13), **members)
            check(Case(kind=kind, report=report), tmp_path, {rule})


def test_parsers_allocate_nothing():
    build = Path(os.environ.get("SCONCE_BUILD", ROOT / "build"))
    listed = subprocess.run(
        ["nm", "-A", "-u", build / "attest/libattest-verify.a"], text=True,
        stdout=subprocess.PIPE, check=True).stdout.splitlines()
    for source in ("quote.c", "der.c", "pck.c", "date.c", "verdict.c"):
        wanted = {line.split()[-1] for line in listed
                  if "attest_%s" % source in line or ":%s.o:" % source in line
                  or "/%s.o:" % source in line}
        assert wanted, source
        assert not {name for name in wanted if "alloc" in name
                    or name in ("strdup", "free")}, source
