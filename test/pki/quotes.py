# SPDX-License-Identifier: Apache-2.0
"""SGX and TDX quotes, versions 3 to 5, all numbers little-endian."""

import hashlib
from dataclasses import dataclass
from struct import pack

from .collateral import QE_MRSIGNER

INTEL_VENDOR = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
AUTH_DATA = bytes(range(32))
# kind: version, TEE, type of the body in version 5
KINDS = {
    "sgx-v3": (3, 0, None), "sgx-v4": (4, 0, None), "sgx-v5": (5, 0, 1),
    "tdx-v4": (4, 0x81, None), "tdx-v5": (5, 0x81, 2),
    "tdx-v5-1.5": (5, 0x81, 3),
}


@dataclass
class SgxReport:
    """The body of a REPORT."""
    cpusvn: bytes = bytes(range(16))
    miscselect: int = 0
    attributes: bytes = bytes.fromhex("0500000000000000e700000000000000")
    mrenclave: bytes = b"\x11" * 32
    mrsigner: bytes = b"\x22" * 32
    isvprodid: int = 3
    isvsvn: int = 4
    report_data: bytes = bytes(64)

    def encode(self):
        return (self.cpusvn + pack("<I", self.miscselect) + bytes(28)
                + self.attributes + self.mrenclave + bytes(32) + self.mrsigner
                + bytes(96) + pack("<HH", self.isvprodid, self.isvsvn)
                + bytes(60) + self.report_data)


def qe_report(**members):
    """What a production quoting enclave says of itself."""
    defaults = {
        "attributes": bytes.fromhex("1500000000000000e700000000000000"),
        "mrsigner": bytes.fromhex(QE_MRSIGNER), "isvprodid": 1, "isvsvn": 8}
    return SgxReport(**{**defaults, **members})


@dataclass
class TdReport:
    """The body of a TD report of version 1.0 or, with svn2, of 1.5."""
    tee_tcb_svn: bytes = bytes([5, 1, 2] + [0] * 13)
    mrseam: bytes = b"\x33" * 48
    mrsignerseam: bytes = bytes(48)
    seam_attributes: bytes = bytes(8)
    attributes: bytes = bytes.fromhex("0000001000000000")
    xfam: bytes = bytes.fromhex("e702060000000000")
    mrtd: bytes = b"\x44" * 48
    rtmr: tuple = (b"\x50" * 48, b"\x51" * 48, b"\x52" * 48, b"\x53" * 48)
    report_data: bytes = bytes(64)
    svn2: bytes = None
    mrservicetd: bytes = bytes(48)

    def encode(self, short=False):
        out = (self.tee_tcb_svn + self.mrseam + self.mrsignerseam
               + self.seam_attributes + self.attributes + self.xfam
               + self.mrtd + bytes(3 * 48) + b"".join(self.rtmr)
               + self.report_data)
        if short or self.svn2 is None:
            return out
        return out + self.svn2 + self.mrservicetd


def certification_data(chain, kind=5):
    return pack("<HI", kind, len(chain)) + chain


def quote(kind, body, pck_key, certification, qe, seed_key,
          auth_data=AUTH_DATA, qe_svn=8, pce_svn=11):
    """
    body: bytes. certification: bytes of certification data. qe: SgxReport of
    the quoting enclave; REPORTDATA is set here. seed_key: the attestation key.
    """
    version, tee, body_type = KINDS[kind]
    head = (pack("<HHI", version, 2, tee)
            + (pack("<HH", qe_svn, pce_svn) if version == 3 else bytes(4))
            + INTEL_VENDOR + bytes(20))
    if body_type is not None:
        head += pack("<HI", body_type, len(body))
    bound = hashlib.sha256(seed_key.public + auth_data).digest()
    qe.report_data = bound + bytes(32)
    report = qe.encode()
    certified = (report + pck_key.sign(report) + pack("<H", len(auth_data))
                 + auth_data + certification)
    if version > 3:
        certified = pack("<HI", 6, len(certified)) + certified
    data = seed_key.sign(head + body) + seed_key.public + certified
    return head + body + pack("<I", len(data)) + data
