# SPDX-License-Identifier: Apache-2.0
"""cas/carrier.c natively and with sanitizers: the connection of a service,
under a CAS that comes and goes (test/fake_cas.c, test/carrier_client.c)."""

import os
import random
import re
import subprocess
import time

import pytest

import sconce
from fake_cas import FakeCas, manifest
from test_service import reply

CLIENT = sconce.BUILD / "test" / "carrier-client"
GIVEN = manifest("/bin/true", volumes=[
    {"name": "data", "path": "/data", "key": "cas"}])

pytestmark = pytest.mark.skipif(not CLIENT.exists(), reason="no clang")


def start(cas, count, pause=0, volume="data", env=None):
    return subprocess.Popen(
        [CLIENT, "127.0.0.1:%d" % cas.port, cas.key, cas.session, volume,
         str(count), str(pause)], env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True)


def end(process, status=0, seconds=60):
    out, err = process.communicate(timeout=seconds)
    assert process.returncode == status, out[-2000:] + err[-4000:]
    assert err == ""
    return out


def test_tags_and_exit(tmp_path):
    with FakeCas(tmp_path, GIVEN) as cas:
        assert end(start(cas, 2000)).endswith("done 2000\n")
        assert len(cas.events("tag data")) == 2000
        assert cas.events("exit") == ["exit 0 over"]


def test_connections_cut_at_any_time(tmp_path):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    r = random.Random(seed)
    with FakeCas(tmp_path, GIVEN, options=["--lease", "1"]) as cas:
        process = start(cas, 600, 1)
        cas.wait_for("hello")
        while process.poll() is None:
            cas.order(r.choice(["drop", "drop-after %d" % r.randrange(20)]))
            time.sleep(r.uniform(0, 0.1))
        assert end(process).endswith("done 600\n")
        tags = cas.events("tag data")
        # Those whose reply was lost are there twice, and nothing is missing.
        assert len({t.split()[2] for t in tags}) == 600
        assert all(t.endswith(" 0") for t in tags)
        assert len(cas.events("hello s/a again")) > 5


def test_values_in_between(tmp_path):
    """All answered once, those of the last moment perhaps with a failure."""
    with FakeCas(tmp_path, GIVEN, options=["--secret", "wkey=v"]) as cas:
        process = start(cas, 300, 1, env={"CARRIER_SECRETS": "1"})
        cas.wait_for("hello")
        while process.poll() is None:
            cas.order("drop")
            time.sleep(0.02)
        out = end(process)
        assert out.endswith("done 300\n")
        assert int(re.search(r"values (\d+)", out)[1]) > 500
        assert len(cas.events("put wkey - v")) > 250
        assert len(cas.events("get wkey hex ")) > 250


def test_killed_and_started_anew(tmp_path):
    with FakeCas(tmp_path, GIVEN) as cas:
        process = start(cas, 800, 1)
        for _ in range(3):
            cas.wait_for("tag", 20)
            cas.again()
        assert end(process).endswith("done 800\n")


def test_refusals(tmp_path):
    with FakeCas(tmp_path, GIVEN) as cas:
        assert "tag 1: -5" in end(start(cas, 1, volume="other"), 1)
        cas.order("tags 116")
        out = end(start(cas, 5), 1)
        assert "tag 1: -116" in out and "as ordered" in out
        # Later is later.
        cas.order("tags 11")
        process = start(cas, 1)
        cas.wait_for("tag data", 4)
        cas.order("tags 0")
        assert end(process).endswith("done 1\n")


def test_too_long_away(tmp_path):
    with FakeCas(tmp_path, GIVEN, options=["--lease", "2", "--stop"]) as cas:
        process = start(cas, 1000, 5)
        cas.wait_for("tag", 5)
        cas.stop()
        out = end(process, 1)
        assert "no answer from CAS before the lease ended" in out


def test_nobody_there(tmp_path):
    with FakeCas(tmp_path, GIVEN) as cas:
        cas.stop()
        begin = time.monotonic()
        out = end(start(cas, 1), 1)
        assert "no configuration in 3 s" in out
        assert 2.5 < time.monotonic() - begin < 8


def test_noise(tmp_path):
    """Answers of which each byte is changed: a clean end, whatever it is."""
    frame = reply(config=b"abc")
    seed = random.randrange(1 << 32)
    print("seed", seed)
    r = random.Random(seed)
    with FakeCas(tmp_path, options=["--frame", tmp_path / "frame"]) as cas:
        for _ in range(12):
            bad = bytearray(frame)
            bad[r.randrange(4, len(bad))] ^= 1 << r.randrange(8)
            (tmp_path / "frame").write_bytes(bad)
            process = start(cas, 0)
            try:
                process.communicate(timeout=12)
                assert process.returncode in (0, 1)
            finally:
                process.kill()
