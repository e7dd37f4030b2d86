# SPDX-License-Identifier: Apache-2.0
"""`sconce volume`: volumes in directories, used as people use them."""

import fcntl
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import tarfile
import time

import pytest

import sconce


class Volumes:
    """The command, with its tags in a place of its own."""

    def __init__(self, path):
        self.path = path
        self.key = path / "key"
        self.vol = path / "vol"
        self.env = dict(os.environ, XDG_DATA_HOME=str(path / "state"))

    def run(self, command, *args, key=True, status=0, **more):
        options = ["--key-file", str(self.key)] if key else []
        done = subprocess.run(
            [sconce.SCONCE, "volume", command, *options, *map(str, args)],
            capture_output=True, timeout=120, env=self.env, **more)
        assert done.returncode == status, (done.returncode, done.stderr[-2000:])
        return done

    def create(self, *args):
        self.run("create", "--new-key", self.key, *args, self.vol, key=False)
        return self

    def text(self, *args, **more):
        return self.run(*args, **more).stdout.decode()

    def error(self, *args, status=125, **more):
        done = self.run(*args, status=status, **more)
        text = done.stderr.decode()
        assert text.startswith("sconce: ") and text.count("\n") == 1, text
        return text


@pytest.fixture
def volumes(tmp_path):
    return Volumes(tmp_path)


@pytest.fixture
def vol(volumes):
    return volumes.create()


def tree(path):
    """What a directory has: names, kinds, modes, times, contents."""
    found = {}
    for top, dirs, files in os.walk(path):
        for name in dirs + files:
            full = os.path.join(top, name)
            st = os.lstat(full)
            entry = [stat.S_IFMT(st.st_mode), stat.S_IMODE(st.st_mode)]
            if stat.S_ISLNK(st.st_mode):
                entry = [os.readlink(full)]
            elif stat.S_ISREG(st.st_mode):
                entry += [st.st_mtime_ns, open(full, "rb").read()]
            found[os.path.relpath(full, path)] = entry
    return found


def make_tree(path):
    path.mkdir()
    (path / "a").write_bytes(b"first\n")
    (path / "empty").write_bytes(b"")
    (path / "sub").mkdir(mode=0o711)
    (path / "sub/large").write_bytes(os.urandom(3_000_001))
    os.utime(path / "sub/large", ns=(5, 1234567890123456789))
    (path / "sub/deep").mkdir()
    (path / "sub/deep" / ("n" * 255)).write_bytes(b"name")
    (path / "link").symlink_to("sub/large")
    (path / "long").symlink_to("x" * 1000)
    with open(path / "sparse", "wb") as f:
        f.truncate(1 << 32)
        f.seek(1 << 31)
        f.write(b"middle")
    os.chmod(path / "a", 0o640)
    return path


def test_a_new_volume(vol):
    assert stat.S_IMODE(os.stat(vol.key).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(vol.vol).st_mode) == 0o700
    for name in os.listdir(vol.vol):
        assert stat.S_IMODE(os.stat(vol.vol / name).st_mode) == 0o600
    assert vol.text("ls", vol.vol) == ""
    tag = vol.text("tag", vol.vol)
    assert len(tag) == 65 and vol.text("tag", vol.vol) == tag
    assert tag.strip() in vol.text("stat", vol.vol)
    assert "already" in vol.error("create", vol.vol)


def test_put_ls_cat_get_rm(vol, tmp_path):
    source = make_tree(tmp_path / "source")
    vol.run("put", "-r", vol.vol, source, "/")
    assert vol.text("ls", vol.vol).split() == ["source"]
    names = vol.text("ls", vol.vol, "source").split()
    assert names == sorted(os.listdir(source))
    assert vol.text("cat", vol.vol, "/source/a") == "first\n"
    assert vol.run("cat", vol.vol, "source/link").stdout == \
        (source / "sub/large").read_bytes()
    vol.run("get", "-r", vol.vol, "source", tmp_path / "copy")
    want, got = tree(source), tree(tmp_path / "copy")
    sparse = want.pop("sparse"), got.pop("sparse")
    assert got == want
    assert sparse[0] == sparse[1]
    assert os.stat(tmp_path / "copy/sparse").st_blocks < 100
    assert "directory" in vol.error("rm", vol.vol, "source")
    vol.run("rm", vol.vol, "source/a", "source/link")
    assert "No such file" in vol.error("cat", vol.vol, "source/a")
    vol.run("rm", "-r", vol.vol, "source")
    assert vol.text("ls", vol.vol) == ""


