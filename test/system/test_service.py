# SPDX-License-Identifier: Apache-2.0
"""Services that CAS configures: init-cas, the kernel and the launcher with a
CAS stand-in. What the host, the network and whoever calls itself CAS can do."""

import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

import sconce
from fake_cas import FakeCas, manifest, python
from test_las import Las

HELLO = python("""
import os, sys
print(os.environ["WHO"] + ":" + open("/etc/hostname").read())
sys.exit(7)
""", env={"WHO": "world"})
# Until it is told to end, or a file is there.
WAIT = """
import os, signal, sys, time
def end(*_):
    print("told")
    os._exit(5)
signal.signal(signal.SIGTERM, end)
print("up")
while not os.path.exists(sys.argv[1] + "/stop"):
    time.sleep(0.05)
print("down")
"""


def waiting(tmp_path):
    return python(WAIT, tmp_path)


FILES = {"/etc/hostname": "injected"}


@pytest.fixture
def las(tmp_path):
    with Las(tmp_path) as las:
        yield las


def wait_ended(process, seconds=30):
    out, err = process.communicate(timeout=seconds)
    return sconce.Result(process.returncode, out, err)


# ---- what is given arrives ----

def test_program_arguments_environment_and_files(tmp_path, las):
    with FakeCas(tmp_path, HELLO, FILES) as cas:
        done = cas.run()
        assert done.check(7).out == "world:injected\n"
        assert done.err == ""
        hello, = cas.events("hello")
        # With evidence, of which the stand-in checks binding and CONFIGID.
        assert hello.startswith("hello s/a new evidence 4")
        assert hello.split()[-1].isdigit()
        assert cas.events("exit") == ["exit %d exit status 7" % (7 << 8)]


def test_it_is_argv0_that_cas_says(tmp_path):
    given = manifest("/usr/bin/python3", "-S", "-c",
                     "import sys; print(sys.orig_argv[0], sys.argv[1:])", "x")
    with FakeCas(tmp_path, given) as cas:
        # What the host says goes to CAS, and nowhere else.
        done = cas.run("of-the-host")
        assert done.check().out == "/usr/bin/python3 ['x']\n"


def test_environment_of_the_host_stays_out(tmp_path):
    given = manifest("/usr/bin/env")
    with FakeCas(tmp_path, given) as cas:
        done = cas.run(env={"LD_PRELOAD": "/x.so", "OPENSSL_ia32cap": "0"})
        assert done.check().out.splitlines() == ["PATH=/usr/bin:/bin"]
        # Of this launcher's own, which the dynamic linker tells about.
        assert "init" not in done.err


def test_injected_files_are_in_no_file_of_the_host(tmp_path):
    given = python("""
import os
with open("/etc/hostname") as f:
    s = os.fstat(f.fileno())
    print(f.read(), s.st_uid, oct(s.st_mode))
""")
    with FakeCas(tmp_path, given, {"/etc/hostname": "sesame"}) as cas:
        done = cas.run()
        assert done.check().out == "sesame %d 0o100600\n" % os.getuid()
    with open("/etc/hostname") as f:
        assert "sesame" not in f.read()


def test_one_time_token(tmp_path, las):
    token = "ab" * 32
    with FakeCas(tmp_path, HELLO, FILES, options=["--token", token]) as cas:
        cas.run().check(7)
        assert cas.events("token") == ["token s/a"]
        # Another one is another manifest.
        done = cas.run(options=["--one-time", "cd" * 32])
        assert done.check(125).err.count("CONFIGID is of another session")


def test_a_signal_of_the_program_and_of_the_host(tmp_path):
    given = manifest("/bin/sh", "-c", "kill -9 $$")
    with FakeCas(tmp_path, given) as cas:
        cas.run().check(-9)
        assert cas.events("exit") == ["exit 9 signal 9"]
    with FakeCas(tmp_path, waiting(tmp_path)) as cas, cas.begin() as process:
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        done = wait_ended(process)
        assert done.check(5).out == "told\n"
        assert cas.events("exit") == ["exit 1280 exit status 5"]


