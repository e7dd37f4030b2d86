# SPDX-License-Identifier: Apache-2.0
"""Threads, signals, timers and processes: test/programs/*.c print the same
inside an enclave as on the host, linked dynamically and statically."""

import signal
import subprocess
import sys
import time

import pytest

import sconce

PROGRAMS = sconce.ROOT / "test/programs"
COMPILERS = {
    "glibc": ["gcc"],
    "glibc-static": ["gcc", "-static-pie"],
    # at fixed addresses: does not start itself (two would not fit)
    "musl-static": ["musl-gcc", "-static", "-no-pie", "-fno-pie"],
}


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    folder = tmp_path_factory.mktemp("programs")

    def compile(name, kind):
        exe = folder / ("%s-%s" % (name, kind))
        if not exe.exists():
            subprocess.run(
                [*COMPILERS[kind], "-O1", "-mavx2", "-pthread", "-o", exe,
                 PROGRAMS / (name + ".c")], check=True)
        return exe

    return compile


@pytest.mark.parametrize("cpus", [1, 2])
@pytest.mark.parametrize("kind", COMPILERS)
@pytest.mark.parametrize("name", ["threads", "signals", "timers", "spawn",
                                  "wildjump", "flags"])
def test_same_as_native(build, name, kind, cpus):
    exe = build(name, kind)
    native = sconce.run(exe, native=True).check()
    inside = sconce.run(exe, options=["--cpus", str(cpus)]).check()
    assert inside.out == native.out


@pytest.mark.parametrize("cpus", [1, 2])
@pytest.mark.parametrize("kind", COMPILERS)
def test_memory_same_as_native(build, kind, cpus, tmp_path):
    exe = build("memory", kind)
    assert sconce.run(exe, tmp_path, native=True).check().out == "0 failures\n"
    inside = sconce.run(exe, tmp_path, options=["--cpus", str(cpus)])
    assert inside.check().out == "0 failures\n"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_senseless_arguments(build, seed):
    done = sconce.run(build("badargs", "glibc"), seed, 5000)
    assert done.check().out == "5000 calls\n"


def test_end_by_signal(build):
    exe = build("signals", "glibc")
    done = sconce.run(exe, "die")
    assert done.out == "dying\n"
    assert done.status in (-signal.SIGABRT, 128 + signal.SIGABRT)
    done = sconce.run(build("spawn", "glibc"), "kill")
    assert done.status in (-signal.SIGKILL, 128 + signal.SIGKILL)


def test_exec_replaces(build):
    done = sconce.run(build("spawn", "glibc"), "exec", "/bin/echo", "new")
    assert done.check().out == "new\n"


def test_exit_status():
    assert sconce.run("/bin/sh", "-c", "exit 42").status == 42


def test_bash_without_fork():
    done = sconce.run("/bin/bash", "-c",
                      'x=0; for i in {1..100}; do ((x+=i)); done; echo $x; '
                      'trap "echo trapped" USR1; kill -USR1 $$; '
                      'exec /bin/echo done')
    assert done.check().out == "5050\ntrapped\ndone\n"


def test_fork_is_refused_by_name():
    done = sconce.run("/bin/bash", "-c", "(echo sub); echo status $?")
    assert "fork is not available inside the enclave yet" in done.err


def test_python_threads():
    code = """
import threading, queue
q = queue.Queue()
def work(n):
    q.put(sum(range(n)))
ts = [threading.Thread(target=work, args=(i * 1000,)) for i in range(8)]
[t.start() for t in ts]
[t.join() for t in ts]
print(sorted(q.get() for _ in ts))
"""
    inside = sconce.run(sys.executable, "-c", code).check()
    assert inside.out == sconce.run(sys.executable, "-c", code,
                                    native=True).out


def test_python_subprocess():
    code = """
import subprocess, signal
print(subprocess.run(['/bin/echo', 'hi'], capture_output=True,
      close_fds=False).stdout)
p = subprocess.Popen(['/bin/cat'], stdin=subprocess.PIPE,
      stdout=subprocess.PIPE)
print(p.communicate(b'text'))
p = subprocess.Popen(['/bin/sleep', '20'])
p.send_signal(signal.SIGTERM)
print(p.wait())
"""
    inside = sconce.run("/usr/bin/python3", "-c", code).check()
    assert inside.out == sconce.run("/usr/bin/python3", "-c", code,
                                    native=True).out


def test_signal_from_host():
    code = ("import signal, time, sys\n"
            "signal.signal(signal.SIGTERM, lambda *a: sys.exit(9))\n"
            "print('ready', flush=True)\n"
            "time.sleep(30)\n")
    p = subprocess.Popen(sconce.command("/usr/bin/python3", "-c", code),
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         text=True)
    try:
        assert p.stdout.readline() == "ready\n"
        time.sleep(0.1)
        p.send_signal(signal.SIGTERM)
        assert p.wait(20) == 9
    finally:
        p.kill()
        p.wait()
