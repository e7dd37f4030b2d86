# SPDX-License-Identifier: Apache-2.0
"""SGX quotes of version 3 and their collateral, verified in Python.

Another implementation than attest/, on other libraries: it shares with that
one nothing but the layouts that Intel documents. It asserts; who calls it
with a false quote wants an AssertionError or an exception of a library.
"""

import hashlib
import json
import struct
from datetime import datetime, timedelta
from types import SimpleNamespace

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding, PublicFormat)

INTEL_VENDOR = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
SGX_EXTENSION = "1.2.840.113741.1.13.1"
QE_SIGNER = b"SCONCE-EMULATED-QUOTING-ENCLAVE\0"


def parse_report(data):
    assert len(data) == 384
    return SimpleNamespace(
        data=data, cpusvn=data[:16], miscselect=data[16:20],
        attributes=data[48:64], mrenclave=data[64:96], mrsigner=data[128:160],
        configid=data[192:256], isvprodid=data[256] | data[257] << 8,
        isvsvn=data[258] | data[259] << 8, reportdata=data[320:384])


def parse(quote):
    version, key_type, reserved, qe_svn, pce_svn = struct.unpack_from(
        "<HHIHH", quote)
    size, = struct.unpack_from("<I", quote, 432)
    assert (version, key_type, reserved) == (3, 2, 0)
    assert len(quote) == 436 + size
    q = SimpleNamespace(
        qe_svn=qe_svn, pce_svn=pce_svn, vendor=quote[12:28],
        user_data=quote[28:48], body=parse_report(quote[48:432]),
        signed=quote[:432], signature=quote[436:500], key=quote[500:564],
        qe=parse_report(quote[564:948]), qe_signature=quote[948:1012])
    auth, = struct.unpack_from("<H", quote, 1012)
    q.auth = quote[1014:1014 + auth]
    q.type, length = struct.unpack_from("<HI", quote, 1014 + auth)
    q.certification = quote[1020 + auth:]
    assert len(q.certification) == length
    return q


def split_pem(text):
    end = b"-----END CERTIFICATE-----\n"
    return [x509.load_pem_x509_certificate(part + end)
            for part in text.split(end) if part.strip(b"\0\n")]


def check_raw(key, signature, data):
    assert len(signature) == 64
    r, s = (int.from_bytes(signature[i:i + 32], "big") for i in (0, 32))
    key.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(SHA256()))


def check_issued(cert, issuer, at):
    assert cert.issuer == issuer.subject
    assert issuer.extensions.get_extension_for_class(
        x509.BasicConstraints).value.ca
    issuer.public_key().verify(
        cert.signature, cert.tbs_certificate_bytes, ec.ECDSA(SHA256()))
    assert cert.not_valid_before <= at <= cert.not_valid_after


def der_items(data):
    """(tag, contents) of what stands in a row."""
    at = 0
    while at < len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            count = size & 0x7f
            size = int.from_bytes(data[at:at + count], "big")
            assert count and size >= 0x80
            at += count
        assert at + size <= len(data)
        yield tag, data[at:at + size]
        at += size


def oid_text(data):
    assert data[0] == 0x2a  # 1.2
    numbers, n = [1, 2], 0
    for byte in data[1:]:
        n = n << 7 | byte & 0x7f
        if not byte & 0x80:
            numbers.append(n)
            n = 0
    return ".".join(map(str, numbers))


def sgx_extension(cert):
    """{last part of the OID: value}; sequences are dicts."""
    def read(data):
        out = {}
        for tag, pair in der_items(data):
            assert tag == 0x30
            (kind, oid), (tag, value) = der_items(pair)
            assert kind == 6
            name = oid_text(oid)
            assert name.startswith(SGX_EXTENSION + ".")
            name = name[len(SGX_EXTENSION) + 1:]
            if tag == 0x30:
                value = read(value)
            elif tag in (1, 2, 0x0a):
                value = int.from_bytes(value, "big", signed=tag == 2)
            assert name not in out
            out[name] = value
        return out

    raw = cert.extensions.get_extension_for_oid(
        x509.ObjectIdentifier(SGX_EXTENSION)).value.value
    (tag, inner), = der_items(raw)
    assert tag == 0x30
    return read(inner)


