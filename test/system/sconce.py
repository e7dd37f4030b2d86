# SPDX-License-Identifier: Apache-2.0
"""Running programs inside enclaves from tests.

run() runs a program to its end; Server starts one that listens and ends it by
its pid. Both are bounded in time, use the loopback interface only, and hold
the output, the exit status and what `--stats` reported:

    done = sconce.run("/bin/echo", "hi", stats=True)
    assert done.out == "hi\n" and done.stats["traps"] == 0

    port = sconce.free_port()
    with sconce.Server("/usr/bin/redis-server", "--port", str(port),
                       port=port) as server:
        ...
    assert server.status == 0

`native=True` runs the same program without Sconce, for comparisons.
"""

import os
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / os.environ.get("SCONCE_BUILD", "build")
# sconce-model: the same programs on the model of a machine with SGX.
SCONCE = BUILD / "bin" / os.environ.get("SCONCE_LAUNCHER", "sconce")
SECONDS = 60


@dataclass
class Result:
    """status is the exit status, or -N if signal N ended it."""
    status: int
    out: str
    err: str
    stats: dict = field(default_factory=dict)
    seconds: float = 0.0

    def check(self, status=0):
        assert self.status == status, "exit status %d, wanted %d\n%s\n%s" % (
            self.status, status, self.out[-4000:], self.err[-4000:])
        return self


def parse_stats(text):
    """`--stats=FILE` writes one "name value" per line; integers stay so."""
    stats = {}
    for line in text.splitlines():
        name, _, value = line.strip().partition(" ")
        value = value.strip()
        if name:
            stats[name] = int(value) if value.lstrip("-").isdigit() else value
    return stats


def free_port():
    """A port that was free on 127.0.0.1 a moment ago."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port, seconds=SECONDS, alive=lambda: True):
    """True once something accepts on the port; False if @alive is not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and alive():
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            time.sleep(0.02)
    return False


def wait_path(path, seconds=SECONDS, alive=lambda: True):
    """As wait_port, for a file or UNIX socket that must appear."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and alive():
        if os.path.exists(path):
            return True
        time.sleep(0.02)
    return False


def command(*args, options=(), stats_file=None, native=False):
    """The argument vector for the program with these arguments."""
    if native:
        return [str(a) for a in args]
    extra = ["--stats=%s" % stats_file] if stats_file else []
    return [str(a) for a in (SCONCE, "run", *options, *extra, "--", *args)]


def run(*args, options=(), env=None, input=None, cwd=None, stats=False,
        native=False, timeout=SECONDS):
    """Runs a program to its end. @env adds to the environment."""
    with tempfile.TemporaryDirectory() as tmp:
        stats_file = os.path.join(tmp, "stats") if stats else None
        start = time.monotonic()
        done = subprocess.run(
            command(*args, options=options, stats_file=stats_file,
                    native=native),
            input=input if input is not None else "", cwd=cwd,
            env={**os.environ, **(env or {})}, capture_output=True,
            text=True, errors="replace", timeout=timeout)
        seconds = time.monotonic() - start
        found = {}
        if stats and not native:
            found = parse_stats(Path(stats_file).read_text())
        return Result(done.returncode, done.stdout, done.stderr, found,
                      seconds)


class Server:
    """A program that listens on @port (or makes @path) until it is stopped.

    The output goes to files: a full pipe never blocks the server. Leaving
    the block sends @stop_signal, waits, and as a last resort kills; then
    .status, .out, .err and .stats are there.
    """

    def __init__(self, *args, port=None, path=None, options=(), env=None,
                 cwd=None, stats=False, native=False, timeout=SECONDS,
                 stop_signal=signal.SIGTERM):
        self.args, self.port, self.path = args, port, path
        self.options, self.env, self.cwd = options, env, cwd
        self.want_stats, self.native = stats and not native, native
        self.timeout, self.stop_signal = timeout, stop_signal
        self.status, self.stats = None, {}
        self.killed = False

    def __enter__(self):
        self.tmp = tempfile.TemporaryDirectory()
        base = Path(self.tmp.name)
        self.stats_file = base / "stats" if self.want_stats else None
        self.files = [open(base / n, "wb") for n in ("out", "err")]
        self.process = subprocess.Popen(
            command(*self.args, options=self.options,
                    stats_file=self.stats_file, native=self.native),
            stdin=subprocess.DEVNULL, stdout=self.files[0],
            stderr=self.files[1], cwd=self.cwd,
            env={**os.environ, **(self.env or {})}, start_new_session=True)
        ready = True
        if self.port is not None:
            ready = wait_port(self.port, self.timeout, self.alive)
        if ready and self.path is not None:
            ready = wait_path(self.path, self.timeout, self.alive)
        if not ready:
            out, err = self.output()
            self.stop()
            raise AssertionError(
                "%s did not come up, status %s\n%s\n%s" %
                (self.args[0], self.status, out[-4000:], err[-4000:]))
        return self

    def __exit__(self, *exc):
        self.stop()

    def alive(self):
        return self.process.poll() is None

    def output(self):
        base = Path(self.tmp.name)
        return [(base / n).read_text(errors="replace") for n in ("out", "err")]

    def stop(self):
        """Ends the server; harmless if it has ended."""
        if self.status is not None:
            return
        if self.alive():
            self.process.send_signal(self.stop_signal)
        try:
            self.status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.killed = True
            self.process.kill()
            self.status = self.process.wait()
        for f in self.files:
            f.close()
        self.out, self.err = self.output()
        if self.want_stats and self.stats_file.exists():
            self.stats = parse_stats(self.stats_file.read_text())
        self.tmp.cleanup()