def test_programs_that_do_not_start(tmp_path):
    for program, status in (("/nowhere", 127), ("/etc/passwd", 126)):
        with FakeCas(tmp_path, manifest(program)) as cas:
            done = cas.run().check(status)
            assert program in done.err
            assert cas.events("exit") == [
                "exit %d exit status %d" % (status << 8, status)]


def test_children_left_behind_end(tmp_path):
    given = python("import subprocess; subprocess.Popen(['/bin/sleep', "
                   "'1000'], close_fds=False); print('started')")
    with FakeCas(tmp_path, given) as cas:
        done = cas.run(timeout=20)
        assert done.check().out == "started\n" and done.seconds < 10


def test_process_one_is_out_of_reach(tmp_path):
    script = """
import os
for name in ("configure", "tags", "secrets", "finish"):
    for way in ("/dev/sconce/", "/proc/1/root/dev/sconce/"):
        for flags in (os.O_RDWR, os.O_RDONLY, os.O_WRONLY):
            try:
                os.open(way + name, flags)
                print("opened", way, name)
            except OSError as e:
                assert e.errno in (1, 2, 13), e
for path in ("/proc/1/environ", "/proc/1/mem", "/proc/1/fd"):
    try:
        print(path, (os.listdir if path.endswith("fd") else
              lambda p: open(p, "rb").read(1))(path))
    except OSError:
        pass
"""
    given = manifest("/usr/bin/python3", "-S", "-c", script)
    with FakeCas(tmp_path, given) as cas:
        done = cas.run().check()
        assert "opened" not in done.out


# ---- who CAS is ----

def test_another_key_is_told_nothing(tmp_path):
    with FakeCas(tmp_path, HELLO, FILES) as cas:
        right = cas.key
        cas.key = "%064x" % (int(right, 16) ^ 1)
        # By the launcher; and, if that asks nothing, by the enclave.
        for options in ([], ["--one-time", ""]):
            done = cas.run(options=options)
            assert done.check(125).out == ""
            assert "its key is %s; wanted %s" % (right, cas.key) in done.err
        assert cas.events("hello") == [] and cas.events("token") == []
        assert len(cas.events("handshake failed")) == 2


def test_evidence_is_worth_nothing_on_another_connection(tmp_path, las):
    """Whoever an enclave takes for CAS cannot pose as that enclave."""
    with FakeCas(tmp_path, HELLO, FILES) as real:
        relay = ["--relay", "127.0.0.1:%d=%s" % (real.port, real.key)]
        with FakeCas(tmp_path, options=relay, name="relay") as attacker:
            done = attacker.run()
            assert done.check(125).out == ""
            assert "evidence is of another connection" in done.err
            assert attacker.events("relayed") == [
                "relayed evidence is of another connection"]
        assert len(real.events("hello")) == 1


def test_an_enclave_for_another_session_is_refused(tmp_path, las):
    with FakeCas(tmp_path, HELLO, FILES) as cas:
        cas.session = "s/b"
        done = cas.run()
        assert done.check(125).err.count("no such session") == 1


def test_no_quoting_service_says_so(tmp_path):
    with FakeCas(tmp_path, HELLO, FILES) as cas:
        cas.order("refuse 129 evidence is wanted")
        done = cas.run()
        assert done.check(125).out == ""
        assert "evidence is wanted" in done.err
        assert "start `sconce las`" in done.err


def test_refusals_are_told_and_final(tmp_path):
    with FakeCas(tmp_path, HELLO, FILES) as cas:
        for error in (1, 2, 13, 116, 127):
            cas.order("refuse %d for the reason %d" % (error, error))
            done = cas.run()
            line, = [x for x in done.check(125).err.splitlines()
                     if "reason" in x]
            assert line == "sconce: CAS at 127.0.0.1:%d: for the reason %d" % (
                cas.port, error)
            assert done.seconds < 5


# ---- CAS comes and goes ----

