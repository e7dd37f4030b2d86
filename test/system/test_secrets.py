# SPDX-License-Identifier: Apache-2.0
"""Values of secrets as others see them: each format of secret-dump's session
read by the openssl command and by python's cryptography."""

import base64
import binascii
import datetime
import ipaddress
import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, utils
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID

BUILD = Path(__file__).resolve().parent.parent.parent / \
    os.environ.get("SCONCE_BUILD", "build")
DAY = 86400


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secrets")
    subprocess.run([BUILD / "test/secret-dump", folder], check=True)
    return folder


def read(values, name):
    return (values / name).read_bytes()


def cert(values, name):
    return x509.load_pem_x509_certificate(read(values, name + ":crt"))


def spki(key):
    return key.public_bytes(serialization.Encoding.DER,
                            serialization.PublicFormat.SubjectPublicKeyInfo)


def start(c):
    return c.not_valid_before.replace(tzinfo=datetime.timezone.utc).timestamp()


def openssl(*args, status=0):
    done = subprocess.run(("openssl",) + args, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)
    assert (done.returncode == 0) == (status == 0), done.stdout + done.stderr
    return done.stdout


def test_encodings(values):
    raw = read(values, "raw")
    assert len(raw) == 33
    assert read(values, "raw:bin") == raw
    assert binascii.unhexlify(read(values, "raw:hex")) == raw
    assert base64.b64decode(read(values, "raw:base64"), validate=True) == raw
    assert base64.urlsafe_b64decode(
        read(values, "raw:base64url") + b"=" * 4) == raw
    assert read(values, "raw:base32") == base64.b32encode(raw)
    assert read(values, "raw:base32nopad") == \
        base64.b32encode(raw).rstrip(b"=")


KEYS = [("srv_key", ec.EllipticCurvePrivateKey, 256),
        ("ca_key", ec.EllipticCurvePrivateKey, 384),
        ("sub_key", ed25519.Ed25519PrivateKey, None),
        ("rsa", rsa.RSAPrivateKey, 3072)]


@pytest.mark.parametrize("name, kind, bits", KEYS)
def test_private_keys(values, name, kind, bits):
    der = read(values, name + ":der")
    key = serialization.load_der_private_key(der, None)
    assert isinstance(key, kind)
    assert bits is None or key.key_size == bits
    # Byte for byte what others write.
    assert der == key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption())
    assert read(values, name) == key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption())
    for other in ":pem", ":pkcs8:pem":
        assert read(values, name + other) == read(values, name)
    assert read(values, name + ":pkcs8:der") == der
    openssl("pkey", "-in", str(values / name), "-check", "-noout")


@pytest.mark.parametrize("public, private", [
    ("pub", "srv_key"), ("rsa_pub", "rsa"), ("ed_pub", "sub_key")])
def test_public_keys(values, public, private):
    want = openssl("pkey", "-in", str(values / private), "-pubout")
    assert read(values, public).decode() == want
    assert read(values, public + ":spki:pem").decode() == want
    assert read(values, public + ":spki:der") == \
        spki(serialization.load_pem_public_key(want.encode()))


@pytest.mark.parametrize("leaf, purpose, wrong", [
    ("srv", "sslserver", "sslclient"), ("client", "sslclient", "sslserver")])
def test_chains_verify(values, leaf, purpose, wrong):
    args = ("verify", "-x509_strict", "-CAfile", str(values / "ca:crt"))
    if leaf == "srv":
        args += ("-untrusted", str(values / "srv:chain"),
                 "-verify_hostname", "db.shop.example")
    crt = str(values / (leaf + ":crt"))
    openssl(*args, "-purpose", purpose, crt)
    openssl(*args, "-purpose", wrong, crt, status=2)
    # Not under another root.
    openssl("verify", "-CAfile", str(values / "self:crt"), crt, status=2)


def test_host_names(values):
    args = ("verify", "-CAfile", str(values / "ca:crt"), "-untrusted",
            str(values / "srv:chain"))
    crt = str(values / "srv:crt")
    openssl(*args, "-verify_hostname", "one.db.local", crt)
    openssl(*args, "-verify_ip", "10.0.0.7", crt)
    openssl(*args, "-verify_ip", "2001:db8::1", crt)
    openssl(*args, "-verify_hostname", "other.example", crt, status=2)
    openssl(*args, "-verify_ip", "10.0.0.8", crt, status=2)
    names = cert(values, "srv").extensions.get_extension_for_class(
        x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        "db.shop.example", "*.db.local"]
    assert names.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address("10.0.0.7"), ipaddress.ip_address("2001:db8::1")]


def identifier(c):
    return c.extensions.get_extension_for_class(
        x509.SubjectKeyIdentifier).value.digest


@pytest.mark.parametrize("name, ca, length, issuer", [
    ("ca", True, 4, "ca"), ("sub", True, 3, "ca"), ("srv", False, None, "sub"),
    ("client", False, None, "ca"), ("self", False, None, "self")])
