# SPDX-License-Identifier: Apache-2.0
"""DER (X.690), as much of it as certificates need.

Written out rather than left to a library, so that everything can also be
made wrong: lengths, depths and values that no library would produce.
"""

from datetime import timezone


def tlv(tag, *parts):
    body = b"".join(parts)
    if len(body) < 128:
        return bytes([tag, len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + body


def integer(number):
    return tlv(2, number.to_bytes(number.bit_length() // 8 + 1, "big",
                                  signed=True))


def boolean(value):
    return tlv(1, b"\xff" if value else b"\x00")


def enumerated(number):
    return tlv(10, bytes([number]))


def octets(data):
    return tlv(4, data)


def bits(data, unused=0):
    return tlv(3, bytes([unused]), data)


def utf8(text):
    return tlv(12, text.encode())


def printable(text):
    return tlv(19, text.encode("ascii"))


def sequence(*parts):
    return tlv(0x30, *parts)


def one_of(*parts):
    """SET OF one value."""
    return tlv(0x31, *parts)


def explicit(number, *parts):
    return tlv(0xa0 | number, *parts)


def implicit(number, data):
    return tlv(0x80 | number, data)


def oid(text):
    numbers = [int(n) for n in text.split(".")]
    out = bytearray()
    for n in [numbers[0] * 40 + numbers[1]] + numbers[2:]:
        group = [n & 127]
        while n > 127:
            n >>= 7
            group.append(n & 127 | 128)
        out += bytes(reversed(group))
    return tlv(6, bytes(out))


def time(at):
    at = at.astimezone(timezone.utc)
    if 1950 <= at.year < 2050:
        return tlv(23, at.strftime("%y%m%d%H%M%SZ").encode())
    return tlv(24, ("%04d" % at.year + at.strftime("%m%d%H%M%SZ")).encode())
