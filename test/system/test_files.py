# SPDX-License-Identifier: Apache-2.0
"""Files: the same system calls natively and in an enclave, over the host's
file system and in memory; standard streams; /proc and /dev.
"""

import os
import shutil
import signal
import subprocess
import uuid

import pytest

import sconce

PYTHON = "/usr/bin/python3"
TREE = os.path.join(os.path.dirname(__file__), "../programs/treemodel.py")
SCRIPT = os.path.join(os.path.dirname(__file__), "../programs/files.py")


def both(folder):
    seen = []
    for native in (True, False):
        done = sconce.run(PYTHON, SCRIPT, folder, native=native).check(0)
        shutil.rmtree(folder, ignore_errors=True)
        seen.append(done.out.splitlines())
    assert len(seen[0]) > 140
    return seen


def test_same_as_native(tmp_path):
    native, inside = both(str(tmp_path / "work"))
    assert inside == native


def test_same_as_native_in_memory():
    native, inside = both("/dev/shm/" + uuid.uuid4().hex)
    assert inside == native


def test_tree_on_host_and_in_memory(tmp_path):
    """The host's file system and tmpfs answer alike (20,000 by hand)."""
    memory = "/dev/shm/" + uuid.uuid4().hex
    seed = os.environ.get("SCONCE_SEED", "1")
    done = sconce.run(
        "/bin/sh", "-c", "mkdir $1 && exec $2 $3 $0 $1 $4 3000",
        str(tmp_path), memory, PYTHON, TREE, seed)
    assert done.out == "same\n", "SCONCE_SEED=%s: %s" % (seed, done.out)


def test_directory_behind_a_link(tmp_path):
    """Opened as a directory before anybody looked at the link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real/x").touch()
    (tmp_path / "link").symlink_to("real")
    done = sconce.run(PYTHON, "-c", "import os; print(os.listdir(%r))"
                      % str(tmp_path / "link")).check(0)
    assert done.out == "['x']\n"


def test_tmpfs_never_reaches_the_host():
    name = "/dev/shm/" + uuid.uuid4().hex
    sconce.run("/bin/sh", "-c", "echo secret > %s && [ -s %s ]" % (name, name),
               ).check(0)
    assert not os.path.exists(name)


def test_standard_input_and_output():
    done = sconce.run("/bin/cat", input="over\nand out\n").check(0)
    assert done.out == "over\nand out\n"


@pytest.mark.parametrize("path, wanted", [
    ("/proc/self/status", "\nThreads:\t1\n"),
    ("/proc/self/maps", "[stack]"),
    ("/proc/self/cmdline", "/bin/cat\0/proc/self/cmdline\0"),
    ("/proc/self/environ", "MARK=here"),
    ("/proc/mounts", "/proc proc"),
    ("/proc/meminfo", "MemTotal:"),
    ("/proc/cpuinfo", "flags\t\t:"),
    ("/proc/sys/kernel/osrelease", "-sconce"),
    ("/sys/devices/system/cpu/online", "0"),
])
def test_proc(path, wanted):
    done = sconce.run("/bin/cat", path, env={"MARK": "here"}).check(0)
    assert wanted in done.out


def test_changes_of_the_host_are_seen(tmp_path):
    """What others write is there when a program starts after it."""
    (tmp_path / "a").write_text("one")
    for text in ("two", "three"):
        (tmp_path / "a").write_text(text)
        done = sconce.run("/bin/cat", str(tmp_path / "a")).check(0)
        assert done.out == text


def test_reader_goes_away():
    """A write to a pipe that nobody reads ends the program by SIGPIPE."""
    yes = subprocess.Popen(sconce.command("/usr/bin/yes"),
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert yes.stdout.readline() == b"y\n"
    yes.stdout.close()
    assert yes.wait(60) == -signal.SIGPIPE


def test_input_that_comes_late():
    cat = subprocess.Popen(sconce.command("/bin/cat"), stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for line in (b"first\n", b"second\n"):
        cat.stdin.write(line)
        cat.stdin.flush()
        assert cat.stdout.readline() == line
    cat.stdin.close()
    assert cat.wait(60) == 0
