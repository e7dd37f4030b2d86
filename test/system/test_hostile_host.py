# SPDX-License-Identifier: Apache-2.0
"""Real programs on a host that lies (host/hostile.h).

Each run has a seed and prints it when it fails; the same seed lies about the
same calls in the same way:

    SCONCE_HOSTILE=seed=7,rate=200,lies=strict,log=/tmp/lies \
        build/bin/sconce-hostile run -- /bin/echo hi

A run is good if the program did its work as if nothing had happened, if it
failed by a plausible error of the host, or if the enclave stopped because the
host broke the protocol. It is bad if the kernel stopped for a bug of its own,
if anything crashed or hung, or if a program reported success with a wrong
result although no lie was within the contract of its call.

SCONCE_HOSTILE_RUNS sets the number of runs per program and kind (default 12),
SCONCE_HOSTILE_SEED the first seed. As a program this file is the long campaign
(`make hostile RUNS=5000 SEED=1`): RUNS in all, every program and kind in turn,
each bad run on standard output as soon as it is found, a table at the end.
"""

import collections
import ctypes
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import sconce

HOSTILE = sconce.BUILD / "bin/sconce-hostile"
RUNS = int(os.environ.get("SCONCE_HOSTILE_RUNS", "12"))
FIRST = int(os.environ.get("SCONCE_HOSTILE_SEED", "1"))
SECONDS = 20

PROTOCOL = "the host broke the protocol"
BUG = "kernel stopped"

PYTHON = """
import hashlib, os, threading
t = [threading.Thread(target=hashlib.sha256, args=(b'x' * 9999,))
     for _ in range(3)]
[x.start() for x in t]; [x.join() for x in t]
data = open('/etc/passwd', 'rb').read()
open('/tmp/sconce-hostile-%d' % os.getpid(), 'wb').close()
os.unlink('/tmp/sconce-hostile-%d' % os.getpid())
print(sum(range(1000)), len(os.listdir('/etc')) > 3, b'root' in data)
"""

SOCKETS = """
import socket, threading
s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()
def serve():
    c, _ = s.accept()
    while True:
        b = c.recv(100)
        if not b: break
        c.sendall(b.upper())
t = threading.Thread(target=serve, daemon=True); t.start()
c = socket.create_connection(s.getsockname())
c.sendall(b'hello'); print(c.recv(100)); c.close(); t.join()
"""

FILES = """
import os, tempfile
with tempfile.TemporaryDirectory() as top:
    at = lambda *names: os.path.join(top, *names)
    for i in range(8):
        os.mkdir(at('d%d' % i))
        with open(at('d%d' % i, 'f'), 'wb') as f:
            for k in range(20): f.write(b'%d' % k * 500)
        os.symlink('f', at('d%d' % i, 'l'))
        os.rename(at('d%d' % i, 'f'), at('d%d' % i, 'g'))
        os.link(at('d%d' % i, 'g'), at('d%d' % i, 'h'))
        os.unlink(at('d%d' % i, 'l'))
    f = open(at('d3', 'h'), 'r+b'); f.seek(100); f.write(b'x' * 7000)
    f.flush(); os.fsync(f.fileno()); f.truncate(9000); f.close()
    print(sorted(os.listdir(at('d7'))), os.stat(at('d3', 'g')).st_size,
          sum(map(len, (open(at('d%d' % i, 'g'), 'rb').read()
                        for i in range(8)))))
"""

# Threads make, rename and remove the same names: each learns from the host
# what became of names that the others are using.
RACE = """
import os, random, tempfile, threading
def work(seed):
    r = random.Random(seed)
    name = lambda: '%s/%s/%s' % (top, r.choice('ab'), r.choice('xyz'))
    for i in range(60):
        try:
            r.choice((lambda: os.mkdir(name()),
                      lambda: os.mkdir(os.path.dirname(name())),
                      lambda: os.rename(name(), name()),
                      lambda: os.rename(top + '/a', top + '/b'),
                      lambda: os.rmdir(name()),
                      lambda: os.rmdir(top + '/a'),
                      lambda: os.link(name(), name()),
                      lambda: os.symlink('.', name()),
                      lambda: os.unlink(name()),
                      lambda: os.listdir(name()),
                      lambda: os.stat(name() + '/' + r.choice('xyz')),
                      lambda: os.close(os.open(name(), os.O_CREAT | os.O_RDWR)),
                      ))()
        except OSError:
            pass
with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as top:
    t = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    [x.start() for x in t]; [x.join() for x in t]
print('done')
"""

