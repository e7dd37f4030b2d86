# SPDX-License-Identifier: Apache-2.0
"""Each cmocka program of the build is one test."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / os.environ.get("SCONCE_BUILD", "build")
SECONDS = 120


def programs():
    found = sorted(p for p in (BUILD / "test").glob("unit-*")
                   if p.is_file() and os.access(p, os.X_OK))
    return [pytest.param(p, id=p.name) for p in found]


def test_every_unit_test_was_built():
    sources = {p.stem.removeprefix("test_")
               for p in (ROOT / "test/unit").glob("test_*.c")}
    built = {p.id.removeprefix("unit-").replace("-", "_")
             for p in programs()}
    assert sources and sources <= built, \
        "no program for %s" % sorted(sources - built)


@pytest.mark.parametrize("program", programs())
def test_unit(program):
    done = subprocess.run([program], cwd=ROOT, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=SECONDS, text=True, errors="replace")
    if done.returncode == 77:
        lines = done.stdout.strip().splitlines()
        pytest.skip(lines[-1] if lines else "skipped by the program")
    assert done.returncode == 0, "exit status %d\n%s" % (
        done.returncode, done.stdout[-8000:])
