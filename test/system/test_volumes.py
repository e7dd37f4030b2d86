# SPDX-License-Identifier: Apache-2.0
"""Programs on encrypted volumes: they see ordinary files, the host sees
nothing, and what the host changes or puts back is noticed.
"""

import os
import random
import shutil
import signal
import subprocess
import threading
import time
import uuid

import pytest

import mariadb
import sconce

PYTHON = "/usr/bin/python3"
PROGRAMS = os.path.join(os.path.dirname(__file__), "../programs")
SEED = os.environ.get("SCONCE_SEED", "1")
MARKER = "MARKER-" + uuid.uuid4().hex


class Volume:
    """A new volume, its key, and a directory of tags of its own."""

    def __init__(self, base, name="data"):
        self.name = name
        self.dir = base / ("volume-" + name)
        self.key = base / (name + ".key")
        self.env = {"XDG_DATA_HOME": str(base / "state")}
        self.cli("create", "--new-key", self.key, self.dir).check()

    def cli(self, command, *args):
        done = subprocess.run(
            [str(a) for a in (sconce.SCONCE, "volume", command, *args)],
            capture_output=True, text=True, timeout=60,
            env={**os.environ, **self.env})
        return sconce.Result(done.returncode, done.stdout, done.stderr)

    def options(self, more="", target="/vol"):
        return ["--volume-dir",
                "%s=%s:%s%s" % (self.name, self.dir, target, more),
                "--volume-key", "%s=%s" % (self.name, self.key)]

    def run(self, *args, more="", **kw):
        return sconce.run(*args, options=self.options(more), env=self.env,
                          **kw)

    def python(self, code, **kw):
        return self.run(PYTHON, "-c", code, **kw)


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path)


def test_kept_between_runs(volume):
    volume.python("open('/vol/a', 'w').write('kept')").check()
    done = volume.python("print(open('/vol/a').read())").check()
    assert done.out == "kept\n"


def test_same_calls_as_native(volume, tmp_path):
    """Some 150 calls, their results and errors."""
    script = os.path.join(PROGRAMS, "files.py")
    native = sconce.run(PYTHON, script, str(tmp_path / "work"), native=True)
    inside = volume.run(PYTHON, script, "/vol/work")
    assert inside.check().out.splitlines() == native.check().out.splitlines()


def test_same_tree_as_native(volume, tmp_path):
    """10,000 random operations, here and on the host's file system."""
    (tmp_path / "host").mkdir()
    volume.run("/bin/mkdir", "/vol/tree").check()
    done = volume.run(PYTHON, os.path.join(PROGRAMS, "treemodel.py"),
                      str(tmp_path / "host"), "/vol/tree", SEED, "10000",
                      timeout=240)
    assert done.out == "same\n", "SCONCE_SEED=%s: %s" % (SEED, done.out)


def test_nothing_to_see(volume, tmp_path):
    """Neither names nor contents are in what the host keeps or maps."""
    code = """if True:
        import os, sys
        os.mkdir('/vol/dir-%s')
        with open('/vol/dir-%s/file-%s', 'w') as f:
            f.write('content-%s' * 5000)
            f.flush(); os.fsync(f.fileno())
        os.setxattr('/vol/dir-%s', 'user.x', ('%s').encode())
        # The emulator's signal frames have registers of the enclave in them
        # until the next tick.
        sum(range(10000000))
        print('ready', flush=True)
        sys.stdin.readline()
    """.replace("%s", "'+'".join((MARKER[:9], MARKER[9:])))
    inside = subprocess.Popen(
        sconce.command(PYTHON, "-c", code, options=volume.options()),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, **volume.env}, text=True)
    try:
        assert inside.stdout.readline() == "ready\n"
        assert not outside_memory(inside.pid, MARKER.encode())
    finally:
        inside.stdin.close()
        inside.wait(60)
    for path in volume.dir.iterdir():
        assert MARKER.encode() not in path.read_bytes(), path


