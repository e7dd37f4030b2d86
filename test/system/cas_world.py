# SPDX-License-Identifier: Apache-2.0
"""CAS and its witnesses as processes, for tests: private folders and ports,
read back from what they print."""

import json
import os
import re
import signal
import socket
import subprocess
import time

import sconce


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Process:
    """`sconce ...` in the background; its output goes to a file."""

    def __init__(self, log, env, *args):
        self.log = log
        self.process = subprocess.Popen(
            [sconce.SCONCE, *map(str, args)], stdin=subprocess.DEVNULL,
            stdout=open(log, "w"), stderr=subprocess.STDOUT, env=env)

    def text(self):
        return self.log.read_text()

    def wait_for(self, pattern, seconds=30):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = re.search(pattern, self.text())
            if found:
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        found = re.search(pattern, self.text())
        assert found, self.text()
        return found

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def fails(self, pattern, seconds=30):
        """It must end by itself, with a reason."""
        assert self.process.wait(seconds) != 0, self.text()
        assert re.search(pattern, self.text()), self.text()
        return self.text()


class World:
    """A machine: its folders, its environment, what runs on it."""

    def __init__(self, path):
        self.path = path
        self.env = {**os.environ, "XDG_CONFIG_HOME": str(path / "config"),
                    "XDG_STATE_HOME": str(path / "xstate"),
                    "XDG_DATA_HOME": str(path / "data"),
                    "SCONCE_LAS": str(path / "las.sock")}
        (path / "collateral").mkdir()
        self.running = []
        self.count = 0

    def start(self, *args):
        self.count += 1
        p = Process(self.path / ("log%d" % self.count), self.env, *args)
        self.running.append(p)
        return p

    def end(self):
        for p in self.running:
            if p.process.poll() is None:
                p.process.kill()
                p.process.wait()

    def sconce(self, *args, fails=None, who=None):
        """What it prints; or, with a pattern, that it fails with it."""
        env = self.env
        if who:
            env = {**env, "XDG_CONFIG_HOME": str(self.path / who)}
        p = subprocess.run([sconce.SCONCE, *map(str, args)], env=env,
                           stdin=subprocess.DEVNULL, capture_output=True,
                           text=True, timeout=60)
        text = p.stdout + p.stderr
        if fails is None:
            assert p.returncode == 0, text
            return p.stdout
        assert p.returncode and re.search(fails, text), (p.returncode, text)
        return text

    def witnesses(self, count=3):
        """Their options for `sconce cas start`."""
        options = []
        for i in range(count):
            w = self.start("witness", "--state", self.path / ("w%d" % i),
                           "--listen", "127.0.0.1:0")
            m = w.wait_for(r"listening at (\S+), key ([0-9a-f]{64})")
            options += ["--witness", "%s=%s" % (m[2], m[1])]
        return options

    def las(self):
        p = self.start("las", "--socket", self.env["SCONCE_LAS"],
                       "--collateral", self.path / "collateral")
        for _ in range(600):
            if (self.path / "collateral/tcb_info.json").exists() and \
                    os.path.exists(self.env["SCONCE_LAS"]):
                return p
            time.sleep(0.05)
        raise AssertionError(p.text())

    def cas(self, state, *options, native=True):
        port, enclaves = free_port(), free_port()
        p = self.start("cas", "start", "--state", state, "--collateral",
                       self.path / "collateral", "--listen",
                       "127.0.0.1:%d" % port, "--enclaves",
                       "127.0.0.1:%d" % enclaves,
                       *(["--native"] if native else []), *options)
        p.address = "127.0.0.1:%d" % port
        p.enclaves = "127.0.0.1:%d" % enclaves
        return p

    def attest(self, cas, *options, **how):
        return self.sconce("cas", "attest", "--native", "--enclaves",
                           cas.enclaves, "--default", *options, cas.address,
                           **how)

    def ready(self, cas):
        return cas.wait_for(r": \S+ key ([0-9a-f]{64}), people on")[1]

    def status(self):
        return json.loads(self.sconce("cas", "status", "--json"))
