# SPDX-License-Identifier: Apache-2.0
"""Revoked, expired, foreign, absurd: evidence that must not be accepted.

Everything here is signed by the generated hierarchy (test/pki) unless a case
says otherwise, so that what is refused is refused for the fault itself and
not because a change broke a signature.
"""

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from pki import AT, LONG, SHORT, Case, Key, Platform, certs, der
from pki.collateral import compact, envelope
from pki.quotes import KINDS, certification_data
from quote_verify import verify

SECOND = timedelta(seconds=1)
TDX_AND_SGX = ["sgx-v3", "tdx-v4", "tdx-v5-1.5"]


def rejected(files, folder, rules, **options):
    """Exactly these rules are broken."""
    got = verify(files, folder, **options)
    assert got.status == 1, got
    assert got.rules == set(rules), got
    return got


# ---- revocation ----

@pytest.mark.parametrize("kind", TDX_AND_SGX)
@pytest.mark.parametrize("ca", ["platform", "processor"])
@pytest.mark.parametrize("revoked, rules", [
    (("pck",), {"pck-revoked"}), (("ca",), {"pck-ca-revoked"}),
    (("tcb",), {"tcb-info-revoked", "qe-identity-revoked"}),
    (("pck", "ca"), {"pck-revoked", "pck-ca-revoked"})])
def test_revoked(kind, ca, revoked, rules, tmp_path):
    files = Case(kind=kind, platform=Platform(ca=ca), revoked=revoked).files()
    got = rejected(files, tmp_path, rules)
    assert got.json["signature"]
    assert got.json["chain"] == (revoked == ("tcb",))
    assert verify(files, tmp_path, "--no-crl").status == 0


def test_revoked_among_many(tmp_path):
    case = Case()
    for count in (1, 500):
        files = case.files()
        files["pck_crl.der"] = certs.crl(
            case.ca, SHORT, [*range(1, count), case.pck.serial])
        rejected(files, tmp_path, {"pck-revoked"})
        files["pck_crl.der"] = certs.crl(
            case.ca, SHORT, [*range(1, count), case.pck.serial + 1])
        assert verify(files, tmp_path).status == 0


def test_serial_numbers_are_compared_whole(tmp_path):
    """Others that begin or end like it, or have its bytes, are others."""
    case = Case()
    serial = case.pck.serial
    files = case.files()
    files["pck_crl.der"] = certs.crl(case.ca, SHORT, [
        serial >> 8, serial << 8, serial & (1 << 152) - 1, -serial])
    assert verify(files, tmp_path).status == 0


# ---- lists that are not the right ones ----

def crl_of_other_key(case):
    return {"pck_crl.der": certs.crl(case.ca, SHORT, key=Key("other"))}


CRLS = [
    ("swapped", lambda case: {
        "pck_crl.der": certs.crl(case.root, SHORT),
        "root_ca_crl.der": certs.crl(case.ca, SHORT)},
     {"pck-crl-issuer", "root-crl-issuer"}),
    ("of another CA", lambda case: {"pck_crl.der": Case(
        platform=Platform(ca="processor")).files()["pck_crl.der"]},
     {"pck-crl-issuer"}),
    ("of a CA of the same name", lambda case: {
        "pck_crl.der": Case(seed="x").files()["pck_crl.der"]},
     {"pck-crl-signature"}),
    ("of a root of the same name", lambda case: {
        "root_ca_crl.der": Case(seed="x").files()["root_ca_crl.der"]},
     {"root-crl-signature"}),
    ("by another key", crl_of_other_key, {"pck-crl-signature"}),
    ("by the PCK", lambda case: {"pck_crl.der": certs.crl(
        case.ca, SHORT, key=case.pck.key)}, {"pck-crl-signature"}),
]


@pytest.mark.parametrize("change, rules", [row[1:] for row in CRLS],
                         ids=[row[0] for row in CRLS])
def test_wrong_lists(change, rules, tmp_path):
    case = Case()
    rejected({**case.files(), **change(case)}, tmp_path, rules)