def test_cas_that_comes_late(tmp_path):
    with FakeCas(tmp_path, HELLO, FILES) as cas:
        cas.stop()
        with cas.begin(options=["--one-time", ""]) as process:
            time.sleep(4)
            assert process.poll() is None
            cas.again()
            done = wait_ended(process)
        assert done.check(7).out == "world:injected\n"
        assert "Connection refused; trying for" in done.err


def test_launcher_waits_too(tmp_path):
    with FakeCas(tmp_path, HELLO, FILES) as cas:
        cas.stop()
        with cas.begin() as process:
            time.sleep(3)
            cas.again()
            done = wait_ended(process)
        assert done.check(7)
        assert "Connection refused; trying for" in done.err


def test_busy_now_is_asked_again(tmp_path):
    with FakeCas(tmp_path, HELLO, FILES) as cas:
        cas.order("refuse 16 volume in use")
        with cas.begin() as process:
            cas.wait_for("hello", 3)
            cas.order("refuse 0 x")
            done = wait_ended(process)
        assert done.check(7)
        assert len(cas.events("hello")) >= 4


def test_lost_connection(tmp_path, las):
    with FakeCas(tmp_path, waiting(tmp_path)) as cas, \
            cas.begin() as process:
        assert process.stdout.readline() == "up\n"
        cas.order("drop")
        cas.wait_for("hello s/a again evidence 4")
        (tmp_path / "stop").touch()
        done = wait_ended(process)
        assert done.check().out == "down\n"
        assert cas.events("exit") == ["exit 0 exit status 0"]


def test_lease_is_renewed(tmp_path):
    with FakeCas(tmp_path, waiting(tmp_path),
                 options=["--lease", "1", "--stop"]) as cas, \
            cas.begin() as process:
        cas.wait_for("renew", 6)
        (tmp_path / "stop").touch()
        assert wait_ended(process).check().out == "up\ndown\n"


@pytest.mark.parametrize("way", ["gone", "silent"])
def test_lease_ends_the_service(tmp_path, way):
    with FakeCas(tmp_path, waiting(tmp_path),
                 options=["--lease", "2", "--stop"]) as cas, \
            cas.begin() as process:
        assert process.stdout.readline() == "up\n"
        start = time.monotonic()
        if way == "gone":
            cas.stop()
        else:
            cas.order("hang")
        done = wait_ended(process)
        assert done.check(5).out == "told\n"
        assert 1 < time.monotonic() - start < 9
        assert "the lease ended and was not renewed" in done.err


def test_a_service_that_ignores_its_end_is_killed(tmp_path):
    given = python("import signal, time; signal.signal(15, "
                   "signal.SIG_IGN); print('up'); time.sleep(1000)")
    with FakeCas(tmp_path, given, options=["--lease", "1", "--stop"]) as cas, \
            cas.begin() as process:
        assert process.stdout.readline() == "up\n"
        cas.stop()
        wait_ended(process, 40).check(-9)


def test_lease_may_end_without_end(tmp_path):
    with FakeCas(tmp_path, waiting(tmp_path), options=["--lease", "1"]) as cas, \
            cas.begin() as process:
        assert process.stdout.readline() == "up\n"
        cas.stop()
        time.sleep(2.5)
        assert process.poll() is None
        (tmp_path / "stop").touch()
        assert wait_ended(process).check().out == "down\n"


# ---- what CAS may not say ----