def outside_memory(pid, marker):
    """Where the launcher's memory outside of the enclave has the marker."""
    found, seen = [], 0
    with open("/proc/%d/maps" % pid) as maps, \
            open("/proc/%d/mem" % pid, "rb") as memory:
        for line in maps:
            span, perms = line.split()[:2]
            low, high = (int(x, 16) for x in span.split("-"))
            if low < 64 << 30 or "r" not in perms or "[v" in line:
                continue
            memory.seek(low)
            try:
                data = memory.read(high - low)
            except OSError:
                continue
            seen += len(data)
            at = data.find(marker)
            if at >= 0:
                found.append((line.strip(), data[max(at - 40, 0):at + 80]))
    assert seen > 1 << 20
    return found


def test_rollback_is_refused(volume, tmp_path):
    volume.python("open('/vol/a', 'w').write('one')").check()
    shutil.copytree(volume.dir, tmp_path / "yesterday")
    volume.python("open('/vol/a', 'w').write('two')").check()
    shutil.rmtree(volume.dir)
    shutil.copytree(tmp_path / "yesterday", volume.dir)
    done = volume.python("print(open('/vol/a').read())")
    assert done.status == 125 and done.out == ""
    assert "rolled back" in done.err or "expected" in done.err
    done = volume.python("print(open('/vol/a').read())",
                         more=":no_rollback_protection").check()
    assert done.out == "one\n"


def test_wrong_key(volume):
    volume.python("open('/vol/a', 'w').write('one')").check()
    volume.key.write_text("00" * 32)
    done = volume.python("1")
    assert done.status == 125 and "data" in done.err


def test_damage_is_an_error_and_no_lie(volume):
    """A flipped byte gives EIO where it matters, never other data."""
    volume.python("open('/vol/a', 'wb').write(bytes(range(256)) * 4096)"
                  ).check()
    segment = volume.dir / "segment.0"
    data = bytearray(segment.read_bytes())
    rng = random.Random(int(SEED))
    for _ in range(300):
        at = rng.randrange(8192, len(data))
        data[at] ^= 1 << rng.randrange(8)
    segment.write_bytes(data)
    done = volume.python("""if True:
        try:
            data = open('/vol/a', 'rb').read()
            print('read', data == bytes(range(256)) * 4096)
        except OSError as error:
            print('error', error.errno)
    """)
    assert done.status == 125 or done.out in (
        "error 5\n", "error 74\n"), done.out


def test_open_twice_is_refused(volume):
    first = subprocess.Popen(
        sconce.command("/bin/cat", options=volume.options()),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
        env={**os.environ, **volume.env})
    try:
        first.stdin.write(b"runs\n")
        assert first.stdout.readline() == b"runs\n"
        done = volume.run("/bin/true")
        assert done.status == 125 and "open" in done.err
    finally:
        first.stdin.close()
        assert first.wait(60) == 0
    volume.run("/bin/true").check()


def test_read_only(volume):
    volume.python("open('/vol/a', 'w').write('one')").check()
    done = volume.python("""if True:
        print(open('/vol/a').read())
        try:
            open('/vol/b', 'w')
        except OSError as error:
            print(error.errno)
    """, more=":ro").check()
    assert done.out == "one\n30\n"


def test_ephemeral(volume):
    """Empty at each start; the key is not even kept."""
    for _ in range(2):
        done = volume.python("""if True:
            import os
            print(os.listdir('/vol'))
            open('/vol/a', 'w').write('one')
        """, more=":ephemeral").check()
        assert done.out == "[]\n"


def test_shared_mappings(volume):
    """Seen by other mappings, by read(2), and kept by msync."""
    volume.python("""if True:
        import mmap, os
        fd = os.open('/vol/m', os.O_RDWR | os.O_CREAT)
        os.ftruncate(fd, 20000)
        a = mmap.mmap(fd, 20000)
        a[5000:5003] = b'abc'
        assert os.pread(fd, 3, 5000) == b'abc'
        os.pwrite(fd, b'XYZ', 12000)
        assert a[12000:12003] == b'XYZ'
        a.flush()
        os._exit(0)
    """).check()
    done = volume.python(
        "d = open('/vol/m', 'rb').read(); print(d[5000:5003], d[12000:12003])")
    assert done.check().out == "b'abc' b'XYZ'\n"


def test_a_name_for_a_file_without(volume):
    done = volume.python("""if 1:
        import os
        at = os.open('/vol', 0)
        for more in (0, os.O_EXCL):
            fd = os.open('/vol', os.O_TMPFILE | os.O_RDWR | more)
            os.write(fd, b'text')
            try:
                os.link('/proc/self/fd/%d' % fd, '/vol/name%d' % more,
                        src_dir_fd=at)
            except FileNotFoundError:
                print('refused')
        print(os.listdir('/vol'), open('/vol/name0').read())
    """)
    assert done.check().out == "refused\n['name0'] text\n"


