# SPDX-License-Identifier: Apache-2.0
"""The rules that are scripts: over the source tree and the linked kernel."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CHECKS = ["check-includes"]


def run(*args):
    return subprocess.run(args, cwd=ROOT, capture_output=True, text=True,
                          timeout=120)


@pytest.mark.parametrize("check", CHECKS)
def test_tree(check):
    done = run(ROOT / "tools" / check)
    assert done.returncode == 0, done.stdout + done.stderr


def test_dependencies_are_installed():
    done = run(ROOT / "tools/install-deps", "--check")
    assert done.returncode == 0, done.stderr