def reply(**more):
    """A frame with a reply to the first request: canonical CBOR by hand."""
    def text(t):
        return bytes([0x60 + len(t)]) + t.encode()

    def data(b):
        if len(b) < 24:
            return bytes([0x40 + len(b)]) + b
        return b"\x5a" + struct.pack(">I", len(b)) + b \
            if len(b) > 65535 else b"\x59" + struct.pack(">H", len(b)) + b \
            if len(b) > 255 else b"\x58" + bytes([len(b)]) + b
    fields = {"id": 1, "lease": 0, "status": 0, "on_expiry": 0,
              "instance": b"i" * 16, **more}
    body = bytes([0xa0 + len(fields)])
    for key in sorted(fields, key=lambda k: (len(k), k)):
        value = fields[key]
        body += text(key) + (bytes([value]) if isinstance(value, int)
                             else data(value))
    return struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("name, frame, wanted", [
    ("no configuration", reply(), "its answer has no configuration"),
    ("short instance", reply(instance=b"i", config=b"x"), "too short"),
    ("garbage", b"\x05\0\0\0hello", "reply"),
    ("huge", b"\xff\xff\xff\x7f", "more than"),
    ("empty", b"\0\0\0\0", "more than"),
    ("empty map", reply(config=b"\xa0"), "configuration from CAS"),
    ("no map", reply(config=b"\xff" * 40), "configuration from CAS"),
    ("too large", reply(config=b"\0" * (4 * 2 ** 20 + 1)),
     "configuration from CAS"),
], ids=lambda x: x if isinstance(x, str) and " " not in x else "")
def test_answers_that_are_none(tmp_path, name, frame, wanted):
    (tmp_path / "frame").write_bytes(frame)
    with FakeCas(tmp_path, options=["--frame", tmp_path / "frame"]) as cas, \
            cas.begin(options=["--one-time", ""]) as process:
        cas.wait_for("listening")
        # Some may be noise of the network, and are tried again for a time.
        lines = []
        for line in process.stderr:
            lines.append(line)
            if wanted in line:
                break
        assert wanted in "".join(lines)
        process.kill()
        process.wait()


def test_configurations_that_do_not_fit(tmp_path):
    volume = {"name": "data", "path": "/data", "key": "cas"}
    for given, files, wanted in (
            (manifest("/bin/true", volumes=[volume]), {},
             "volume data"),  # the host has no directory for it
            (HELLO, {"/etc/../x": "y"}, "injected file /etc/../x"),
            (manifest("/bin/true", limits={"cpus": 1, "memory": "16m"}), {},
             "memory"),
            (manifest("/bin/true", workdir="/nowhere"), {}, "/nowhere")):
        with FakeCas(tmp_path, given, files) as cas:
            done = cas.run()
            assert done.check(125).out == ""
            assert wanted in done.err, done.err
            assert "Traceback" not in done.err
            assert len(cas.events("exit 32000 ")) == 1


# ---- volumes ----

SQL = """
import os, sqlite3, sys, time
db = sqlite3.connect("/data/db", isolation_level=None)
# Also when the journal is deleted, which is what commits.
db.execute("pragma synchronous=extra")
db.execute("create table if not exists t (n integer)")
for row in db.execute("select count(*) from t"):
    print("rows", row[0], flush=True)
for n in range(int(sys.argv[1])):
    db.execute("insert into t values (?)", (n,))
    if len(sys.argv) > 2:
        print("did", n, flush=True)
db.close()
"""


def database(count, *more):
    return python(SQL, count, *more, volumes=[{"name": "data", "path": "/data", "key": "cas"}])


def in_dir(tmp_path):
    (tmp_path / "vol").mkdir(exist_ok=True)
    return ["--volume-dir", "data=%s" % (tmp_path / "vol")]


def test_volume_keeps_what_was_acknowledged(tmp_path):
    where = in_dir(tmp_path)
    for before in (0, 5, 10):
        with FakeCas(tmp_path, database(5)) as cas:
            done = cas.run(options=where)
            assert done.check().out == "rows %d\n" % before
            assert len(cas.events("tag data")) >= 5
            assert all(e.endswith(" 0") for e in cas.events("tag"))
    for file in (tmp_path / "vol").rglob("*"):
        if file.is_file():
            assert b"SQLite format" not in file.read_bytes()


def test_volume_after_kill(tmp_path):
    where = in_dir(tmp_path)
    with FakeCas(tmp_path, database(100000, "loud")) as cas:
        process = cas.begin(options=where)
        for line in process.stdout:
            if line.startswith("did"):
                done = int(line.split()[1])
                if done >= 20:
                    break
        process.kill()
        rest = [x for x in process.communicate()[0].splitlines()
                if x.startswith("did")]
        done = int(rest[-1].split()[1]) if rest else done
    with FakeCas(tmp_path, database(1)) as cas:
        out = cas.run(options=where).check().out
        assert int(out.split()[1]) >= done + 1


