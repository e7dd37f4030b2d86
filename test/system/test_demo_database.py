# SPDX-License-Identifier: Apache-2.0
"""demo/database, as `make demo` runs it: a managed database whose operator
learns nothing, and everything that the operator tries."""

import os
import re
import shutil
import subprocess

import pytest

import sconce

WANTED = [
    # What works.
    r"rollback +quorum", r"ready \d+\.\d+ s after its start",
    r"\|  1 \| row-[0-9a-f]{24} \|", r"\|  2 \| paid +\|",
    # What the operator tries.
    r"nothing in the files of volume and CAS", r"nothing there either",
    r"searched \d+\.\d MiB of memory",
    r"refused: .*1 instances run, of at most 1",
    r"refused: sconce session read: shop/db: not there, or not for this key",
    r"refused: .*volume data: .*rolled back",
    r"refused: .*other-image is not the image",
    r"refused: .*Access denied for user 'root'",
    r"refused: .*volume root: ", r"refused: .*volume state: ",
    r"refused: .*rolled back: the store's newest record",
    r"All refused; the database still has its row"]


@pytest.mark.skipif(not shutil.which("mariadbd") and not os.path.exists(
    "/usr/sbin/mariadbd"), reason="no mariadbd")
def test_demo_database():
    done = subprocess.run([sconce.ROOT / "demo/database"], text=True,
                          capture_output=True, timeout=170)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    for pattern in WANTED:
        assert re.search(pattern, done.stdout), "%s\n%s" % (
            pattern, done.stdout)
    assert done.stdout.count("refused: ") >= 10
    assert "NOT REFUSED" not in done.stdout and "FOUND" not in done.stdout