# ---- dates ----

DATES = {
    "root": {"pck-date", "tcb-info-chain-date", "qe-identity-chain-date"},
    "ca": {"pck-date"}, "pck": {"pck-date"},
    "tcb": {"tcb-info-chain-date", "qe-identity-chain-date"},
    "root_crl": {"root-crl-date"}, "pck_crl": {"pck-crl-date"},
    "tcb_info": {"tcb-info-date"}, "qe_identity": {"qe-identity-date"},
}


@pytest.mark.parametrize("use", DATES)
def test_each_validity_to_the_second(use, tmp_path):
    begin, end = AT - 7 * SECOND, AT + 5 * SECOND
    files = Case(dates={use: (begin, end)}).files()
    assert verify(files, tmp_path, at=begin).status == 0
    assert verify(files, tmp_path, at=end).status == 0
    for at in (begin - SECOND, end + SECOND):
        got = rejected(files, tmp_path, DATES[use], at=at)
        assert got.json["signature"]
        assert got.json["chain"] == ("pck-date" not in DATES[use])
        # What is old is still rated: policies may show it.
        assert got.json["tcb_status"] == "UpToDate"
    window = verify(files, tmp_path).json
    assert window["valid_from"] == begin.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert window["valid_until"] == end.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("kind", TDX_AND_SGX)
def test_all_expired(kind, tmp_path):
    old = (AT - timedelta(days=9), AT - SECOND)
    files = Case(kind=kind, dates={use: old for use in DATES}).files()
    rejected(files, tmp_path, set().union(*DATES.values()))


def test_far_dates(tmp_path):
    """Certificates may say that they never end."""
    never = (LONG[0], datetime(9999, 12, 31, 23, 59, 59,
                               tzinfo=timezone.utc))
    files = Case(dates={use: never for use in DATES}).files()
    assert verify(files, tmp_path).status == 0
    early = (datetime(1, 1, 1, tzinfo=timezone.utc), LONG[1])
    files = Case(dates={use: early for use in DATES}).files()
    assert verify(files, tmp_path).status == 0


# ---- another hierarchy ----

@pytest.mark.parametrize("name, rules", [
    ("tcb_info.json", {"tcb-info-signature"}),
    ("qe_identity.json", {"qe-identity-signature"}),
    # Their own root is there, and is not believed.
    ("tcb_info_chain.pem", {"tcb-info-root", "tcb-info-signature"}),
    ("qe_identity_chain.pem", {"qe-identity-root", "qe-identity-signature"}),
    ("root_ca_crl.der", {"root-crl-signature"}),
    ("pck_crl.der", {"pck-crl-signature"}),
    ("root.pem", {"pck-root", "tcb-info-root", "qe-identity-root"}),
    ("quote.bin", {"pck-root"}),
])
def test_files_of_another_hierarchy(name, rules, tmp_path):
    other = Case(seed="x").files()
    got = verify({**Case().files(), name: other[name]}, tmp_path)
    assert got.status == 1, got
    assert got.rules >= rules, got


@pytest.mark.parametrize("quote, given", [
    (a, b) for a in KINDS for b in KINDS if a[:3] != b[:3]])
def test_collateral_of_the_other_tee(quote, given, tmp_path):
    files = Case(kind=given).files()
    files["quote.bin"] = Case(kind=quote).files()["quote.bin"]
    got = rejected(files, tmp_path, {"tcb-info-tee", "qe-identity-id"})
    assert got.json["tcb_status"] is None


@pytest.mark.parametrize("members, rule", [
    ({"fmspc": "00606A000001"}, "tcb-info-fmspc"),
    ({"pceId": "0001"}, "tcb-info-pceid")])
def test_tcb_information_of_other_machines(members, rule, tmp_path):
    got = rejected(Case(tcb_members=members).files(), tmp_path, {rule})
    assert got.json["tcb_status"] is None