def test_rolled_back_volume_is_refused(tmp_path):
    where = in_dir(tmp_path)
    with FakeCas(tmp_path, database(3)) as cas:
        cas.run(options=where).check()
        shutil.copytree(tmp_path / "vol", tmp_path / "old")
        cas.run(options=where).check()
        shutil.rmtree(tmp_path / "vol")
        (tmp_path / "old").rename(tmp_path / "vol")
        done = cas.run(options=where)
        assert done.check(125).out == ""
        assert "volume data" in done.err and "rolled back" in done.err


def test_emptied_volume_is_refused(tmp_path):
    where = in_dir(tmp_path)
    with FakeCas(tmp_path, database(3)) as cas:
        cas.run(options=where).check()
        shutil.rmtree(tmp_path / "vol")
        in_dir(tmp_path)
        done = cas.run(options=where)
        assert done.check(125).out == "" and "volume data" in done.err


def test_another_key_does_not_open_it(tmp_path):
    where = in_dir(tmp_path)
    with FakeCas(tmp_path, database(3)) as cas:
        cas.run(options=where).check()
    with FakeCas(tmp_path, database(3), name="other") as cas:
        shutil.copy(tmp_path / "cas.state", tmp_path / "other.state")
        state = bytearray((tmp_path / "other.state").read_bytes())
        state[16 + 65] ^= 1  # key, behind the name
        cas.stop()
        (tmp_path / "other.state").write_bytes(state)
        cas.again()
        done = cas.run(options=where)
        assert done.check(125).out == "" and "volume data" in done.err


def test_tag_that_cas_refuses(tmp_path):
    """The program is not told that it is done what CAS did not take."""
    where = in_dir(tmp_path)
    with FakeCas(tmp_path, database(100000, "loud")) as cas, \
            cas.begin(options=where) as process:
        for line in process.stdout:
            if line == "did 5\n":
                break
        cas.order("tags 116")
        done = wait_ended(process)
        assert done.status not in (0, 125)
        assert "CAS did not take its state: as ordered" in done.err
        taken = len([e for e in cas.events("tag") if e.endswith(" 0")])
        assert taken


def test_connection_lost_under_load(tmp_path):
    where = in_dir(tmp_path)
    with FakeCas(tmp_path, database(300, "loud")) as cas, \
            cas.begin(options=where) as process:
        seen = 0
        for line in process.stdout:
            seen += 1
            if seen in (10, 60, 110):
                # The tag is taken, its reply lost.
                cas.order("drop-after 1")
            if seen in (160, 210):
                cas.order("drop")
        done = wait_ended(process)
        done.check()
        assert len(cas.events("hello s/a again")) >= 4
        assert all(e.endswith(" 0") for e in cas.events("tag"))
    with FakeCas(tmp_path, database(0)) as cas:
        assert cas.run(options=where).check().out == "rows 300\n"


def test_cas_restarts_under_load(tmp_path):
    where = in_dir(tmp_path)
    with FakeCas(tmp_path, database(200, "loud"),
                 options=["--lease", "30", "--stop"]) as cas:
        with cas.begin(options=where) as process:
            for line in process.stdout:
                if line == "did 50\n":
                    break
            cas.stop()
            time.sleep(1.5)
            cas.again()
            done = wait_ended(process)
        done.check()
        assert len(cas.events("hello s/a again")) == 1
        assert cas.run(options=where).check().out.startswith("rows 200\n")


