# SPDX-License-Identifier: Apache-2.0
"""python3 test/pki [options] FOLDER: evidence under a generated hierarchy."""

import argparse
import sys
from datetime import datetime, timezone
from pathlib import Path

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pki import Case, Platform, SgxReport, TdReport, write  # noqa: E402
from pki.quotes import KINDS  # noqa: E402

STATUSES = ["UpToDate", "SWHardeningNeeded", "ConfigurationNeeded",
            "ConfigurationAndSWHardeningNeeded", "OutOfDate",
            "OutOfDateConfigurationNeeded", "Revoked"]
PARTS = ["UpToDate", "OutOfDate", "Revoked"]


def instant(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(
        tzinfo=timezone.utc)


def arguments():
    parser = argparse.ArgumentParser(
        prog="pki", description="Writes quote.bin, root.pem and collateral "
        "that is valid at 2025-06-25T00:00:00Z.")
    parser.add_argument("folder")
    parser.add_argument("--kind", choices=KINDS, default="sgx-v3")
    parser.add_argument("--seed", default="sconce", help="of all keys")
    parser.add_argument("--ca", choices=["platform", "processor"],
                        default="platform")
    parser.add_argument("--fmspc", type=bytes.fromhex,
                        default=Platform().fmspc, metavar="HEX")
    parser.add_argument("--status", choices=STATUSES, default="UpToDate")
    parser.add_argument("--advisory", action="append", default=[])
    parser.add_argument("--qe-status", choices=PARTS, default="UpToDate")
    parser.add_argument("--module-status", choices=PARTS, default="UpToDate")
    parser.add_argument("--tcb-version", type=int, choices=[2, 3], default=3)
    parser.add_argument("--qe-version", type=int, choices=[2, 3], default=2)
    parser.add_argument("--evaluation", type=int, default=17)
    parser.add_argument("--revoke", action="append", default=[],
                        choices=["pck", "ca", "tcb"])
    parser.add_argument("--validity", nargs=3, action="append", default=[],
                        metavar=("WHAT", "FROM", "UNTIL"),
                        help="WHAT: root, ca, pck, tcb, root_crl, pck_crl, "
                        "tcb_info or qe_identity")
    parser.add_argument("--mrenclave", type=bytes.fromhex, metavar="HEX",
                        help="SGX: the program's")
    parser.add_argument("--report-data", type=bytes.fromhex, metavar="HEX")
    parser.add_argument("--debug", action="store_true")
    return parser.parse_args()


def report(args):
    if args.kind.startswith("tdx"):
        out = TdReport()
        if args.debug:
            out.attributes = b"\x01" + out.attributes[1:]
    else:
        out = SgxReport()
        if args.mrenclave:
            out.mrenclave = args.mrenclave
        if args.debug:
            out.attributes = b"\x07" + out.attributes[1:]
    if args.report_data:
        out.report_data = args.report_data.ljust(64, b"\0")
    return out


def main():
    args = arguments()
    case = Case(
        kind=args.kind, seed=args.seed, report=report(args),
        platform=Platform(ca=args.ca, fmspc=args.fmspc), status=args.status,
        advisories=tuple(args.advisory), qe_status=args.qe_status,
        module_status=args.module_status, tcb_version=args.tcb_version,
        qe_version=args.qe_version, evaluation=args.evaluation,
        revoked=tuple(args.revoke),
        dates={what: (instant(begin), instant(end))
               for what, begin, end in args.validity})
    write(case.files(), args.folder)


if __name__ == "__main__":
    main()