def test_execute_from_a_volume(volume):
    volume.run("/bin/cp", "/bin/echo", "/vol/echo").check()
    assert volume.run("/vol/echo", "ran").check().out == "ran\n"


def test_tar_round_trip(volume):
    done = volume.python("""if True:
        import filecmp, tarfile
        src = '/usr/share/doc'
        with tarfile.open('/vol/doc.tar', 'w') as t:
            t.add(src, 'doc', filter=lambda i: i if i.isdir() or (
                i.isreg() and hash(i.name) % 4 == 0) else None)
        with tarfile.open('/vol/doc.tar') as t:
            t.extractall('/vol/out')
            n = 0
            for i in t:
                if i.isreg():
                    n += 1
                    a = open('/vol/out/' + i.name, 'rb').read()
                    b = open('/usr/share/' + i.name, 'rb').read()
                    assert a == b, i.name
        print('files', n > 50)
    """, timeout=240)
    assert done.check().out == "files True\n"


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_database_after_kill(volume, mode):
    """What was committed before the launcher was killed is there after it."""
    rng = random.Random(int(SEED))
    acknowledged = 0
    for _ in range(int(os.environ.get("SCONCE_KILLS", "8"))):
        program = subprocess.Popen(
            sconce.command(PYTHON, os.path.join(PROGRAMS, "volume_crash.py"),
                           "/vol/db", mode, options=volume.options()),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **volume.env})
        line = program.stdout.readline()
        assert line.startswith("start"), program.stderr.read()
        found = int(line.split()[1])
        assert found in (acknowledged, acknowledged + 1), (
            "SCONCE_SEED=%s" % SEED)
        acknowledged = found
        end = time.monotonic() + rng.uniform(0.0, 0.4)
        while time.monotonic() < end:
            acknowledged = int(program.stdout.readline())
        os.kill(program.pid, signal.SIGKILL)
        for line in program.stdout:
            if line.endswith("\n"):
                acknowledged = int(line)
        program.wait(60)
        program.stdout.close()
        program.stderr.close()
    assert acknowledged > 0


