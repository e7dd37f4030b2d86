# SPDX-License-Identifier: Apache-2.0
"""kill -9 of CAS at random instants under load: what was acknowledged is
there when it runs again, with and without witnesses. SCONCE_SEED=N repeats
the instants; the last lines of CAS's log stay with a failure."""

import os
import queue
import random
import signal
import subprocess
import threading
import time

import pytest

import sconce
from cas_server import Cas

CLIENT = sconce.BUILD / "test/carrier-client"
SECONDS = 16
pytestmark = pytest.mark.skipif(not CLIENT.exists(), reason="no clang")
POLICY = """
name: tags
version: "1.0"
services:
  - {name: s, image_name: i, command: [/bin/true]}
volumes: [{name: v}]
images: [{name: i, volumes: [{name: v, path: /v}]}]
security: {attestation: {mode: none}, service_access_token: "sesame"}
"""


class Load:
    """Makes sessions and new versions, and remembers what CAS said."""

    def __init__(self, cas, name):
        self.person, self.name = cas.person(name), name
        self.person.create("name: %s\nversion: '1.0'\n" % name)
        self.made, self.asked, self.stop = {}, {}, threading.Event()
        self.errors = queue.Queue()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            for i in range(100000):
                if self.stop.is_set():
                    return
                self.one("%s/s%d" % (self.name, i // 3), i % 3)
        except Exception as e:  # for the test's thread
            self.errors.put(e)

    def one(self, name, version):
        """Version 0 creates, others follow. Asked until there is an answer,
        as an answer that was lost may have been a yes."""
        text = "name: %s\nversion: '1.0'\nservices: [{name: v%d, command: " \
            "/x, attestation: {sgx: {mrenclave: '%s'}}}]\n" % (
                name, version, "ab" * 32)
        if version:
            text += "predecessor: %s\n" % self.made[name][0]
        while not self.stop.is_set():
            self.asked[name] = version
            try:
                if self.attempt(name, version, text):
                    return
            except OSError:
                pass
            time.sleep(0.05)

    def attempt(self, name, version, text):
        answer = self.person.ask("PUT" if version else "POST",
                                 "/v1/sessions", text, timeout=20)
        if answer.status != 200:
            assert answer.error in ("EEXIST", "ESTALE", "EAGAIN"), answer
            if answer.error == "EAGAIN":
                return False
            # It was made, by the one whose answer was lost.
            answer = self.person.ask("GET", "/v1/sessions/" + name,
                                     timeout=20)
            assert answer.status == 200, answer
            assert "v%d" % version in answer.json["session"], answer
        self.made[name] = answer.json["hash"], version
        return True

    def end(self):
        self.stop.set()
        self.thread.join(60)
        assert self.errors.empty(), self.errors.get()

    def check(self):
        """What was acknowledged, or what was asked for next."""
        for name, (digest, version) in self.made.items():
            now = self.person.ask("GET", "/v1/sessions/" + name)
            assert now.status == 200, (name, now)
            if now.json["hash"] != digest:
                assert self.asked[name] > version, (name, version)
                assert "v%d" % self.asked[name] in now.json["session"]
        return len(self.made)


def seeded():
    seed = int(os.environ.get("SCONCE_SEED", random.randrange(1 << 32)))
    print("SCONCE_SEED=%d" % seed)
    return random.Random(seed)


def kill_under_load(cas, rng):
    loads = [Load(cas, "load%d" % i) for i in range(3)]
    kills, end = 0, time.monotonic() + SECONDS / 2
    while time.monotonic() < end:
        time.sleep(rng.choice((0.01, 0.1, 0.4)) * rng.random() * 2)
        cas.again(signal.SIGKILL)
        kills += 1
    for load in loads:
        load.end()
    # Tags go on from where they were.
    before = cas.metrics()["tags_total"]
    cas.until("tags", lambda: cas.metrics()["tags_total"] > before + 10)
    cas.again(signal.SIGKILL)
    checked = sum(load.check() for load in loads)
    print("%d kills, %d sessions" % (kills, checked))
    assert kills >= 5 and checked >= 10


@pytest.mark.parametrize("witnesses", [0, 3])
def test_what_was_acknowledged_is_there(tmp_path, witnesses):
    rng = seeded()
    with Cas(tmp_path, "--rate", "0", witnesses=witnesses) as cas:
        cas.owner.create(POLICY)
        # Each tag follows the last one that was acknowledged: had CAS lost
        # one, it would refuse the next.
        tags = subprocess.Popen(
            [CLIENT, "127.0.0.1:%d" % cas.enclave_port, cas.key, "tags/s",
             "v", "1000000", "1"], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "CARRIER_TOKEN": "sesame"})
        try:
            assert tags.stdout.readline().startswith("config")
            kill_under_load(cas, rng)
        finally:
            tags.kill()
            said = tags.communicate()[0]
        assert "tag " not in said and "failed" not in said, said[-2000:]
        log = tmp_path / "log"
        cas.owner.cli("audit", "fetch", "-o", log).check()
        cas.owner.cli("audit", "verify", "--cas-key", cas.key, log).check()