SPAWN = """
import os, select
for i in range(3):
    r, w = os.pipe()
    pid = os.posix_spawn('/bin/echo', ['echo', 'child', str(i)], {},
                         file_actions=[(os.POSIX_SPAWN_DUP2, w, 1)])
    os.close(w)
    p = select.poll(); p.register(r); p.poll()
    print(os.read(r, 100), os.waitpid(pid, 0)[1])
    os.close(r)
"""

PROGRAMS = {
    "files": (["/usr/bin/python3", "-S", "-c", FILES],
              "['g', 'h'] 9000 114000\n"),
    "race": (["/usr/bin/python3", "-S", "-c", RACE], "done\n"),
    "spawn": (["/usr/bin/python3", "-S", "-c", SPAWN],
              "".join("b'child %d\\n' 0\n" % i for i in range(3))),
    "echo": (["/bin/echo", "hello"], "hello\n"),
    "ls": (["/bin/ls", "-d", "/usr", "/etc"], "/etc\n/usr\n"),
    "cat": (["/bin/cat", "/etc/debian_version"],
            Path("/etc/debian_version").read_text()),
    "python": (["/usr/bin/python3", "-S", "-c", PYTHON], "499500 True True\n"),
    "sqlite": (["/usr/bin/sqlite3", ":memory:",
                "create table t(a); insert into t values (1),(2),(3);"
                "select sum(a) from t;"], "6\n"),
    "sockets": (["/usr/bin/python3", "-S", "-c", SOCKETS], "b'HELLO'\n"),
}

OPTIONS = [(), ("--calls", "ring"), ("--cpus", "4"), ("--memory", "256m")]

# rate: lies per 10,000 calls. Rare ones reach far into a run.
KINDS = {
    "strict": ("strict", (20, 100, 500)),
    "data": ("data", (20, 100)),
    "refuse": ("refuse", (20, 200, 1000)),
    # The programs that work with files have started by then.
    "late": ("refuse,after=650", (500, 2000, 5000)),
    "flip": ("flip", (0,)),
    "entry": ("entry", (20, 200)),
    "all": ("strict+data+flip+entry+refuse", (20,)),
}


# A host that tells these makes programs do what it likes, in vain or for ever.
UNTRUE = {k for k, _ in KINDS.values() if re.search("data|flip|refuse", k)}


def busy_threads(pid):
    """How many threads of a process use a fifth of a processor or more."""
    def ticks():
        used = {}
        for task in Path("/proc/%d/task" % pid).iterdir():
            stat = (task / "stat").read_text().rpartition(")")[2].split()
            used[task.name] = int(stat[11]) + int(stat[12])
        return used

    before = ticks()
    time.sleep(1)
    after = ticks()
    return sum(after[t] - before.get(t, 0) > 20 for t in after)


KERNEL, OUTSIDE = 62 << 30, 64 << 30  # abi/layout.h
ATTACH, DETACH, GETREGS = 16, 17, 12  # ptrace(2)
ALL_THREADS = 0x40000000  # __WALL of waitpid(2)