def test_an_instance_that_is_over(tmp_path):
    """CAS has another one, or has given it up: no tag is taken."""
    where = in_dir(tmp_path)
    with FakeCas(tmp_path, database(100000, "loud"),
                 options=["--lease", "3", "--stop"]) as cas, \
            cas.begin(options=where) as process:
        for line in process.stdout:
            if line == "did 5\n":
                break
        cas.stop()
        state = (tmp_path / "cas.state").read_bytes()
        (tmp_path / "cas.state").write_bytes(bytes(16) + state[16:])
        cas.again()
        done = wait_ended(process)
        assert done.status != 0
        assert "no such instance" in done.err
        assert "the lease ended and was not renewed" in done.err
        assert cas.events("tag") == []


# ---- without an enclave ----

def test_exec(tmp_path):
    with FakeCas(tmp_path, HELLO, FILES) as cas:
        done = cas.run(what="exec")
        assert done.check(7).out == "world:injected\n" and done.err == ""
        assert cas.events("hello") == ["hello s/a new evidence 0"]
        assert cas.events("exit") == ["exit %d exit status 7" % (7 << 8)]
    with open("/etc/hostname") as f:
        assert "injected" not in f.read()


def test_exec_says_that_nothing_protects(tmp_path):
    with FakeCas(tmp_path, HELLO, FILES) as cas:
        done = subprocess.run(
            [sconce.SCONCE, "exec", *cas.where()], capture_output=True,
            text=True, timeout=30)
        assert done.returncode == 7
        assert "nothing protects this program" in done.stderr


def test_exec_refuses_what_it_cannot_do(tmp_path):
    with FakeCas(tmp_path, database(1)) as cas:
        done = cas.run(what="exec")
        assert done.check(125).err.count("volume data at /data") == 1
    with FakeCas(tmp_path, HELLO, {"/etc/no-such-file": "x"}) as cas:
        done = cas.run(what="exec")
        assert done.check(125).out == ""
        assert "/etc/no-such-file" in done.err


def test_exec_lease_and_signals(tmp_path):
    with FakeCas(tmp_path, waiting(tmp_path),
                 options=["--lease", "2", "--stop"]) as cas:
        with cas.begin(what="exec") as process:
            assert process.stdout.readline() == "up\n"
            process.send_signal(signal.SIGTERM)
            assert wait_ended(process).check(5).out == "told\n"
        with cas.begin(what="exec") as process:
            assert process.stdout.readline() == "up\n"
            cas.stop()
            assert wait_ended(process).check(5).out == "told\n"


# ---- the command line ----

@pytest.mark.parametrize("options, wanted", [
    (["--cas", "x:1"], "--cas without --session"),
    (["--session", "noslash"], "wanted NAME/SERVICE"),
    (["--cas-key", "12", "--cas", "x:1", "--session", "s/a"],
     "wanted 64 hexadecimal digits"),
    (["--cas-key", "12" * 32, "--session", "s/a"], "--cas-key without --cas"),
    (["--cas", "127.0.0.1:99", "--session", "s/a"], "sconce cas attest"),
    (["--cas", "no-such.invalid:1", "--cas-key", "12" * 32, "--session",
      "s/a"], "no-such.invalid"),
    (["--cas", "[::1", "--cas-key", "12" * 32, "--session", "s/a"], "--cas"),
    (["--cas", "127.0.0.1:1", "--cas-key", "12" * 32, "--session", "s/a",
      "--tmpfs", "/x"], "manifest's to say"),
    (["--cas", "127.0.0.1:1", "--cas-key", "12" * 32, "--session", "s/a",
      "--manifest", "/dev/null"], ""),
])
def test_mistakes(tmp_path, options, wanted):
    done = subprocess.run(
        [sconce.SCONCE, "run", *options], capture_output=True, text=True,
        timeout=20, env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path)})
    assert done.returncode == 125
    assert wanted in done.stderr and done.stderr.startswith("sconce: ")


# ---- values while it runs ----

