# SPDX-License-Identifier: Apache-2.0
"""The models of test/spin/, explored by SPIN: what holds, and that each broken
variant is found. `make model-cas` explores larger ones."""

import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

MODELS = Path(__file__).resolve().parent / "spin"
SECONDS = 200

HOLDS = [
    ("witness", "-DSTARTS=2"),
    ("witness", "-DSTARTS=2", "-DROLLBACK", "-DQOPEN=3"),
    ("tag",),
]
BROKEN = [
    ("witness", "-DNO_TERM"),
    ("witness", "-DACK_EARLY"),
    ("witness", "-DNO_CHAIN_CHECK"),
    ("witness", "-DORDER_BY_LENGTH"),
    ("witness", "-DROLLBACK"),
    ("tag", "-DACK_EARLY"),
    ("tag", "-DNO_FRESHNESS"),
    ("tag", "-DNO_COMPARE"),
    ("tag", "-DEARLY_READ"),
]
LARGER = [
    ("witness",),
    ("witness", "-DSTARTS=3", "-DRECORDS=3"),
    ("witness", "-DSTARTS=3", "-DROLLBACK", "-DQOPEN=3"),
    ("witness", "-DSTARTS=2", "-DN=5"),
    ("tag", "-DSTEPS=5"),
]


def explore(model, *defines, seconds=SECONDS):
    """True: no error in any state. False: an assertion fails."""
    with tempfile.TemporaryDirectory() as tmp:
        subprocess.run(["spin", "-a", *defines, MODELS / (model + ".pml")],
                       cwd=tmp, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["gcc", "-O2", "-w", "-DSAFETY", "-DCOLLAPSE",
                        "-DMEMLIM=6000", "-o", "pan", "pan.c"], cwd=tmp,
                       check=True)
        out = subprocess.run(["./pan", "-E", "-m500000"], cwd=tmp, text=True,
                             stdout=subprocess.PIPE, timeout=seconds).stdout
    # Whatever cut the search short is an error here.
    found = re.search(r"errors: (\d+)", out)
    assert found, out
    for cut in ("max search depth too small", "out of memory",
                "Search not completed"):
        if cut in out and found[1] == "0":
            raise AssertionError(out)
    if found[1] != "0":
        assert "assertion violated" in out, out
    states = re.search(r"(\d+) states, stored", out)
    print("%s %s: %s states, %s" % (model, " ".join(defines), states[1],
                                    "holds" if found[1] == "0" else "fails"))
    return found[1] == "0"


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("model", HOLDS, ids=" ".join)
def test_holds(model):
    assert explore(*model)


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("model", BROKEN, ids=" ".join)
def test_broken_is_found(model):
    assert not explore(*model)


if __name__ == "__main__":
    with ThreadPoolExecutor(2) as pool:
        good = list(pool.map(lambda m: explore(*m, seconds=7200), LARGER))
    sys.exit(0 if all(good) else 1)
