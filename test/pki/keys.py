# SPDX-License-Identifier: Apache-2.0
"""P-256 keys and signatures that follow from a seed."""

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric import ec

from . import der

ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551


def _scalar(*parts):
    """A number from 1 to ORDER - 1; the bias of 2^-256 is of no concern."""
    digest = hashlib.sha512(b"\0".join(parts)).digest()
    return int.from_bytes(digest, "big") % (ORDER - 1) + 1


def _point(scalar):
    numbers = ec.derive_private_key(
        scalar, ec.SECP256R1()).public_key().public_numbers()
    return numbers.x, numbers.y


class Key:
    def __init__(self, seed):
        self.secret = _scalar(b"key", seed.encode())
        x, y = _point(self.secret)
        self.public = x.to_bytes(32, "big") + y.to_bytes(32, "big")

    def sign(self, data):
        """ECDSA with SHA-256: r || s, big-endian, the same each time."""
        digest = hashlib.sha256(data).digest()
        k = _scalar(hmac.digest(self.secret.to_bytes(32, "big"), digest,
                                "sha256"))
        r = _point(k)[0] % ORDER
        s = pow(k, -1, ORDER) * (
            int.from_bytes(digest, "big") + r * self.secret) % ORDER
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def sign_der(self, data):
        raw = self.sign(data)
        return der.sequence(*(der.integer(int.from_bytes(half, "big"))
                              for half in (raw[:32], raw[32:])))

    def spki(self):
        return der.sequence(
            der.sequence(der.oid("1.2.840.10045.2.1"),
                         der.oid("1.2.840.10045.3.1.7")),
            der.bits(b"\x04" + self.public))

    def identifier(self):
        return hashlib.sha1(b"\x04" + self.public).digest()