def where_busy(pid, samples=20):
    """Where the threads of a process that are not waiting are, by sampling:
    how often in the kernel, and some of its addresses."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p,
                            ctypes.c_void_p]
    count, seen = collections.Counter(), []
    for _ in range(samples):
        for task in Path("/proc/%d/task" % pid).iterdir():
            tid = int(task.name)
            if (task / "stat").read_text().rpartition(")")[2].split()[0] != "R":
                continue
            if libc.ptrace(ATTACH, tid, None, None):
                continue
            os.waitpid(tid, ALL_THREADS)
            regs = (ctypes.c_uint64 * 27)()
            libc.ptrace(GETREGS, tid, None, regs)
            libc.ptrace(DETACH, tid, None, None)
            rip = regs[16]
            count["application" if rip < KERNEL else
                  "kernel" if rip < OUTSIDE else "host"] += 1
            if KERNEL <= rip < OUTSIDE:
                seen.append("%x" % rip)
        time.sleep(0.01)
    return count, seen[:10]


def run_once(args, seed, rate, lies, options=()):
    with tempfile.NamedTemporaryFile(prefix="lies-") as log:
        setting = "seed=%d,rate=%d,lies=%s,log=%s" % (seed, rate, lies,
                                                      log.name)
        p = subprocess.Popen(
            [HOSTILE, "run", *options, "--", *args],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "SCONCE_HOSTILE": setting},
            text=True, errors="replace")
        try:
            out, err = p.communicate(timeout=SECONDS)
            status = p.returncode
        except subprocess.TimeoutExpired:
            # The thread that flips words is always busy.
            flips = "flip" in lies
            status = "starved"
            if busy_threads(p.pid) > flips:
                count, seen = where_busy(p.pid)
                astray = count["application"] > count["kernel"]
                status = "astray" if astray else "hung"
            p.kill()
            out, err = p.communicate()
            if status != "starved":
                err += "busy in: %s %s" % (dict(count), " ".join(seen))
        told = Path(log.name).read_text(errors="replace")
    return status, out, err, told, setting


def judge(wanted, status, out, err, lies, told):
    """What is wrong with a run, or None."""
    if status == "hung":
        return "hung"
    if status == "astray":
        # A program that was given other data, or code, may run for ever.
        return None if lies in UNTRUE else "astray"
    if status == "starved":
        # A host that swallows an event lets the program wait for ever: it
        # could as well stop it. The enclave must then be idle, not busy.
        return None if lies in UNTRUE else "hung (idle)"
    # Other threads may still log lies after the end.
    if not any(line.startswith("end ") for line in told.splitlines()):
        return "the launcher ended with %s" % status
    if BUG in err:
        return "the kernel stopped for a bug"
    if PROTOCOL in err:
        return None if status == 125 else "-EPROTO, but status %d" % status
    if status == 0 and out != wanted and lies == "strict":
        return "success with a wrong result"
    return None


def test_without_lies():
    """The programs work here, so that the runs below mean something."""
    for name, (args, wanted) in PROGRAMS.items():
        status, out, err, told, _ = run_once(args, 1, 0, "strict")
        assert (status, out, told) == (0, wanted, "end 0 0\n"), name + "\n" + err


def run_and_judge(program, kind, i):
    """Run number i of a program and kind: what is bad about it or None, did
    the enclave stop, was any lie told."""
    args, wanted = PROGRAMS[program]
    lies, rates = KINDS[kind]
    options = OPTIONS[i // len(rates) % len(OPTIONS)]
    status, out, err, told, setting = run_once(
        args, FIRST + i, rates[i % len(rates)], lies, options)
    bad = judge(wanted, status, out, err, lies, told)
    if bad:
        bad = "%s\nSCONCE_HOSTILE=%s %s (%s)\n%s\n%s\n%s" % (
            bad, setting, " ".join(options), program, told, out[-500:],
            err[-1000:])
    return bad, PROTOCOL in err, told.count("\n") > 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_lies(program, kind):
    done = [run_and_judge(program, kind, i) for i in range(RUNS)]
    bad = [b for b, _, _ in done if b]
    stopped, told_any = (sum(d[n] for d in done) for n in (1, 2))
    assert not bad, "%d of %d runs were bad; the first:\n%s" % (
        len(bad), RUNS, bad[0])
    if kind == "strict" and RUNS >= 12:
        assert told_any and stopped, "no lie was told, or none was found out"


def campaign(runs):
    """The number of bad ones among so many runs."""
    count = collections.defaultdict(collections.Counter)
    pairs = [(p, k) for k in KINDS for p in PROGRAMS]
    for n in range(runs):
        program, kind = pairs[n % len(pairs)]
        bad, stopped, told = run_and_judge(program, kind, n // len(pairs))
        count[kind].update(runs=1, bad=bool(bad), stopped=stopped, told=told)
        if bad:
            print("run %d: %s\n" % (n, bad), flush=True)
    print("%-8s %6s %6s %8s %6s" % ("kind", "runs", "lied", "stopped", "bad"))
    for kind, c in count.items():
        print("%-8s %6d %6d %8d %6d" % (kind, c["runs"], c["told"],
                                        c["stopped"], c["bad"]))
    return sum(c["bad"] for c in count.values())


if __name__ == "__main__":
    sys.exit(campaign(int(sys.argv[1])) > 0)
