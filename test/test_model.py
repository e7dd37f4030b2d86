# SPDX-License-Identifier: Apache-2.0
"""The model checker of volumes (test/model/), for as many cases as fit into
the time of a test run. `make model CASES=N` runs it for longer."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / os.environ.get("SCONCE_BUILD", "build")
# Sanitizers make it slower by an order of magnitude.
CASES = 3000 if "asan" in BUILD.name else 100_000
SECONDS = 900


@pytest.mark.timeout(SECONDS)
def test_model():
    done = subprocess.run(
        [BUILD / "test/model-volume", "-n", str(CASES)], cwd=ROOT,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=SECONDS, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-6000:]
    assert done.stdout.startswith("%d cases, " % CASES), done.stdout[-2000:]