def test_put_replaces(vol, tmp_path):
    one = tmp_path / "one"
    for text in "a much longer text", "short":
        one.write_text(text)
        vol.run("put", vol.vol, one, "/name")
        assert vol.text("cat", vol.vol, "name") == text


def test_json_and_long(vol, tmp_path):
    source = make_tree(tmp_path / "source")
    vol.run("put", "-r", vol.vol, source, "/")
    rows = json.loads(vol.text("ls", "-r", "--json", vol.vol))
    paths = {r["path"].lstrip("/"): r for r in rows}
    assert paths["source/sub/large"]["size"] == 3_000_001
    assert paths["source/long"]["target"] == "x" * 1000
    assert paths["source/sub"]["mode"] == "0711"
    assert paths["source/sparse"]["allocated"] < 100_000
    one = json.loads(vol.text("stat", "--json", vol.vol, "source/a"))
    assert one["type"] == "file" and one["mode"] == "0640"
    usage = json.loads(vol.text("stat", "--json", vol.vol))
    assert usage["blocks"] > usage["free"] and len(usage["tag"]) == 64
    assert "-rw-r-----" in vol.text("ls", "-l", vol.vol, "source")


def test_tar_round_trip(vol, tmp_path):
    source = make_tree(tmp_path / "source")
    os.remove(source / "sparse")
    os.link(source / "a", source / "hard")
    os.mkfifo(source / "fifo")
    archive = tmp_path / "in.tar"
    # Python's own loses the nanoseconds.
    source.rename(tmp_path / "top")
    source = tmp_path / "top"
    subprocess.run(["tar", "--format=posix", "-C", tmp_path, "-cf", archive,
                    "top"], check=True)
    with open(archive, "rb") as f:
        vol.run("import", vol.vol, stdin=f)
    out = vol.run("export", vol.vol, "/top").stdout
    with tarfile.open(fileobj=io.BytesIO(out)) as tar:
        members = {m.name.rstrip("/"): m for m in tar.getmembers()}
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-C", tmp_path / "out", "-x"], input=out,
                   check=True)
    assert members["top/hard"].islnk() or members["top/a"].islnk()
    assert members["top/fifo"].isfifo()
    assert members["top/sub"].mode == 0o711
    fifo = source / "fifo", tmp_path / "out/top/fifo"
    for path in fifo:
        os.remove(path)
    assert tree(tmp_path / "out/top") == tree(source)


def test_tar_holes(vol, tmp_path):
    path = tmp_path / "sparse"
    with open(path, "wb") as f:
        f.truncate(50 << 20)
        f.seek(20 << 20)
        f.write(b"data")
    vol.run("put", vol.vol, path, "/")
    out = vol.run("export", vol.vol).stdout
    assert len(out) < 1 << 20
    with tarfile.open(fileobj=io.BytesIO(out)) as tar:
        data = tar.extractfile(
            [m for m in tar.getmembers() if m.name == "sparse"][0]).read()
    assert data == path.read_bytes()


def test_tar_does_not_leave_the_volume(vol, tmp_path):
    for name, how in ("../out", {}), ("link/in", {"link": "/etc"}):
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            if how:
                link = tarfile.TarInfo("link")
                link.type, link.linkname = tarfile.SYMTYPE, how["link"]
                tar.addfile(link)
            info = tarfile.TarInfo(name)
            info.size = 1
            tar.addfile(info, io.BytesIO(b"x"))
        vol.error("import", vol.vol, input=archive.getvalue())