def ask(port, text):
    done = subprocess.run([*mariadb.sql(port), text], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def insert_until_killed(port, first, server, rng):
    """Commits rows one by one; the last one that was acknowledged."""
    rows = "".join("insert into d.t values (%d, repeat('x', %d));\n"
                   "select %d;\n" % (n, n % 3000, n)
                   for n in range(first, first + 20000))
    client = subprocess.Popen([*mariadb.sql(port)[:-1], "--unbuffered"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
    feeder = threading.Thread(target=feed, args=(client, rows))
    feeder.start()
    end = time.monotonic() + rng.uniform(0.1, 1.0)
    last = first - 1
    while time.monotonic() < end:
        last = int(client.stdout.readline())
    os.kill(server.pid, signal.SIGKILL)
    for line in client.stdout:
        last = int(line)
    feeder.join()
    client.stdout.close()
    client.wait(60)
    return last


def feed(client, rows):
    try:
        client.stdin.write(rows)
        client.stdin.close()
    except BrokenPipeError:
        pass


def test_mariadb_after_kill(volume, tmp_path):
    """What MariaDB acknowledged before the launcher was killed is there, and
    its tables are whole."""
    rng = random.Random(int(SEED))
    volume.python("import os; os.mkdir('/vol/db')").check()
    mariadb.bootstrap("/vol/db", volume.options(), volume.env)
    acknowledged = 0
    for turn in range(int(os.environ.get("SCONCE_KILLS", "3"))):
        port = sconce.free_port()
        program = subprocess.Popen(
            sconce.command(*mariadb.command("/vol/db", port, tmp_path),
                           options=[*mariadb.OPTIONS, *volume.options()]),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(tmp_path / "err", "wb"),
            env={**os.environ, **volume.env})
        try:
            assert sconce.wait_port(port, 90, lambda: program.poll() is None), (
                (tmp_path / "err").read_text()[-4000:])
            if turn == 0:
                ask(port, "create database d; create table d.t (n int primary "
                    "key, text varchar(3000)) engine=innodb")
            assert ask(port, "check table d.t extended").endswith("OK\n")
            found = int(ask(port, "select coalesce(max(n), 0) from d.t"))
            assert found in (acknowledged, acknowledged + 1), (
                "SCONCE_SEED=%s" % SEED)
            assert int(ask(port, "select count(*) from d.t")) == found
            acknowledged = insert_until_killed(port, found + 1, program, rng)
        finally:
            program.kill()
            program.wait(60)
    assert acknowledged > 0


def test_threads(volume, tmp_path):
    exe = tmp_path / "threads"
    subprocess.run(["cc", "-O2", "-o", exe, "-pthread",
                    os.path.join(PROGRAMS, "volume_threads.c")], check=True)
    done = volume.run(str(exe), "/vol", "6", "1500", SEED)
    assert done.out == "same\n", "SCONCE_SEED=%s: %s" % (SEED, done.out)


def image(tmp_path, *options, conf="sealed\n"):
    """A root file system with busybox alone; the image and its hash."""
    root = tmp_path / "root"
    for name in ("bin", "proc", "dev", "etc"):
        (root / name).mkdir(parents=True, exist_ok=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    (root / "etc/motto").write_text(conf)
    done = subprocess.run(
        [sconce.SCONCE, "image", *options, root, tmp_path / "image"],
        capture_output=True, text=True, check=True,
        env={**os.environ, "XDG_DATA_HOME": str(tmp_path / "state")})
    return done.stdout.strip()


def run_image(tmp_path, hash_, *options):
    manifest = tmp_path / "image.yaml"
    manifest.write_text("""
version: 1
program: /bin/busybox
args: {list: [cat, /etc/motto]}
mounts: [{type: proc, target: /proc}, {type: dev, target: /dev}]
volumes: [{name: root, path: /, image: %s}]
""" % hash_)
    return sconce.run(
        options=["--manifest", str(manifest), "--volume-dir",
                 "root=%s" % (tmp_path / "image"), *options],
        env={"XDG_DATA_HOME": str(tmp_path / "state")})


def test_root_image(tmp_path):
    """All of the file system is what the manifest's hash names."""
    hash_ = image(tmp_path)
    assert run_image(tmp_path, hash_).check().out == "sealed\n"
    other = run_image(tmp_path, "0" * 64)
    assert other.status == 125 and "not the image" in other.err


def test_altered_image(tmp_path):
    """Another image under the same, public key is refused; so is a byte."""
    hash_ = image(tmp_path)
    segment = tmp_path / "image/segment.0"
    data = segment.read_bytes()
    at = data.index(b"sealed\n")
    segment.write_bytes(data[:at] + b"healed\n" + data[at + 7:])
    done = run_image(tmp_path, hash_)
    assert done.status != 0 and "healed" not in done.out
    shutil.rmtree(tmp_path / "image")
    assert image(tmp_path) != hash_  # made anew, with the same contents
    assert run_image(tmp_path, hash_).status == 125


def test_secret_image(tmp_path):
    key = tmp_path / "image.key"
    hash_ = image(tmp_path, "--new-key", key)
    assert b"sealed" not in (tmp_path / "image/segment.0").read_bytes()
    done = run_image(tmp_path, hash_, "--volume-key", "root=%s" % key)
    assert done.check().out == "sealed\n"
    assert run_image(tmp_path, hash_).status == 125


def test_manifest(volume, tmp_path):
    """The manifest says where a volume goes; the launcher where it is."""
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text("""
version: 1
program: /bin/cat
args: {list: [/secret/a]}
mounts:
  - {type: host, source: /, target: /, ro: true}
volumes:
  - {name: data, path: /secret, ro: true}
""")
    volume.python("open('/vol/a', 'w').write('one')").check()
    options = ["--manifest", str(manifest), "--volume-key",
               "data=%s" % volume.key]
    done = sconce.run(options=options, env=volume.env)
    assert done.status == 125 and "--volume-dir" in done.err
    options += ["--volume-dir", "data=%s" % volume.dir]
    assert sconce.run(options=options, env=volume.env).check().out == "one"
    done = sconce.run(options=options + ["--volume-dir", "other=/tmp"],
                      env=volume.env)
    assert done.status == 125 and "other" in done.err