def test_certificates(values, name, ca, length, issuer):
    c, by = cert(values, name), cert(values, issuer)
    assert c.version == x509.Version.v3
    assert 0 < c.serial_number < 1 << 159 and c.serial_number >> 100
    assert c.issuer == by.subject
    basic = c.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert (basic.value.ca, basic.value.path_length) == (ca, length)
    usage = c.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.key_cert_sign == usage.value.crl_sign == ca
    assert usage.value.digital_signature != ca
    assert usage.value.key_encipherment == (name == "client")
    assert c.extensions.get_extension_for_class(
        x509.AuthorityKeyIdentifier).value.key_identifier == identifier(by)
    assert time.time() - 900 < start(c) <= time.time() - 300
    assert c.not_valid_after <= by.not_valid_after
    assert read(values, name + ":crt:der") == \
        c.public_bytes(serialization.Encoding.DER)
    assert base64.b64decode(read(values, name + ":crt:der:base64")) == \
        read(values, name + ":crt:der")


def test_validity(values):
    def days(name):
        c = cert(values, name)
        return (c.not_valid_after - c.not_valid_before) / \
            datetime.timedelta(days=1)
    assert 3650 < days("ca") < 3650.1
    assert 30 < days("srv") < 30.1


@pytest.mark.parametrize("name, want", [
    ("srv", {ExtendedKeyUsageOID.SERVER_AUTH}),
    ("client", {ExtendedKeyUsageOID.CLIENT_AUTH}),
    ("self", {ExtendedKeyUsageOID.SERVER_AUTH,
              ExtendedKeyUsageOID.CLIENT_AUTH})])
def test_extended_usage(values, name, want):
    assert set(cert(values, name).extensions.get_extension_for_class(
        x509.ExtendedKeyUsage).value) == want


def test_names(values):
    def name(which):
        return cert(values, which).subject.rfc4514_string()
    assert name("ca") == "CN=Shop CA"
    assert name("client") == "CN=client of the shop"
    # Without a common name: the first host, or the secret's name.
    assert name("srv") == "CN=db.shop.example"
    assert name("self") == "CN=self"


@pytest.mark.parametrize("name", ["srv", "client", "self", "ca", "sub"])
def test_key_of_certificate(values, name):
    key = serialization.load_pem_private_key(
        read(values, name + ":privatekey"), None)
    assert spki(key.public_key()) == spki(cert(values, name).public_key())
    for form in "pem", "pkcs8:pem":
        assert read(values, name + ":privatekey:" + form) == \
            read(values, name + ":privatekey")
    for form in "der", "pkcs8:der":
        assert spki(serialization.load_der_private_key(
            read(values, name + ":privatekey:" + form),
            None).public_key()) == spki(key.public_key())


@pytest.mark.parametrize("name, issuers", [
    ("srv", ["sub", "ca"]), ("client", ["ca"]), ("self", [])])
def test_pkcs12(values, name, issuers):
    key, leaf, others = pkcs12.load_key_and_certificates(
        read(values, name + ":pkcs12-with-private-key"), b"")
    assert leaf == cert(values, name)
    assert spki(key.public_key()) == spki(leaf.public_key())
    assert sorted(c.serial_number for c in others) == \
        sorted(cert(values, i).serial_number for i in issuers)
    shown = openssl("pkcs12", "-in",
                    str(values / (name + ":pkcs12-with-private-key")),
                    "-passin", "pass:", "-nodes")
    assert shown.count("BEGIN CERTIFICATE") == 1 + len(issuers)
    assert shown.count("BEGIN PRIVATE KEY") == 1


def part(text):
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


def verify(key, signature, text):
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key.verify(signature, text)
    half = len(signature) // 2
    assert half == key.key_size // 8
    der = utils.encode_dss_signature(
        int.from_bytes(signature[:half], "big"),
        int.from_bytes(signature[half:], "big"))
    digest = hashes.SHA384() if half == 48 else hashes.SHA256()
    return key.verify(der, text, ec.ECDSA(digest))


@pytest.mark.parametrize("name, key, algorithm, lasts", [
    ("token", "srv_key", "ES256", 3600),
    ("token384", "ca_key", "ES384", 3650 * DAY),
    ("token_ed", "sub_key", "EdDSA", 3650 * DAY)])
def test_tokens(values, name, key, algorithm, lasts):
    token = read(values, name)
    text, _, signature = token.rpartition(b".")
    header, claims = (json.loads(part(p)) for p in text.split(b"."))
    assert header == {"alg": algorithm, "typ": "JWT"}
    assert b"=" not in token
    public = serialization.load_pem_private_key(
        read(values, key), None).public_key()
    verify(public, part(signature), text)
    with pytest.raises(InvalidSignature):
        verify(public, part(signature), text + b"A")
    assert claims["aud"] == "shop"
    assert abs(claims["iat"] - time.time()) < 600
    assert claims["exp"] - claims["iat"] == lasts
    assert claims["iat"] - claims["nbf"] == 300
    if name != "token384":
        assert claims["who"] == 'J\u00fcrgen "quoted"'
    if name == "token":
        assert claims["pw"] == read(values, "pw").decode()
