# SPDX-License-Identifier: Apache-2.0
"""CAS in a simulated world (test/sim/): what clients were told is never lost,
forked or rolled back. `make sim-cas RUNS=N SEED=S` runs it for longer."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / os.environ.get("SCONCE_BUILD", "build")
RUNS = 2000
ENGINE_RUNS = 500
SECONDS = 300


def sim(*args):
    return subprocess.run(
        [BUILD / "test/sim-cas", *map(str, args)], cwd=ROOT,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=SECONDS, text=True,
        errors="replace")


@pytest.mark.timeout(SECONDS)
def test_sim():
    done = sim("-n", RUNS, "-s", 1)
    assert done.returncode == 0, done.stdout[-2000:]
    found = re.match(r"(\d+) runs from seed 1: (\d+) acknowledged, (\d+) told; "
                     r"(\d+) starts, (\d+) refused, (\d+) killed, "
                     r"(\d+) stores altered", done.stdout)
    runs, acks, told, starts, refused, killed, altered = map(int,
                                                             found.groups())
    # It was not quiet.
    assert runs == RUNS and acks > 10 * RUNS and told > 10 * RUNS
    assert min(starts, refused, killed) > RUNS and altered > RUNS / 10


@pytest.mark.timeout(SECONDS)
def test_with_the_engine():
    done = sim("-e", "-n", ENGINE_RUNS, "-s", 1)
    assert done.returncode == 0, done.stdout[-2000:]
    acks = int(re.search(r"(\d+) acknowledged", done.stdout)[1])
    assert acks > 10 * ENGINE_RUNS


@pytest.mark.parametrize("engine", [[], ["-e"]])
def test_a_seed_is_a_run(engine):
    once, again = (sim("-n", 3, "-s", 77, "-v", *engine).stdout
                   for _ in range(2))
    assert once == again and "update to" in once


@pytest.mark.parametrize("broken", [
    "ack-early", "no-term", "no-freshness", "early-reply", "stale-read",
    "old-witnesses"])
@pytest.mark.timeout(SECONDS)
def test_what_is_broken_is_found(broken):
    check_found(sim("-n", 3000, "-b", broken))


@pytest.mark.parametrize("broken", ["ack-early", "no-freshness"])
@pytest.mark.timeout(SECONDS)
def test_what_is_broken_is_found_with_the_engine(broken):
    check_found(sim("-e", "-n", 1000, "-b", broken))


def check_found(done):
    assert done.returncode == 1
    assert re.match(r"seed \d+: object \d: \d+ (was|and)", done.stdout), \
        done.stdout