def test_an_enclave_that_is_not_the_quoting_enclave(tmp_path):
    """Any enclave's report, signed by a PCK: what PCE would not do."""
    for member, value, rule in (
            ("mrsigner", bytes(32), "qe-mrsigner"),
            ("isvprodid", 2, "qe-isvprodid"),
            ("miscselect", 1, "qe-miscselect"),
            ("attributes", b"\x17" + bytes(15), "qe-attributes")):
        case = Case()
        case.qe = replace(case.qe, **{member: value})
        rejected(case.files(), tmp_path, {rule})


@pytest.mark.parametrize("kind", ["tdx-v4", "tdx-v5", "tdx-v5-1.5"])
def test_a_module_that_is_not_intel_s(kind, tmp_path):
    for member, rule in (("mrsignerseam", "tdx-module-signer"),
                         ("seam_attributes", "tdx-module-attributes")):
        case = Case(kind=kind)
        size = len(getattr(case.report, member))
        setattr(case.report, member, bytes(size - 1) + b"\x80")
        got = rejected(case.files(), tmp_path, {rule})
        assert got.json["tcb_status"] is None


# ---- who signs what ----

def signer(case, use, **changes):
    """Another certificate in the place of one of the case's."""
    fields = {"subject": getattr(case, use).subject, "key": case.key(use),
              "issuer": case.ca if use == "pck" else case.root,
              "validity": LONG, "serial": getattr(case, use).serial,
              "path_length": 0 if use == "ca" else None,
              "extra": [case.platform.extension()] if use == "pck" else ()}
    return certs.certificate(**{**fields, **changes})


def with_pck(case, **changes):
    case.pck = signer(case, "pck", **changes)
    return case


def with_ca(case, **changes):
    case.ca = signer(case, "ca", **changes)
    return with_pck(case)


def with_tcb(case, **changes):
    case.tcb = signer(case, "tcb", **changes)
    return case


CRITICAL = [certs.extension("1.2.3.4", b"\x05\x00", critical=True)]
CHAINS = [
    # A PCK that another PCK certified.
    ("leaf of a leaf", lambda c: with_ca(c, path_length=None), "pck-chain"),
    ("CA by the PCK CA", lambda c: with_pck(c, issuer=signer(
        c, "ca", issuer=c.ca, key=Key("deep"), path_length=0)), "pck-chain"),
    ("PCK by the root", lambda c: with_pck(c, issuer=c.root), "pck-chain"),
    ("PCK of itself", lambda c: with_pck(c, issuer=None), "pck-root"),
    ("PCK by the TCB signer", lambda c: with_pck(c, issuer=c.tcb),
     "pck-chain"),
    ("signature by another key", lambda c: with_pck(c, issuer=replace(
        c.ca, key=Key("x"))), "pck-chain"),
    ("critical extension", lambda c: with_pck(
        c, extra=[c.platform.extension(), *CRITICAL]), "pck-chain"),
    ("CA of another name", lambda c: with_ca(
        c, subject="Intel SGX PCK Another CA"), "pck-name"),
    ("PCK of another name", lambda c: with_pck(
        c, subject="Intel SGX Attestation"), "pck-name"),
    ("no SGX extension", lambda c: with_pck(c, extra=()), "pck-extension"),
    ("two SGX extensions", lambda c: with_pck(
        c, extra=[c.platform.extension()] * 2), "pck-chain"),
    ("TCB signer of another name", lambda c: with_tcb(
        c, subject="Intel SGX PCK Certificate"), "tcb-info-name"),
    ("TCB signer of the PCK CA", lambda c: with_tcb(c, issuer=c.ca),
     "tcb-info-chain"),
    ("TCB signer of itself", lambda c: with_tcb(c, issuer=None),
     "tcb-info-root"),
]


@pytest.mark.parametrize("change, rule", [row[1:] for row in CHAINS],
                         ids=[row[0] for row in CHAINS])
