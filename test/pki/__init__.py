# SPDX-License-Identifier: Apache-2.0
"""A hierarchy of certificates like Intel's, and evidence under it.

    from pki import Case, write
    write(Case(kind="tdx-v4", status="OutOfDate").files(), folder)

makes quote.bin, root.pem and a folder of collateral with the names that
`sconce quote verify --collateral` takes. Everything follows from the case's
seed: the same case gives the same bytes. `python3 test/pki --help` does the
same from a shell.

A Case states what is unusual; whatever it leaves alone is what a platform
without fault has. What no member of it can express is made from the parts
(certs, collateral, quotes), or by changing the files that it gives.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

from . import certs, collateral, quotes
from .certs import Platform
from .keys import Key
from .quotes import SgxReport, TdReport, qe_report

AT = datetime(2025, 6, 25, tzinfo=timezone.utc)
LONG = (datetime(2018, 5, 21, tzinfo=timezone.utc),
        datetime(2049, 12, 31, 23, 59, 59, tzinfo=timezone.utc))
SHORT = (AT - timedelta(days=10), AT + timedelta(days=20))
COMMON_NAMES = {
    "root": "Intel SGX Root CA",
    "platform": "Intel SGX PCK Platform CA",
    "processor": "Intel SGX PCK Processor CA",
    "tcb": "Intel SGX TCB Signing",
    "pck": "Intel SGX PCK Certificate",
}


def write(files, folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


@dataclass
class Case:
    kind: str = "sgx-v3"  # of quotes.KINDS
    seed: str = "sconce"
    platform: Platform = field(default_factory=Platform)
    # The report under test; None: one of the kind's.
    report: object = None
    qe: SgxReport = None
    # What the first level that matches says, when levels are not given.
    status: str = "UpToDate"
    advisories: tuple = ()
    qe_status: str = "UpToDate"
    qe_advisories: tuple = ()
    module_status: str = "UpToDate"
    module_advisories: tuple = ()
    # Or the whole objects: see collateral.level, isv_level and module.
    levels: list = None
    qe_levels: list = None
    modules: list = None
    tcb_version: int = 3
    qe_version: int = 2
    evaluation: int = 17
    # Further members of the bodies, or others than usual.
    tcb_members: dict = field(default_factory=dict)
    qe_members: dict = field(default_factory=dict)
    # Of "pck", "ca", "tcb": those that the lists revoke.
    revoked: tuple = ()
    # Validity of root, ca, pck, tcb, root_crl, pck_crl, tcb_info, qe_identity.
    dates: dict = field(default_factory=dict)
    # Order of the PCK chain in the quote.
    order: tuple = ("pck", "ca", "root")

    def __post_init__(self):
        self.tee = "TDX" if self.kind.startswith("tdx") else "SGX"
        if self.report is None:
            self.report = TdReport() if self.tee == "TDX" else SgxReport()
        if self.kind == "tdx-v5-1.5" and self.report.svn2 is None:
            self.report.svn2 = self.report.tee_tcb_svn
        if self.qe is None:
            self.qe = qe_report() if self.tee == "SGX" else qe_report(
                mrsigner=bytes.fromhex(collateral.TD_QE_MRSIGNER),
                isvprodid=2)
        self.make_certificates()

    def key(self, use):
        return Key("%s/%s" % (self.seed, use))

    def serial(self, use):
        digest = hashlib.sha256(("%s/%s" % (self.seed, use)).encode())
        return int.from_bytes(digest.digest()[:20], "big") | 1 << 158

    def validity(self, use):
        short = use in ("root_crl", "pck_crl", "tcb_info", "qe_identity")
        return self.dates.get(use, SHORT if short else LONG)

    def certificate(self, use, issuer, path_length=None, extra=()):
        subject = COMMON_NAMES[self.platform.ca if use == "ca" else use]
        return certs.certificate(
            subject, self.key(use), issuer, self.validity(use),
            self.serial(use), path_length, extra)

    def make_certificates(self):
        self.root = self.certificate("root", None, 1)
        self.ca = self.certificate("ca", self.root, 0)
        self.tcb = self.certificate("tcb", self.root)
        self.pck = self.certificate("pck", self.ca,
                                    extra=[self.platform.extension()])

    def default_levels(self):
        """A current level, and under it one that everything reaches."""
        tdx = [list(self.report.tee_tcb_svn), [0] * 16] \
            if self.tee == "TDX" else [None, None]
        return [
            collateral.level(self.platform.components, self.platform.pcesvn,
                             self.status, "2024-11-13T00:00:00Z",
                             self.advisories, tdx[0], self.tcb_version),
            collateral.level([0] * 16, 0, "Revoked", "2018-01-04T00:00:00Z",
                             ("INTEL-SA-00001",), tdx[1], self.tcb_version)]

    def default_modules(self):
        version = self.report.tee_tcb_svn[1]
        if version == 0:
            return None
        return [collateral.module([collateral.isv_level(
            self.report.tee_tcb_svn[0], self.module_status,
            "2024-10-09T00:00:00Z", self.module_advisories)], version)]

    def tcb_info(self):
        """The body, before it is signed."""
        body = collateral.tcb_info(
            self.levels or self.default_levels(), self.validity("tcb_info"),
            self.tee, self.tcb_version, self.platform.fmspc,
            self.platform.pce_id, self.evaluation)
        if self.tee == "TDX":
            modules = self.modules if self.modules is not None \
                else self.default_modules()
            if modules:
                body["tdxModuleIdentities"] = modules
        body.update(self.tcb_members)
        return body

    def qe_identity(self):
        levels = self.qe_levels or [collateral.isv_level(
            self.qe.isvsvn, self.qe_status, "2024-03-13T00:00:00Z",
            self.qe_advisories)]
        return collateral.qe_identity(
            levels, self.validity("qe_identity"),
            "TD_QE" if self.tee == "TDX" else "QE", self.qe_version,
            self.evaluation, **self.qe_members)

    def quote(self):
        chain = b"".join(getattr(self, use).pem() for use in self.order)
        body = self.report.encode(short=True) if self.kind in (
            "tdx-v4", "tdx-v5") else self.report.encode()
        return quotes.quote(
            self.kind, body, self.pck.key,
            quotes.certification_data(chain + b"\0"), self.qe,
            self.key("attestation"), pce_svn=self.platform.pcesvn)

    def files(self):
        signing = self.tcb.pem() + self.root.pem()
        root_serials = [cert.serial for use, cert in (
            ("ca", self.ca), ("tcb", self.tcb)) if use in self.revoked]
        pck_serials = [self.pck.serial] if "pck" in self.revoked else []
        return {
            "quote.bin": self.quote(),
            "root.pem": self.root.pem(),
            "tcb_info.json": collateral.envelope(
                "tcbInfo", self.tcb_info(), self.tcb.key),
            "tcb_info_chain.pem": signing,
            "qe_identity.json": collateral.envelope(
                "enclaveIdentity", self.qe_identity(), self.tcb.key),
            "qe_identity_chain.pem": signing,
            "root_ca_crl.der": certs.crl(
                self.root, self.validity("root_crl"), root_serials),
            "pck_crl.der": certs.crl(
                self.ca, self.validity("pck_crl"), pck_serials),
        }
