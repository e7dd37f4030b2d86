# SPDX-License-Identifier: Apache-2.0
"""Debian's own programs, unmodified, each run to its end in an enclave.

Every test asserts the output and that no system call of the program trapped:
all sites were rewritten.
"""

import signal
import subprocess

import pytest

import sconce

PYTHON = "/usr/bin/python3"


def run(*args, status=0, traps=0, **more):
    done = sconce.run(*args, stats=True, options=["-q"], **more).check(status)
    assert done.stats["traps"] <= traps, done.stats
    return done


# ---- hello in C, linked in every way ----

HELLO = r"""
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv, char **envp)
{
	char *heap = malloc(1 << 20);
	memset(heap, 'x', 1 << 20);
	printf("hello %d %s %s %c\n", argc, argv[1], getenv("NAME"), heap[99]);
	return argc > 2 ? atoi(argv[2]) : 0;
}
"""

LINKS = {
    "dynamic": ["gcc"],
    "non-pie": ["gcc", "-no-pie"],
    "static": ["gcc", "-static"],
    "static-pie": ["gcc", "-static-pie"],
    "musl": ["musl-gcc"],
    "musl-static": ["musl-gcc", "-static"],
}


@pytest.fixture(scope="module")
def hello(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hello")
    source = folder / "hello.c"
    source.write_text(HELLO)

    def build(link):
        program = folder / link
        if not program.exists():
            subprocess.run([*LINKS[link], "-O2", source, "-o", program],
                           check=True, timeout=60)
        return program
    return build


@pytest.mark.parametrize("link", LINKS)
def test_hello(hello, link):
    done = run(hello(link), "world", env={"NAME": "sconce"})
    assert done.out == "hello 2 world sconce x\n"
    assert run(hello(link), "a", "42", status=42).out.startswith("hello 3 a")


# ---- what the end of a program looks like ----

def test_exit_status_and_signals():
    assert run("/bin/sh", "-c", "exit 7", status=7)
    assert run("/bin/sh", "-c", "kill -TERM $$", status=-signal.SIGTERM)
    assert run("/bin/sh", "-c", "kill -KILL $$", status=-signal.SIGKILL)
    assert run("/bin/bash", "-c", "kill -SEGV $$", status=-signal.SIGSEGV)


def test_streams():
    done = run("/bin/sh", "-c", "read x; echo out $x; echo err >&2",
               input="word\n")
    assert done.out == "out word\n"
    assert done.err.endswith("err\n")


def test_large_output_and_input():
    text = "".join("line %d\n" % i for i in range(200000))
    assert run("/bin/cat", input=text).out == text


# ---- tools ----

@pytest.mark.parametrize("args, out", [
    (["/bin/echo", "a", "b c"], "a b c\n"),
    (["/usr/bin/printf", "%s-%d\\n", "x", "7"], "x-7\n"),
    (["/usr/bin/seq", "3"], "1\n2\n3\n"),
    (["/usr/bin/expr", "6", "*", "7"], "42\n"),
    (["/usr/bin/basename", "/a/b.c", ".c"], "b\n"),
    (["/bin/busybox", "echo", "hi"], "hi\n"),
    (["/bin/busybox", "sha256sum", "/dev/null"], "e3b0c44298fc1c149afbf4c8996"
     "fb92427ae41e4649b934ca495991b7852b855  /dev/null\n"),
    (["/bin/bash", "-c", "x=(1 2 3); echo $((x[1] * 21)) ${#x[@]}"],
     "42 3\n"),
    (["/bin/bash", "-c", "echo before; exec /bin/echo after"],
     "before\nafter\n"),
    (["/usr/bin/perl", "-e", "print join(',', sort { $b <=> $a } 1..5)"],
     "5,4,3,2,1"),
    (["/usr/bin/lua5.4", "-e", "print(2^10, #'abc')"], "1024.0\t3\n"),
])
def test_output(args, out):
    assert run(*args).out == out


@pytest.mark.parametrize("args", [
    ["/bin/cat", "/etc/passwd"],
    ["/usr/bin/sort", "-r", "/etc/passwd"],
    ["/usr/bin/sha256sum", "/bin/bash"],
    ["/usr/bin/wc", "/etc/services"],
    ["/bin/ls", "-l", "/etc/ssl"],
    ["/bin/busybox", "ls", "-la", "/etc/ssl"],
    ["/usr/bin/find", "/etc/ssl", "-name", "*.cnf"],
    ["/usr/bin/head", "-c", "100", "/bin/ls"],
    ["/usr/bin/stat", "-c", "%n %s %a %h %Y", "/etc/passwd"],
    ["/usr/bin/base64", "/etc/passwd"],
    ["/bin/uname", "-s", "-m"],
    ["/usr/bin/id", "-u"],
    ["/usr/bin/du", "-s", "--apparent-size", "/etc/ssl"],
])
def test_same_as_native(args):
    native = sconce.run(*args, native=True).check()
    assert run(*args).out == native.out


# ---- interpreters ----

def test_python():
    assert run(PYTHON, "-c", "print(1)").out == "1\n"


def test_python_threads():
    code = ("import threading, queue\n"
            "q = queue.Queue(); r = queue.Queue()\n"
            "def work():\n"
            "    while (n := q.get()) is not None: r.put(n * n)\n"
            "ts = [threading.Thread(target=work) for _ in range(8)]\n"
            "[t.start() for t in ts]\n"
            "[q.put(n) for n in range(1000)]\n"
            "[q.put(None) for _ in ts]; [t.join() for t in ts]\n"
            "print(sum(r.get() for _ in range(1000)))\n")
    assert run(PYTHON, "-c", code).out == "332833500\n"


def test_python_subprocess():
    code = ("import subprocess\n"
            "print(subprocess.run(['/bin/echo', 'child'],"
            " capture_output=True, text=True, close_fds=False).stdout)\n")
    assert run(PYTHON, "-c", code).out == "child\n\n"


def test_script_with_interpreter(tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/usr/bin/perl -w\nprint \"$0 @ARGV\\n\";\n")
    script.chmod(0o755)
    assert run(script, "a", "b").out == "%s a b\n" % script


def test_perl_and_lua_work():
    code = ("my %h; $h{$_ % 97} += $_ for 1..100000; "
            "print scalar(keys %h), ' ', $h{5}, \"\\n\"")
    native = sconce.run("/usr/bin/perl", "-e", code, native=True).check()
    assert run("/usr/bin/perl", "-e", code).out == native.out
    code = ("local t = {} for i = 1, 100000 do t[i] = i * i end "
            "print(#t, t[777])")
    assert run("/usr/bin/lua5.4", "-e", code).out == "100000\t603729\n"



def test_files(tmp_path):
    for step in (["cp", "/etc/passwd", "p"], ["mv", "p", "q"],
                 ["mkdir", "d"], ["ln", "q", "d/hard"],
                 ["ln", "-s", "hard", "d/soft"], ["touch", "e"],
                 ["truncate", "-s", "1000", "e"], ["chmod", "600", "e"]):
        run("/usr/bin/env", *step, cwd=tmp_path)
    passwd = open("/etc/passwd").read()
    assert (tmp_path / "d/soft").read_text() == passwd
    assert (tmp_path / "q").stat().st_nlink == 2
    assert (tmp_path / "e").stat().st_size == 1000
    assert (tmp_path / "e").stat().st_mode & 0o777 == 0o600
    run("/bin/rm", "-r", "d", cwd=tmp_path)
    assert not (tmp_path / "d").exists()


def test_python_modules():
    code = ("import sqlite3, ssl, ctypes, hashlib, json\n"
            "db = sqlite3.connect(':memory:')\n"
            "db.execute('create table t(x)')\n"
            "db.executemany('insert into t values(?)',"
            " [(i,) for i in range(1000)])\n"
            "print(db.execute('select sum(x) from t').fetchone()[0])\n"
            "print(ssl.create_default_context().verify_mode)\n"
            "print(ctypes.CDLL(None).abs(-5))\n"
            "print(hashlib.sha256(b'').hexdigest()[:8])\n")
    assert run(PYTHON, "-c", code).out == (
        "499500\n2\n5\ne3b0c442\n")


def test_sqlite(tmp_path):
    sql = ("create table t(a integer primary key, b text);"
           "with recursive c(x) as (select 1 union all select x + 1 from c "
           "where x < 5000) insert into t select x, 'row' || x from c;"
           "select count(*), max(b), sum(a) from t;")
    assert run("/usr/bin/sqlite3", ":memory:", sql).out == \
        "5000|row999|12502500\n"
    base = tmp_path / "t.db"
    assert run("/usr/bin/sqlite3", base, sql).out == \
        "5000|row999|12502500\n"
    native = sconce.run("/usr/bin/sqlite3", base, "pragma integrity_check;"
                        "select count(*) from t", native=True).check()
    assert native.out == "ok\n5000\n"


def test_openssl():
    done = run("/usr/bin/openssl", "dgst", "-sha256", "/etc/passwd")
    native = sconce.run("/usr/bin/openssl", "dgst", "-sha256", "/etc/passwd",
                        native=True).check()
    assert done.out == native.out
    # The table of P-256 lies in libcrypto's text: nothing may be patched.
    done = run("/usr/bin/openssl", "ecparam", "-name", "prime256v1",
               "-genkey", "-noout")
    assert "BEGIN EC PRIVATE KEY" in done.out
