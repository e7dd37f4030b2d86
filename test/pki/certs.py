# SPDX-License-Identifier: Apache-2.0
"""Certificates and revocation lists in the form of Intel's."""

import base64
from dataclasses import dataclass, field

from . import der
from .keys import Key

ECDSA_SHA256 = der.sequence(der.oid("1.2.840.10045.4.3.2"))
SGX = "1.2.840.113741.1.13.1"


def name(common_name):
    rows = [("2.5.4.3", der.utf8(common_name)),
            ("2.5.4.10", der.utf8("Intel Corporation")),
            ("2.5.4.7", der.utf8("Santa Clara")),
            ("2.5.4.8", der.utf8("CA")),
            ("2.5.4.6", der.printable("US"))]
    return der.sequence(*(der.one_of(der.sequence(der.oid(kind), value))
                          for kind, value in rows))


def extension(kind, value, critical=False):
    return der.sequence(der.oid(kind),
                        der.boolean(True) if critical else b"",
                        der.octets(value))


def signed(body, key):
    return der.sequence(body, ECDSA_SHA256, der.bits(key.sign_der(body)))


def pem(data, label="CERTIFICATE"):
    text = base64.b64encode(data).decode()
    lines = [text[i:i + 64] for i in range(0, len(text), 64)]
    return ("-----BEGIN %s-----\n%s\n-----END %s-----\n"
            % (label, "\n".join(lines), label)).encode()


@dataclass
class Certificate:
    der: bytes
    key: Key
    subject: str
    serial: int

    def pem(self):
        return pem(self.der)


def ca_extensions(path_length):
    """path_length None: not a CA."""
    if path_length is None:
        usage, basic = der.bits(b"\xc0", 6), der.sequence()
    else:
        usage = der.bits(b"\x06", 1)
        basic = der.sequence(der.boolean(True), der.integer(path_length))
    return [extension("2.5.29.15", usage, critical=True),
            extension("2.5.29.19", basic, critical=True)]


def certificate(subject, key, issuer, validity, serial, path_length=None,
                extra=()):
    """issuer: a Certificate, or None: self-signed. extra: extensions."""
    issuer_key = issuer.key if issuer else key
    issuer_name = issuer.subject if issuer else subject
    extensions = [
        extension("2.5.29.35", der.sequence(
            der.implicit(0, issuer_key.identifier()))),
        extension("2.5.29.14", der.octets(key.identifier())),
        *ca_extensions(path_length), *extra]
    body = der.sequence(
        der.explicit(0, der.integer(2)), der.integer(serial), ECDSA_SHA256,
        name(issuer_name),
        der.sequence(der.time(validity[0]), der.time(validity[1])),
        name(subject), key.spki(),
        der.explicit(3, der.sequence(*extensions)))
    return Certificate(signed(body, issuer_key), key, subject, serial)


def crl(issuer, validity, revoked=(), number=1, key=None):
    """DER; revoked: serial numbers. key: another than the issuer's."""
    key = key or issuer.key
    reason = der.sequence(extension("2.5.29.21", der.enumerated(1)))
    entries = [der.sequence(der.integer(serial), der.time(validity[0]), reason)
               for serial in revoked]
    return signed(der.sequence(
        der.integer(1), ECDSA_SHA256, name(issuer.subject),
        der.time(validity[0]), der.time(validity[1]),
        der.sequence(*entries) if entries else b"",
        der.explicit(0, der.sequence(
            extension("2.5.29.20", der.integer(number)),
            extension("2.5.29.35", der.sequence(
                der.implicit(0, issuer.key.identifier())))))), key)


@dataclass
class Platform:
    """What the SGX extension of a PCK certificate says of a machine."""
    ca: str = "platform"  # or "processor"
    fmspc: bytes = bytes.fromhex("00606a000000")
    pce_id: bytes = bytes(2)
    components: list = field(
        default_factory=lambda: [5, 5, 2, 2, 3, 1, 0, 3] + [0] * 8)
    pcesvn: int = 11
    cpusvn: bytes = bytes(range(16))
    ppid: bytes = bytes(range(16, 32))
    sgx_type: int = 1
    instance: bytes = bytes(range(32, 48))
    flags: tuple = (True, False, True)  # dynamic, cached keys, SMT

    def extension(self):
        def row(number, value):
            return der.sequence(der.oid(SGX + "." + number), value)

        tcb = [row("2.%d" % (i + 1), der.integer(svn))
               for i, svn in enumerate(self.components)]
        tcb += [row("2.17", der.integer(self.pcesvn)),
                row("2.18", der.octets(self.cpusvn))]
        rows = [row("1", der.octets(self.ppid)),
                row("2", der.sequence(*tcb)),
                row("3", der.octets(self.pce_id)),
                row("4", der.octets(self.fmspc)),
                row("5", der.enumerated(self.sgx_type))]
        if self.ca == "platform":
            rows += [row("6", der.octets(self.instance)),
                     row("7", der.sequence(*(
                         row("7.%d" % (i + 1), der.boolean(flag))
                         for i, flag in enumerate(self.flags))))]
        return extension(SGX, der.sequence(*rows))