ASK = """
import errno, os, sys
D = "/dev/sconce/secret/"
def show(name, write=None):
    try:
        with open(D + name, "rb" if write is None else "wb", 0) as f:
            print(name, f.read().decode() if write is None else
                  f.write(write.encode()))
    except OSError as e:
        print(name, errno.errorcode[e.errno])
show("key")
show("key:hex")
show("other")
show("no such thing")
show("key|escape(json)")
show("a:b|escape(xml)")
show("wkey", "new value")
show("wkey")
show("key", "x")
show("wkey:hex", "x")
show("wkey", "x" * 65537)
print(os.listdir(D), os.stat(D + "key").st_uid == os.getuid())
with open(D + "key") as f:
    f.seek(2)
    print(f.read(3))
"""
SECRETS = ["--secret", 'key=so "secret"', "--secret", "wkey=old"]


def test_programs_get_and_put_values(tmp_path):
    given = manifest("/usr/bin/python3", "-S", "-u", "-c", ASK)
    with FakeCas(tmp_path, given, options=SECRETS) as cas:
        done = cas.run().check()
        assert done.out.splitlines() == [
            'key so "secret"', 'key:hex so "secret"', "other EACCES",
            "no such thing EINVAL", 'key|escape(json) so \\"secret\\"',
            "a:b|escape(xml) EINVAL", "wkey 9", "wkey new value",
            "key EACCES", "wkey:hex EINVAL", "wkey EFBIG", "[] True",
            " \"s"]
        # CAS's reason is told; names that are none it never hears.
        assert "secret other: CAS says: not in the policy" in done.err
        assert cas.events("get")[:3] == ["get key - ", "get key hex ",
                                         "get other - "]
        assert cas.events("put") == ["put wkey - new value", "put key - x"]
        assert not cas.events("get no")


def test_values_while_cas_is_away(tmp_path):
    given = python("""
import errno, time
def get():
    start = time.monotonic()
    try:
        print(open("/dev/sconce/secret/key").read(), flush=True)
    except OSError as e:
        print(errno.errorcode[e.errno], flush=True)
    return time.monotonic() - start
input()
get()
input()
assert 20 < get() < 50
""")
    with FakeCas(tmp_path, given, options=SECRETS) as cas:
        process = subprocess.Popen(
            cas.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=cas.env())
        cas.wait_for("hello")
        # It comes back within the time: nothing is noticed.
        cas.order("drop")
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == 'so "secret"\n'
        cas.order("hang")
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "EIO\n"
        cas.order("go")
        process.stdin.close()
        assert process.wait(30) == 0
        process.stdout.close()
        process.stderr.close()


def test_who_asks_may_go(tmp_path):
    """Killed while CAS does not answer; or the service ends."""
    given = python("""
import subprocess, threading, time
ask = ["/bin/cat", "/dev/sconce/secret/key"]
start = time.monotonic()
for i in range(3):
    p = subprocess.Popen(ask, close_fds=False)
    time.sleep(0.5)
    p.kill()
    print(p.wait())
threading.Thread(daemon=True, target=lambda: open(ask[1])).start()
time.sleep(0.5)
assert time.monotonic() - start < 10
""")
    with FakeCas(tmp_path, given, options=SECRETS) as cas:
        cas.order("secrets 11")  # try again later, for ever
        done = cas.run(timeout=25)
        assert done.check().out == "-9\n-9\n-9\n"
        assert done.seconds < 15
        assert cas.events("exit") == ["exit 0 exit status 0"]


def test_names_that_are_none(tmp_path):
    """Whatever a program writes there, process 1 takes it apart."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    given = python("""
import random, sys
r = random.Random(int(sys.argv[1]))
parts = ["key", ":", "::", "hex", "|escape(json)", "|", "$$", "$$SCONE::",
         "a" * 64, "b" * 200, "%s", "self::software_identity", ".", "~"]
good = 0
for i in range(3000):
    name = "".join(r.choice(parts) for _ in range(r.randrange(1, 5))) \\
        if i % 3 else bytes(r.choices(range(1, 256), k=r.randrange(1, 255)))
    name = name.encode() if i % 3 else name
    try:
        name = name.replace(b"/", b"") + b"-" * (name[:1] == b".")
        with open(b"/dev/sconce/secret/" + name, "rb") as f:
            good += f.read() == b'so "secret"'
    except OSError as e:
        assert e.errno in (13, 22, 21, 36), (e, name)
