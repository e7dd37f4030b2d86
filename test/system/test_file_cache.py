# SPDX-License-Identifier: Apache-2.0
"""Files of the host and in a tmpfs against a model; changes made outside."""

import os
import random
import subprocess
import time
from pathlib import Path

import pytest

import sconce

PROGRAM = Path(__file__).parent.parent / "programs" / "filemodel.c"
SEED = int(os.environ.get("SEED", random.randrange(1 << 30)))


@pytest.fixture(scope="module")
def filemodel(tmp_path_factory):
    exe = tmp_path_factory.mktemp("filemodel") / "filemodel"
    subprocess.run(["gcc", "-O2", "-Wall", "-Werror", "-o", exe, PROGRAM],
                   check=True)
    return exe


def test_model_itself(filemodel, tmp_path):
    """The model agrees with Linux; otherwise the tests below mean nothing."""
    print(f"SEED={SEED}")
    out = subprocess.run([filemodel, tmp_path, str(SEED), "5000"], text=True,
                         stdout=subprocess.PIPE, timeout=60).stdout
    assert out == "same\n"


@pytest.mark.parametrize("where", ["host", "tmpfs"])
def test_random_access(filemodel, tmp_path, where):
    print(f"SEED={SEED}")
    folder = tmp_path if where == "host" else "/scratch"
    done = sconce.run(str(filemodel), str(folder), str(SEED), "20000",
                      options=["--tmpfs", "/scratch"])
    assert (done.out, done.status) == ("same\n", 0)


READ_TWICE = """
import os, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY)
for i in range(8):
    first = os.pread(fd, 100, 0)
print(first.decode(), flush=True)
deadline = time.time() + 20
while os.pread(fd, 100, 0) == first and time.time() < deadline:
    time.sleep(0.05)
print(os.pread(fd, 100, 0).decode(), flush=True)
"""


def test_change_on_the_host_is_seen(tmp_path):
    """What is kept inside of a host file is dropped when the file changes."""
    file = tmp_path / "f"
    file.write_text("before")
    p = subprocess.Popen(
        [sconce.SCONCE, "run", "-q", "--", "/usr/bin/python3", "-c",
         READ_TWICE, file], stdout=subprocess.PIPE, text=True)
    try:
        assert p.stdout.readline() == "before\n"
        time.sleep(0.1)
        file.write_text("after!")
        assert p.stdout.readline() == "after!\n"
        assert p.wait(30) == 0
    finally:
        p.kill()
        p.wait()


OPEN_AGAIN = """
import os, sys, time
path = sys.argv[1]
def read():
    fd = os.open(path, os.O_RDONLY)
    text = os.read(fd, 100).decode()
    os.close(fd)
    return text
for line in sys.stdin:
    if line == "denied\\n":
        os.chmod(path, 0)
    for i in range(50):
        try:
            text = read()
        except OSError as e:
            text = "error %d" % e.errno
    print(text, flush=True)
"""


def descriptors(pid, path):
    """How many descriptors of the process and its children are path."""
    pids, n = [pid], 0
    for p in pids:
        for task in Path(f"/proc/{p}/task").iterdir():
            pids += map(int, (task / "children").read_text().split())
        for fd in Path(f"/proc/{p}/fd").iterdir():
            try:
                n += os.readlink(fd).startswith(str(path))
            except OSError:
                pass
    return n


def test_open_again(tmp_path):
    """A file is what it is whenever something outside told of it; a closed
    one is closed on the host soon."""
    file, new = tmp_path / "f", tmp_path / "new"
    file.write_text("one")
    p = subprocess.Popen(
        [sconce.SCONCE, "run", "-q", "--", "/usr/bin/python3", "-c",
         OPEN_AGAIN, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, bufsize=1)

    def ask(line="\n"):
        p.stdin.write(line)
        return p.stdout.readline()

    try:
        assert ask() == "one\n"
        for i in range(20):
            new.write_text("new %d" % i)
            new.rename(file)
            assert ask() == "new %d\n" % i
        file.write_text("rewritten")
        assert ask() == "rewritten\n"
        file.unlink()
        assert ask() == "error 2\n"
        file.write_text("back")
        deadline = time.time() + 20
        while ask() != "back\n":  # for a second it is known as missing
            assert time.time() < deadline
        while descriptors(p.pid, file) and time.time() < deadline:
            time.sleep(0.1)
        assert descriptors(p.pid, file) == 0
        if os.geteuid():
            assert ask("denied\n") == "error 13\n"
        p.stdin.close()
        assert p.wait(30) == 0
    finally:
        p.kill()
        p.wait()
