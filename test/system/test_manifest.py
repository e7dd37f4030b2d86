# SPDX-License-Identifier: Apache-2.0
"""The manifest as the kernel enforces it, with real programs."""

import subprocess

import pytest

import sconce

HEAD = """\
version: 1
program: %s
mounts:
  - {type: host, source: /, target: /}
"""


@pytest.fixture
def manifest(tmp_path):
    def write(program, more=""):
        path = tmp_path / "manifest.yaml"
        path.write_text(HEAD % program + more)
        return path
    return write


def run(path, *args, options=(), **more):
    return subprocess.run(
        [sconce.SCONCE, "run", "-q", "--manifest", path, *options, "--",
         *args], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=60, **more)


def test_fixed_arguments(manifest):
    path = manifest("/bin/echo", "args: {list: [from, the, manifest]}\n")
    done = run(path)
    assert (done.returncode, done.stdout) == (0, "from the manifest\n")
    done = run(path, "/bin/echo", "other")
    assert done.returncode == 125 and done.stdout == ""
    assert "argument 'other': the manifest admits none" in done.stderr


def test_appended_and_replaced_arguments(manifest):
    path = manifest("/bin/echo", "args: {host: append, list: [a]}\n")
    assert run(path, "/bin/echo", "b").stdout == "a b\n"
    assert run(path).stdout == "a\n"
    path = manifest("/bin/echo", "args: {host: replace, list: [a]}\n")
    assert run(path, "/bin/echo", "b").stdout == "b\n"
    assert run(path).stdout == "a\n"


def test_environment(manifest):
    path = manifest("/usr/bin/env",
                    "env: {set: {FIXED: 'yes'}, pass: [TERM, LC_*]}\n")
    done = run(path, env={"TERM": "vt100", "LC_ALL": "C", "HOME": "/evil",
                          "LD_PRELOAD": "/evil.so", "FIXED": "no"})
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        "FIXED=yes", "LC_ALL=C", "TERM=vt100"]


def test_directory_and_name_of_the_host(manifest):
    assert run(manifest("/bin/pwd")).stdout == "/\n"
    assert run(manifest("/bin/pwd", "workdir: /usr\n")).stdout == "/usr\n"
    path = manifest("/usr/bin/uname", "args: {list: [-n]}\nhostname: db\n")
    assert run(path).stdout == "db\n"


def test_another_program_is_refused(manifest):
    done = run(manifest("/bin/echo"), "/bin/true")
    assert done.returncode == 125
    assert "wanted by the manifest: /bin/echo" in done.stderr


def test_no_trace_of_what_the_owner_protects(manifest):
    path = manifest("/bin/echo", "args: {list: [secret]}\n")
    done = run(path, options=("--trace",))
    assert (done.returncode, done.stdout) == (125, "")
    assert "only without a manifest" in done.stderr
    assert "secret" not in done.stderr


CONNECT = """\
args:
  list: [-S, -c, "import socket; socket.socket()"]
"""


def test_network(manifest):
    done = run(manifest("/usr/bin/python3", CONNECT))
    assert done.returncode == 1
    assert "PermissionError" in done.stderr
    done = run(manifest("/usr/bin/python3", CONNECT + "network: true\n"))
    assert done.returncode == 0, done.stderr


LIMITS = """
import os, resource, threading
fds = []
try:
    while True:
        fds.append(os.open("/dev/null", os.O_RDONLY))
except OSError as e:
    print("files", e.errno, len(fds) <= 40)
for fd in fds:
    os.close(fd)
for which in resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC:
    try:
        resource.setrlimit(which, (100000, 100000))
        print("raised")
    except ValueError:
        print("not raised")
stop = threading.Event()
threads = []
try:
    while len(threads) < 50:
        t = threading.Thread(target=stop.wait)
        t.start()
        threads.append(t)
except RuntimeError:
    pass
stop.set()
print("threads", len(threads))
"""


def test_limits(manifest):
    """Bounds of the manifest hold even against the program's root user."""
    path = manifest("/usr/bin/python3",
                    "args: {host: append}\nlimits: {threads: 8, files: 40}\n")
    done = run(path, "/usr/bin/python3", "-c", LIMITS)
    assert done.stdout.splitlines() == [
        "files 24 True", "not raised", "not raised", "threads 7"], done.stderr