print("over", good > 0)
""", seed)
    with FakeCas(tmp_path, given, options=SECRETS) as cas:
        assert cas.run().check().out == "over True\n"
        # Only names and formats get to CAS.
        for line in cas.events("get"):
            assert re.fullmatch(r"get [\w.~:-]+ [\w.~:-]+ ", line), line


def test_many_ask_at_once(tmp_path):
    """More than init takes at a time, and tags in between."""
    given = python("""
import os, threading
wrong = []
def get():
    for i in range(20):
        if open("/dev/sconce/secret/key").read() != 'so "secret"':
            wrong.append(1)
threads = [threading.Thread(target=get) for i in range(30)]
for t in threads: t.start()
for i in range(20):
    with open("/data/x", "w") as f:
        f.write(str(i))
        os.fsync(f.fileno())
for t in threads: t.join()
print("wrong", len(wrong))
""", volumes=[{"name": "data", "path": "/data", "key": "cas"}])
    with FakeCas(tmp_path, given, options=SECRETS) as cas:
        done = cas.run(options=in_dir(tmp_path))
        assert done.check().out == "wrong 0\n"
        assert len(cas.events("get key")) == 600
        assert len(cas.events("tag data")) >= 20


def test_a_file_of_the_host_is_no_template(tmp_path):
    (tmp_path / "conf").write_text("send $$SCONE::key$$ to me")
    with FakeCas(tmp_path, HELLO, options=[
            *SECRETS, "--template", tmp_path / "conf"]) as cas:
        done = cas.run()
        assert done.check(125).out == ""
        assert "a file of the host may not say" in done.err
        assert not cas.events("get")


# ---- what bounds it, and what starts it ----

def test_bound_on_descriptors_is_the_programs(tmp_path):
    given = python("""
import os, resource
print(resource.getrlimit(resource.RLIMIT_NOFILE))
try:
    while True: print(os.dup(0))
except OSError as e:
    print(e.errno)
""", limits={"files": 4})
    with FakeCas(tmp_path, given, options=SECRETS) as cas:
        done = cas.run()
        assert done.check().out.splitlines() == ["(4, 4)", "3", "24"]


def test_no_templates_without_an_enclave(tmp_path):
    with FakeCas(tmp_path, manifest("/bin/true"), options=[
            "--template", "/etc/hostname"]) as cas:
        done = cas.run(what="exec")
        assert "replaces no variables in files" in done.check(125).err


def test_injected_names_are_listed(tmp_path):
    given = python("""
import glob, os
print(sorted(glob.glob("/etc/*.injected")), glob.glob("/nowhere/*/*"),
      os.path.isdir("/nowhere/d"), len(os.listdir("/etc")) ==
      len(set(os.listdir("/etc"))))
""")
    files = {"/etc/b.injected": "1", "/etc/a.injected": "2",
             "/nowhere/d/x": "3", "/etc/hostname": "4"}
    with FakeCas(tmp_path, given, files) as cas:
        assert cas.run().check().out == (
            "['/etc/a.injected', '/etc/b.injected'] ['/nowhere/d/x'] "
            "True True\n")


def test_one_time_passwords(tmp_path):
    with FakeCas(tmp_path, HELLO, FILES) as cas:
        cas.run(options=["--otp", "012345"]).check(7)
        cas.session = "s/a@543210"
        cas.run().check(7)
        told = [h.split(" otp ")[1].split()[0] for h in cas.events("hello")]
        assert told == ["012345", "543210"]
        done = cas.run(options=["--otp", "012345"])
        assert "wanted one of them" in done.check(125).err
        cas.session = "s/a"
        done = cas.run(options=["--otp", "12345"])
        assert "wanted the six digits" in done.check(125).err
        assert len(cas.events("hello")) == 2
        # Without an enclave as well.
        cas.run(options=["--otp", "111111"], what="exec")
        assert " otp 111111" in cas.events("hello")[-1]
