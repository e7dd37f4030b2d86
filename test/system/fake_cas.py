# SPDX-License-Identifier: Apache-2.0
"""A CAS for tests of enclaves and launchers: test/fake_cas.c.

    with FakeCas(manifest, files={"/etc/x": "text"}) as cas:
        done = cas.run()
        assert cas.events("exit") == ["exit 0 exit status 0"]

Without judgement but for the binding of evidence and CONFIGID. It runs until
the block is left; `again()` starts another one with the same key, port and
state, as after a crash.
"""

import os
import subprocess
import time
from pathlib import Path

import yaml

import sconce

FAKE = sconce.BUILD / "test" / "fake-cas"
HOST = [{"type": "host", "source": "/", "target": "/", "ro": True},
        {"type": "proc", "target": "/proc"},
        {"type": "dev", "target": "/dev"}]


def python(script, *args, **more):
    """The manifest of a program in Python (which need not fork)."""
    return manifest("/usr/bin/python3", "-S", "-u", "-c", script, *args,
                    **more)


def manifest(program, *args, env=None, mounts=HOST, **more):
    return {"version": 1, "program": str(program),
            "args": {"list": [str(a) for a in args]},
            "env": {"set": {"PATH": "/usr/bin:/bin", **(env or {})}},
            "mounts": mounts, **more}


class FakeCas:
    def __init__(self, tmp, given=None, files=None, session="s/a", options=(),
                 start=True, name="cas"):
        self.tmp, self.session = Path(tmp), session
        self.options, self.port, self.key = [], 0, None
        self.name = name
        if given is not None:
            path = self.tmp / ("%s.yaml" % name)
            path.write_text(yaml.safe_dump(given))
            self.options += ["--manifest", path]
        for where, text in (files or {}).items():
            self.options += ["--file", "%s=%s" % (where, text)]
        self.options += ["--session", session,
                         "--state", self.tmp / ("%s.state" % name), *options]
        self.log = self.tmp / ("%s.log" % name)
        self.log.write_text("")
        self.process = None
        if start:
            self.start()

    def start(self):
        self.process = subprocess.Popen(
            [str(a) for a in (FAKE, *self.options, "--port", self.port)],
            stdin=subprocess.PIPE, stdout=open(self.log, "a"), text=True,
            env={**os.environ,
                 "FAKE_CAS_KEY": str(self.tmp / ("%s.key" % self.name))})
        self.wait_for("listening")
        _, port, self.key = self.events("listening")[-1].split()
        self.port = int(port)
        return self

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process = None

    def again(self):
        """Killed and started anew, on the same port with the same key."""
        self.stop()
        self.log.write_text("")
        return self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def order(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        self.wait_for("did " + text)

    def events(self, word=""):
        return [line for line in self.log.read_text().splitlines()
                if line.startswith(word)]

    def wait_for(self, word, count=1, seconds=20):
        end = time.monotonic() + seconds
        while len(self.events(word)) < count:
            assert time.monotonic() < end, "no '%s' among %s" % (
                word, self.events())
            time.sleep(0.01)

    def where(self):
        return ["--cas", "127.0.0.1:%d" % self.port, "--cas-key", self.key,
                "--session", self.session]

    def command(self, *args, options=(), what="run"):
        more = ["-q", *options]
        if what == "run":
            more = ["--memory", "512m", *more]
        return [str(a) for a in (sconce.SCONCE, what, *self.where(), *more,
                                 "--", *args)]

    def env(self, more=None):
        """Where tests' quoting services are (test_las.Las), not this
        machine's."""
        return {**os.environ, "XDG_DATA_HOME": str(self.tmp / "data"),
                "SCONCE_LAS": str(self.tmp / "las.sock"), **(more or {})}

    def run(self, *args, options=(), what="run", env=None, timeout=60,
            input=""):
        start = time.monotonic()
        done = subprocess.run(
            self.command(*args, options=options, what=what), input=input,
            capture_output=True, text=True, errors="replace",
            timeout=timeout, env=self.env(env))
        return sconce.Result(done.returncode, done.stdout, done.stderr,
                             seconds=time.monotonic() - start)

    def begin(self, *args, options=(), what="run"):
        return subprocess.Popen(
            self.command(*args, options=options, what=what),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, errors="replace",
            env=self.env())