def load_collateral(path):
    def signed(name, member):
        text = (path / name).read_bytes()
        start = text.index(b'":', text.index(member)) + 2
        end = text.rindex(b',"signature"')
        body = text[start:end]
        parsed = json.loads(text)
        assert json.loads(body) == parsed[member.decode()]
        return SimpleNamespace(body=body, value=parsed[member.decode()],
                               signature=bytes.fromhex(parsed["signature"]))

    return SimpleNamespace(
        tcb=signed("tcb_info.json", b"tcbInfo"),
        identity=signed("qe_identity.json", b"enclaveIdentity"),
        tcb_chain=split_pem((path / "tcb_info_chain.pem").read_bytes()),
        identity_chain=split_pem((path / "qe_identity_chain.pem").read_bytes()),
        root_crl=x509.load_der_x509_crl((path / "root_ca_crl.der").read_bytes()),
        pck_crl=x509.load_der_x509_crl((path / "pck_crl.der").read_bytes()),
        root=split_pem((path / "root_ca.pem").read_bytes())[0])


def check_crl(crl, issuer, certs, at):
    assert crl.issuer == issuer.subject
    assert crl.is_signature_valid(issuer.public_key())
    assert crl.last_update <= at < crl.next_update
    for cert in certs:
        assert crl.get_revoked_certificate_by_serial_number(
            cert.serial_number) is None


def check_document(document, chain, root, crl, at):
    signer, top = chain
    assert spki(top) == spki(root)
    check_issued(signer, root, at)
    check_crl(crl, root, [signer], at)
    check_raw(signer.public_key(), document.signature, document.body)
    dates = [datetime.strptime(document.value[n], "%Y-%m-%dT%H:%M:%SZ")
             for n in ("issueDate", "nextUpdate")]
    assert dates[0] <= at < dates[1] <= dates[0] + timedelta(days=60)


def spki(cert):
    return cert.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def masked(value, mask):
    return bytes(a & b for a, b in zip(value, mask))


def check_qe(qe, identity):
    unhex = {k: bytes.fromhex(identity[k]) for k in (
        "miscselect", "miscselectMask", "attributes", "attributesMask",
        "mrsigner")}
    assert identity["id"] == "QE" and identity["version"] == 2
    assert masked(qe.miscselect, unhex["miscselectMask"]) == \
        unhex["miscselect"]
    assert masked(qe.attributes, unhex["attributesMask"]) == \
        unhex["attributes"]
    assert qe.mrsigner == unhex["mrsigner"]
    assert qe.isvprodid == identity["isvprodid"]
    levels = sorted(identity["tcbLevels"], key=lambda x: -x["tcb"]["isvsvn"])
    return next(level["tcbStatus"] for level in levels
                if qe.isvsvn >= level["tcb"]["isvsvn"])


def check_level(extension, info):
    assert info["id"] == "SGX" and info["version"] == 3
    assert bytes.fromhex(info["fmspc"]) == extension["4"]
    assert bytes.fromhex(info["pceId"]) == extension["3"]
    tcb = extension["2"]
    have = [tcb["2.%d" % i] for i in range(1, 17)]
    assert bytes(have) == tcb["2.18"]

    def key(level):
        return ([c["svn"] for c in level["tcb"]["sgxtcbcomponents"]],
                level["tcb"]["pcesvn"])

    for level in sorted(info["tcbLevels"], key=key, reverse=True):
        components, pcesvn = key(level)
        if all(h >= c for h, c in zip(have, components)) and \
                tcb["2.17"] >= pcesvn:
            return level["tcbStatus"]
    return "NotSupported"


def verify(quote, collateral, at=None):
    """All of it, with the collateral's own root. The parsed quote, with
    .status and .qe_status."""
    at = at or datetime.utcnow()
    q, c = parse(quote), collateral
    assert q.vendor == INTEL_VENDOR and q.type == 5
    leaf, ca, root = split_pem(q.certification)
    assert spki(root) == spki(c.root)
    check_issued(root, root, at)
    check_issued(ca, root, at)
    check_issued(leaf, ca, at)
    check_crl(c.root_crl, root, [ca], at)
    check_crl(c.pck_crl, ca, [leaf], at)
    check_document(c.tcb, c.tcb_chain, root, c.root_crl, at)
    check_document(c.identity, c.identity_chain, root, c.root_crl, at)
    check_raw(leaf.public_key(), q.qe_signature, q.qe.data)
    assert q.qe.reportdata == \
        hashlib.sha256(q.key + q.auth).digest() + bytes(32)
    key = ec.EllipticCurvePublicKey.from_encoded_point(
        ec.SECP256R1(), b"\4" + q.key)
    check_raw(key, q.signature, q.signed)
    q.extension = sgx_extension(leaf)
    q.status = check_level(q.extension, c.tcb.value)
    q.qe_status = check_qe(q.qe, c.identity.value)
    q.names = [cert.subject.rfc4514_string() for cert in (leaf, ca, root)]
    return q