def test_wrong_chains(change, rule, tmp_path):
    files = change(Case()).files()
    for options in ((), ("--no-crl",)):
        got = verify(files, tmp_path, *options)
        if got.status == 2:
            continue
        assert got.status == 1 and rule in got.rules, got
        assert not got.json["chain"] or not rule.startswith("pck")


@pytest.mark.parametrize("order", [
    ("root", "ca", "pck"), ("pck", "root", "ca"), ("ca", "pck", "root"),
    ("pck", "ca"), ("pck", "ca", "root", "root", "tcb")])
def test_order_of_the_chain_does_not_matter(order, tmp_path):
    assert verify(Case(order=order).files(), tmp_path).status == 0


def test_names_alone_are_no_trust(tmp_path):
    """A root of the same name, in the quote beside the real one."""
    case, other = Case(), Case(seed="x")
    case.pck, case.ca = other.pck, other.ca
    case.order = ("pck", "ca", "root", "tcb")
    files = case.files()
    files["root_ca_crl.der"] = other.files()["root_ca_crl.der"]
    got = verify(files, tmp_path)
    assert got.status == 1 and not got.json["chain"]


# ---- absurd certificates ----

def absurd(name):
    case = Case()
    if name == "long":
        return with_pck(case, extra=[
            case.platform.extension(),
            certs.extension("1.2.3", bytes(700_000))])
    if name == "many extensions":
        return with_pck(case, extra=[case.platform.extension()] + [
            certs.extension("1.2.3.%d" % i, b"\x05\x00")
            for i in range(3000)])
    if name == "long name":
        return with_pck(case, subject="Intel SGX PCK Certificate" * 2000)
    if name == "deep":
        issuer = case.root
        chain = []
        for i in range(40):
            issuer = certs.certificate(
                "Intel SGX PCK Platform CA", Key("ca %d" % i), issuer, LONG,
                i + 1, 100)
            chain.append(issuer)
        case.deep = chain
        case.order = ("pck", "deep_certs", "root")
        case.deep_certs = type("All", (), {
            "pem": lambda self: b"".join(c.pem() for c in chain)})()
        return with_pck(case, issuer=issuer)
    if name == "loop":
        one = certs.certificate("Intel SGX PCK Platform CA", Key("1"),
                                certs.Certificate(b"", Key("2"), "Other CA",
                                                  1), LONG, 7, 5)
        two = certs.certificate("Other CA", Key("2"), one, LONG, 8, 5)
        case.deep_certs = type("All", (), {
            "pem": lambda self: one.pem() + two.pem()})()
        case.order = ("pck", "deep_certs")
        return with_pck(case, issuer=one)
    if name == "the same a hundred times":
        case.order = ("pck",) * 100 + ("ca", "root")
        return case
    raise AssertionError(name)


@pytest.mark.parametrize("name", [
    "long", "many extensions", "long name", "deep", "loop"])
def test_absurd_certificates(name, tmp_path):
    got = verify(absurd(name).files(), tmp_path)
    assert got.status in (1, 2), got
    if got.status == 1:
        assert not got.json["chain"], got


def test_repeated_certificates(tmp_path):
    got = verify(absurd("the same a hundred times").files(), tmp_path)
    assert got.status in (0, 1, 2), got


@pytest.mark.parametrize("serial", [1, 127, 128, 255, 256, 1 << 160, -5,
                                    1 << 8000],
                         ids=["1", "127", "128", "255", "256", "21 bytes",
                              "negative", "1001 bytes"])
def test_odd_serial_numbers_can_be_revoked(serial, tmp_path):
    case = with_pck(Case(revoked=("pck",)), serial=serial)
    rejected(case.files(), tmp_path, {"pck-revoked"})


