# SPDX-License-Identifier: Apache-2.0
"""A model of the emulated processor's REPORT, in Python.

For tests that need reports without an enclave, and that what the quoting
enclave takes is what doc/emulator.md says.
"""

import os
import struct
from dataclasses import dataclass

from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.ciphers.algorithms import AES

KEY_REPORT = 3
CPUSVN = b"SCONCE-EMULATED\0"


def cmac(key, data):
    c = CMAC(AES(key))
    c.update(data)
    return c.finalize()


@dataclass
class Platform:
    root_key: bytes
    seal_fuses: bytes
    owner_epoch: bytes

    @classmethod
    def load(cls, path):
        data = path.read_bytes()
        assert len(data) == 56 and data[:8] == b"SCNCEMU1"
        return cls(data[8:24], data[24:40], data[40:56])

    @classmethod
    def random(cls):
        return cls(*(os.urandom(16) for _ in range(3)))

    def report_key(self, target, keyid):
        """target: TARGETINFO, 512 bytes."""
        return cmac(self.root_key, struct.pack(
            "<6H3I16s16s16s16s16s16s16s32s32s64s32s", KEY_REPORT, 0, 0, 0,
            struct.unpack_from("<H", target, 50)[0], 0,
            struct.unpack_from("<I", target, 52)[0], 0, 0, target[32:48], b"",
            self.owner_epoch, self.seal_fuses, CPUSVN, b"", b"", target[:32],
            b"", target[64:128], keyid))

    def report(self, target, reportdata=b"", mrenclave=b"\xe1" * 32,
               flags=5, keyid=None):
        keyid = keyid or os.urandom(32)
        body = struct.pack(
            "<16sI12s16sQQ32s32s32s32s64sHHH42s16s64s", CPUSVN, 0, b"", b"",
            flags, 3, mrenclave, b"", b"\x51" * 32, b"", b"\xc0" * 64, 7, 8, 9,
            b"", b"", reportdata)
        assert len(body) == 384
        return body + keyid + cmac(self.report_key(target, keyid), body)


def check_mac(platform, report, target):
    return cmac(platform.report_key(target, report[384:416]),
                report[:384]) == report[416:]