def test_nothing_is_visible(vol, tmp_path):
    marker = b"A-MARKER-THAT-NOBODY-MAY-SEE"
    path = tmp_path / marker.decode()
    path.write_bytes(marker * 1000)
    vol.run("put", vol.vol, path, "/")
    for name in os.listdir(vol.vol):
        assert marker not in (vol.vol / name).read_bytes()


def test_wrong_key_and_no_key(vol, tmp_path):
    other = tmp_path / "other"
    other.write_text("00" * 31 + "01\n")
    vol.error("ls", "--key-file", other, vol.vol, key=False)
    text = vol.error("ls", "--no-rollback-protection", "--key-file", other,
                     vol.vol, key=False)
    assert "key" in text
    assert "--key-file" in vol.error("ls", vol.vol, key=False)
    other.write_text("not a key")
    assert "64" in vol.error("ls", "--key-file", other, vol.vol, key=False)


def test_rollback_is_refused(vol, tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    vol.run("put", vol.vol, path, "/")
    shutil.copytree(vol.vol, tmp_path / "backup")
    path.write_text("new")
    vol.run("put", vol.vol, path, "/")
    shutil.rmtree(vol.vol)
    shutil.copytree(tmp_path / "backup", vol.vol)
    for command in ["ls"], ["tag"], ["put", path, "/"]:
        vol.error(command[0], vol.vol, *command[1:])
    assert vol.text("cat", "--no-rollback-protection", vol.vol, "file") == "old"
    vol.error("ls", vol.vol)
    vol.run("tag", "--trust", vol.vol)
    assert vol.text("cat", vol.vol, "file") == "old"


def test_a_volume_from_elsewhere(vol, tmp_path):
    vol.env["XDG_DATA_HOME"] = str(tmp_path / "elsewhere")
    assert "--trust" in vol.error("ls", vol.vol)
    vol.run("tag", "--trust", vol.vol)
    vol.run("ls", vol.vol)


def test_two_at_once(vol, tmp_path):
    with open(vol.vol / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in ["ls"], ["rm", "x"]:
            text = vol.error(command[0], vol.vol, *command[1:])
            assert "in use by process %d" % os.getpid() in text
        fcntl.flock(lock, fcntl.LOCK_UN)
        fcntl.flock(lock, fcntl.LOCK_SH)
        vol.run("ls", vol.vol)
        assert "in use" in vol.error("rm", vol.vol, "x")


def test_killed_in_the_midst(vol, tmp_path):
    """What was there before stays; the volume opens, whatever was cut off."""
    (tmp_path / "before").write_text("before")
    vol.run("put", vol.vol, tmp_path / "before", "/")
    (tmp_path / "many").mkdir()
    for i in range(300):
        (tmp_path / "many" / str(i)).write_bytes(os.urandom(20000))
    for attempt in range(8):
        put = subprocess.Popen(
            [sconce.SCONCE, "volume", "put", "--key-file", vol.key, "-r",
             vol.vol, tmp_path / "many", "/%d" % attempt], env=vol.env)
        time.sleep(0.005 * attempt)
        put.send_signal(signal.SIGKILL)
        put.wait(30)
        assert vol.text("cat", vol.vol, "before") == "before"
        vol.run("verify", vol.vol)


def test_rekey(vol, tmp_path):
    (tmp_path / "file").write_text("text")
    vol.run("put", vol.vol, tmp_path / "file", "/")
    new = tmp_path / "new"
    vol.run("rekey", "--new-key", new, vol.vol)
    assert stat.S_IMODE(os.stat(new).st_mode) == 0o600
    vol.error("ls", vol.vol)
    vol.key = new
    assert vol.text("cat", vol.vol, "file") == "text"
    vol.run("verify", vol.vol)


def test_compact(vol, tmp_path):
    big = tmp_path / "big"
    big.write_bytes(os.urandom(300 << 20))
    vol.run("put", vol.vol, big, "/")
    def segments():
        return sum(f.stat().st_size for f in vol.vol.glob("segment.*"))
    full = segments()
    assert full >= 300 << 20
    vol.run("rm", vol.vol, "big")
    vol.run("compact", vol.vol)
    assert segments() <= full // 2
    vol.run("verify", vol.vol)


def damage(path, where):
    """Turns bits of each used page from @where on."""
    size = os.path.getsize(path)
    with open(path, "r+b") as f:
        for at in range(where, size, 4096):
            f.seek(at)
            page = f.read(4096)
            if page.strip(b"\0"):
                f.seek(at + 100)
                f.write(bytes(b ^ 0xff for b in page[100:110]))


def test_damage_and_rescue(vol, tmp_path):
    (tmp_path / "small").write_text("small")
    (tmp_path / "big").write_bytes(os.urandom(4 << 20))
    vol.run("put", vol.vol, tmp_path / "small", "/")
    used = max(json.loads(vol.text("stat", "--json", vol.vol))["blocks"], 8)
    vol.run("put", vol.vol, tmp_path / "big", "/")
    tag = json.loads(vol.text("tag", "--json", vol.vol))["tag"]
    assert tag == vol.text("tag", vol.vol).strip() and len(tag) == 64
    clean = vol.text("verify", vol.vol)
    assert clean.strip().endswith(" 0 damaged")
    # Some block in the midst of the large file.
    segment = vol.vol / "segment.0"
    with open(segment, "r+b") as f:
        data = f.read()
        pages = [i for i in range(0, len(data), 4096)
                 if data[i:i + 4096].strip(b"\0")]
        at = pages[len(pages) // 2]
        f.seek(at + 7)
        f.write(bytes([data[at + 7] ^ 1]))
    found = vol.run("verify", vol.vol, status=1).stdout.decode()
    assert "big" in found and "small" not in found
    told = json.loads(vol.run("verify", "--json", vol.vol, status=1).stdout)
    assert told["damaged"] == len(told["damages"]) == 1
    assert "big" in told["damages"][0]["path"] and told["damages"][0]["what"]
    assert vol.text("cat", vol.vol, "small") == "small"
    vol.run("cat", vol.vol, "big", status=125)
    vol.run("get", "--rescue", vol.vol, "big", tmp_path / "rescued", status=1)
    want = (tmp_path / "big").read_bytes()
    got = (tmp_path / "rescued").read_bytes()
    assert len(got) == len(want)
    bad = [i for i in range(0, len(want), 4096)
           if got[i:i + 4096] != want[i:i + 4096]]
    assert len(bad) == 1 and not got[bad[0]:bad[0] + 4096].strip(b"\0")
    assert used > 0


def test_public_volume(volumes, tmp_path):
    (tmp_path / "file").write_text("for everybody to read")
    volumes.run("create", "--public", volumes.vol, key=False)
    volumes.run("put", "--public", volumes.vol, tmp_path / "file", "/",
                key=False)
    got = volumes.run("cat", "--public", volumes.vol, "file", key=False)
    assert got.stdout == b"for everybody to read"


def test_help_and_mistakes(volumes):
    text = volumes.text("help", key=False)
    for name in ("create ls cat put get rm stat tag verify rekey compact "
                 "export import").split():
        assert "\n  %-9s " % name in text
        one = volumes.text(name, "--help", key=False)
        assert one.startswith("usage: sconce volume %s " % name)
    assert "volume" in subprocess.run(
        [sconce.SCONCE, "help"], capture_output=True, text=True).stdout
    assert "not a command" in volumes.error("nonsense", key=False)
    assert "usage" in volumes.error("ls", key=False)
    assert "not known" in volumes.error("ls", "--nonsense", "x", key=False)
    assert "wanted one of" in volumes.error("create", volumes.vol, key=False)
    volumes.key.write_bytes(bytes(32))
    assert "No such file" in volumes.error("ls", volumes.path / "none")
    os.mkdir(volumes.path / "none")
    assert "not a volume" in volumes.error("ls", volumes.path / "none")