DER = [
    ("nothing", lambda d: b""), ("one byte", lambda d: d[:1]),
    ("half", lambda d: d[:len(d) // 2]), ("all but one", lambda d: d[:-1]),
    ("one too many", lambda d: d + b"\0"),
    ("length of 2^32", lambda d: b"\x30\x84\xff\xff\xff\xff" + d[4:]),
    ("length of 2^64", lambda d: b"\x30\x88" + b"\xff" * 8 + d[4:]),
    ("length of 127 bytes", lambda d: b"\x30\xff" + b"\xff" * 127 + d[4:]),
    ("indefinite length", lambda d: b"\x30\x80" + d[4:] + b"\0\0"),
    ("nested", lambda d: nested(20_000)),
    ("zeros", lambda d: bytes(len(d))), ("ones", lambda d: b"\xff" * len(d)),
]


def nested(depth):
    out = b""
    for _ in range(depth):
        out = der.tlv(0x30, out)
    return out


@pytest.mark.parametrize("spoil", [row[1] for row in DER],
                         ids=[row[0] for row in DER])
@pytest.mark.parametrize("place", [
    "pck", "tcb_info_chain.pem", "root.pem", "pck_crl.der",
    "root_ca_crl.der"])
def test_spoilt_der(place, spoil, tmp_path):
    case = Case()
    files = case.files()
    if place == "pck":
        case.pck = replace(case.pck, der=spoil(case.pck.der))
        files["quote.bin"] = case.quote()
    elif place.endswith(".pem"):
        cert = case.tcb if "tcb" in place else case.root
        files[place] = certs.pem(spoil(cert.der))
    else:
        files[place] = spoil(files[place])
    got = verify(files, tmp_path)
    assert got.status in (1, 2), got


@pytest.mark.parametrize("text", [
    b"", b"\0", b"\0" * 5000, b"-----BEGIN CERTIFICATE-----",
    b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
    b"-----BEGIN CERTIFICATE-----\n" * 5000, b"x" * 300_000],
    ids=lambda text: "%d bytes" % len(text))
def test_certification_data_that_is_no_chain(text, tmp_path):
    case = Case()
    files = case.files()
    whole = case.quote()
    chain = b"".join(getattr(case, use).pem() for use in case.order) + b"\0"
    old = certification_data(chain)
    assert whole.endswith(old)
    head = whole[:-len(old)]
    size = int.from_bytes(head[432:436], "little") - len(old)
    new = certification_data(text)
    files["quote.bin"] = (head[:432] + (size + len(new)).to_bytes(4, "little")
                          + head[436:] + new)
    got = verify(files, tmp_path)
    assert got.status in (1, 2), got


# ---- bits ----

@pytest.mark.parametrize("kind", ["sgx-v4", "sgx-v5", "tdx-v5"])
def test_flipped_bits_of_the_quote(kind, tmp_path):
    """Kinds that there is no public quote of; up to the certificates."""
    files = Case(kind=kind).files()
    quote = files["quote.bin"]
    end = quote.index(b"-----BEGIN")
    assert end > 1000
    for i in [*range(64), *range(64, end, 5)]:
        bad = bytearray(quote)
        bad[i] ^= 1 << i * 5 % 8
        got = verify({**files, "quote.bin": bytes(bad)}, tmp_path)
        assert got.status in (1, 2), (i, got)


@pytest.mark.parametrize("kind", KINDS)
def test_trailing_bytes(kind, tmp_path):
    files = Case(kind=kind).files()
    for more in (b"\0", bytes(5000), b"\xff" * 70):
        files["quote.bin"] += more
        assert verify(files, tmp_path).status == 0


# ---- JSON ----

def both(case):
    """Name of file, member, body, and the word that failures begin with."""
    return [("tcb_info.json", "tcbInfo", case.tcb_info(), "tcb-info"),
            ("qe_identity.json", "enclaveIdentity", case.qe_identity(),
             "qe-identity")]


def paths(value, at=()):
    """Ways to all members at any depth; of arrays the first element."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield at + (name,)
            yield from paths(member, at + (name,))
    elif isinstance(value, list) and value:
        yield from paths(value[0], at + (0,))


def without(value, path):
    if len(path) == 1:
        return {k: v for k, v in value.items() if k != path[0]}
    out = dict(value) if isinstance(value, dict) else list(value)
    out[path[0]] = without(value[path[0]], path[1:])
    return out


# Members that may be missing.
OPTIONAL = {"advisoryIDs", "category", "type", "tdxModuleIdentities"}


@pytest.mark.parametrize("kind, version", [
    ("sgx-v3", 3), ("sgx-v3", 2), ("tdx-v4", 3)])
def test_each_member_missing(kind, version, tmp_path):
    case = Case(kind=kind, tcb_version=version, advisories=("A",),
                qe_advisories=("A",), module_advisories=("A",))
    files = case.files()
    assert verify(files, tmp_path).status == 0
    count = 0
    for name, member, body, word in both(case):
        for path in paths(body):
            new = envelope(member, without(body, path), case.tcb.key)
            got = verify({**files, name: new}, tmp_path)
            count += 1
            if path[-1] in OPTIONAL:
                assert got.status == 0 or got.rules == {"tdx-module"}, \
                    (path, got)
                continue
            assert got.status == 1, (path, got)
            assert got.rules == {word + "-content"}, (path, got)
            text, = got.seen(word + "-content")
            assert path[-1] in text and "missing" in text, (path, text)
            assert got.json["tcb_status"] is None
    assert count > 30


@pytest.mark.parametrize("kind", ["sgx-v3", "tdx-v4"])
def test_each_member_twice(kind, tmp_path):
    """The second time with another value, properly signed."""
    case = Case(kind=kind)
    files = case.files()
    for name, member, body, word in both(case):
        names = {path[-1] for path in paths(body)}
        for twice in names:
            raw = compact(body)
            raw = raw.replace(b'"%s":' % twice.encode(),
                              b'"%s":0,"%s":' % ((twice.encode(),) * 2), 1)
            new = envelope(member, raw, case.tcb.key)
            got = verify({**files, name: new}, tmp_path)
            assert got.status in (1, 2), (twice, got)
            said = got.err if got.status == 2 else str(got.json["failures"])
            assert "duplicate" in said, (twice, got)


def test_envelope_twice(tmp_path):
    """Which of two would be signed and which would be read?"""
    case = Case()
    files = case.files()
    for name, member, body, _ in both(case):
        good = files[name]
        evil = compact({**body, "tcbEvaluationDataNumber": 99})
        for text in (
                good[:-1] + b',"%s":%s}' % (member.encode(), evil),
                b'{"%s":%s,' % (member.encode(), evil) + good[1:],
                b'{"\\u00%02x%s":%s,' % (ord(member[0]), member[1:].encode(),
                                         evil) + good[1:]):
            got = verify({**files, name: text}, tmp_path)
            assert got.status in (1, 2), got


def test_members_nobody_knows(tmp_path):
    more = {"new": {"tcbLevels": [1, 2.5, None, {"x": []}]}}
    got = verify(Case(tcb_members=more, qe_members=more).files(), tmp_path)
    assert got.status == 0, got


VALUES = [
    None, True, -1, 2 ** 31, 2 ** 63 - 1, 2 ** 63, 2 ** 64, 10 ** 400, 1.5,
    1e300, "", "x", "\0", "\ud7ff", "x" * 10_000, [], [[]], {}, {"": ""},
    "292277026596-12-04T15:30:08Z", "9223372036854775808",
    "2025-06-25T00:00:00+00:00", "2025-06-25T24:00:00Z",
    "2025-02-29T00:00:00Z", "0000-00-00T00:00:00Z", "-001-01-01T00:00:00Z",
]
# Those that are right in some place, or of no consequence there.
FREE = {"category", "type", "advisoryIDs", "tdxModuleIdentities"}


@pytest.mark.parametrize("kind", ["sgx-v3", "tdx-v4"])
def test_each_member_of_another_kind(kind, tmp_path):
    """A sample of all pairs of member and value: never a crash."""
    case = Case(kind=kind, advisories=("A",), qe_advisories=("A",))
    files = case.files()
    step = 0
    for name, member, body, word in both(case):
        for path in paths(body):
            for value in VALUES[step % 3::3]:
                changed = put(body, path, value)
                new = envelope(member, changed, case.tcb.key)
                got = verify({**files, name: new}, tmp_path)
                if path[-1] in FREE:
                    continue
                assert got.status in (1, 2), (path, value, got)
            step += 1


def put(value, path, new):
    if not path:
        return new
    out = dict(value) if isinstance(value, dict) else list(value)
    out[path[0]] = put(value[path[0]], path[1:], new)
    return out


TEXTS = [
    ("empty", b""), ("white", b" \n"), ("NUL", b"\0"), ("null", b"null"),
    ("array", b"[]"), ("number", b"1"), ("text", b'"tcbInfo"'),
    ("open", b"{"), ("deep arrays", b"[" * 500_000),
    ("deep objects", b'{"a":' * 100_000),
    ("closed deep", b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}"),
    ("long text", b'{"' + b"a" * 1_000_000 + b'":1}'),
    ("2 MiB", b" " * (2 << 20)),
    ("many values", b"[" + b"0," * 500_000 + b"0]"),
    ("many members", b"{" + b",".join(
        b'"%d":0' % i for i in range(60_000)) + b"}"),
    ("not UTF-8", b'{"tcbInfo":{"a":"\xff\xfe"}}'),
    ("UTF-16", '{"tcbInfo":{}}'.encode("utf-16")),
    ("byte order mark", b'\xef\xbb\xbf{"tcbInfo":{}}'),
    ("huge number", b'{"tcbInfo":' + b"9" * 100_000 + b"}"),
    ("huge exponent", b'{"tcbInfo":1e999999999}'),
    ("escapes", b'{"' + b"\\u0041" * 100_000 + b'":0}'),
    ("lone surrogate", b'{"tcbInfo":"\\ud800"}'),
    ("binary", bytes(range(256)) * 100),
]


@pytest.mark.parametrize("text", [row[1] for row in TEXTS],
                         ids=[row[0] for row in TEXTS])
@pytest.mark.parametrize("name", ["tcb_info.json", "qe_identity.json"])
def test_what_is_no_document(name, text, tmp_path):
    got = verify({**Case().files(), name: text}, tmp_path)
    assert got.status == 2, got
    assert name in got.err


@pytest.mark.parametrize("change", [
    lambda levels: levels * 2,
    lambda levels: [{**levels[0], "tcbStatus": "OutOfDate"}] + levels,
    lambda levels: [put(levels[0], ("tcb", "pcesvn"), i)
                    for i in range(257)],
    lambda levels: [], lambda levels: [[]] + levels],
    ids=["twice", "one twice", "257", "none", "no object"])
def test_levels(change, tmp_path):
    case = Case()
    body = case.tcb_info()
    case.tcb_members = {"tcbLevels": change(body["tcbLevels"])}
    rejected(case.files(), tmp_path, {"tcb-info-content"})


@pytest.mark.parametrize("signature", [
    "", "0" * 127, "0" * 128, "f" * 128, "0" * 129, "g" * 128, None, 5],
    ids=["empty", "short", "zeros", "ones", "long", "no digits", "null",
         "number"])
def test_signatures(signature, tmp_path):
    case = Case()
    files = case.files()
    for name, member, body, word in both(case):
        text = compact({member: body, "signature": signature})
        got = verify({**files, name: text}, tmp_path)
        assert got.status in (1, 2), got
        if got.status == 1:
            assert got.rules == {word + "-signature"}, got


def test_order_of_members_is_signed(tmp_path):
    """The same JSON value in another order is another document."""
    case = Case()
    files = case.files()
    for name, member, body, word in both(case):
        good = files[name]
        mixed = compact(dict(reversed(body.items())))
        text = re.sub(rb':\{.*\},"sig', lambda m: b":" + mixed + b',"sig',
                      good, count=1, flags=re.S)
        assert text != good
        rejected({**files, name: text}, tmp_path, {word + "-signature"})
