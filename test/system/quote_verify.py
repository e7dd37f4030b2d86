# SPDX-License-Identifier: Apache-2.0
"""`sconce quote verify --json` on evidence that test/pki made."""

import json
import subprocess
from datetime import timezone

import sconce
from pki import AT, write

SECONDS = 30


class Verdict:
    """status: 0 accepted, 1 rejected, 2 unusable input (then json is {})."""

    def __init__(self, done):
        self.status = done.returncode
        self.err = done.stderr.decode(errors="replace")
        assert self.status in (0, 1, 2), \
            "ended with %d\n%s" % (self.status, self.err[-4000:])
        if self.status == 2:
            # Said, in one line, what cannot be used.
            assert self.err.strip() and len(self.err.strip()) < 1000
            self.json = {}
            return
        self.json = json.loads(done.stdout)
        assert self.json["accepted"] == (self.status == 0)
        assert self.json["accepted"] == (not self.json["failures"])

    @property
    def rules(self):
        """What is broken, apart from what policy wants."""
        return {f["rule"] for f in self.json.get("failures", [])
                if not f["rule"].startswith("policy-")}

    def seen(self, rule):
        return [f["seen"] for f in self.json["failures"] if f["rule"] == rule]

    def __str__(self):
        return "%d %s %s" % (self.status, self.err.strip(),
                             json.dumps(self.json, indent=1))


def instant(at):
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def verify(files, folder, *options, at=AT):
    """files: as Case.files() gives them."""
    write(files, folder)
    return Verdict(subprocess.run(
        [sconce.SCONCE, "quote", "verify", "--json", "--at", instant(at),
         "--collateral", folder, "--root", folder / "root.pem", *options,
         folder / "quote.bin"], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SECONDS))
