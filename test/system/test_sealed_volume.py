# SPDX-License-Identifier: Apache-2.0
"""Volumes whose key only the enclave has: `key: sealed` of the manifest."""

import os
import shutil
import subprocess

import pytest

import sconce

MANIFEST = """\
version: 1
program: /usr/bin/python3
args: {host: append, list: [%s]}
env: {set: {PATH: /usr/bin}}
mounts:
  - {type: host, source: /, target: /, ro: true}
volumes:
  - {name: data, path: /mnt, key: sealed, tag_policy: %s%s}
"""
PUT = "import sys; open('/mnt/x', 'w').write(sys.argv[1])"
GET = "print(open('/mnt/x').read())"
SECRET = "marker-of-the-secret"


class Sealed:
    """One machine (its keys), and the directory of a volume on it."""

    def __init__(self, path):
        self.path, self.dir = path, path / "vol"
        self.dir.mkdir()
        self.machine = path / "machine"

    def run(self, code, *args, first="-S", policy="no_rollback_protection",
            more="", machine=None):
        manifest = self.path / "manifest.yaml"
        manifest.write_text(MANIFEST % (first, policy, more))
        done = subprocess.run(
            [sconce.SCONCE, "run", "-q", "--manifest", manifest,
             "--volume-dir", "data=%s" % self.dir, "--", "/usr/bin/python3", "-c",
             code, *args],
            capture_output=True, text=True, stdin=subprocess.DEVNULL,
            timeout=60, env={**os.environ, "XDG_DATA_HOME":
                             str(machine or self.machine)})
        return sconce.Result(done.returncode, done.stdout, done.stderr)

    def refused(self, *wanted, **how):
        done = self.run(GET, **how).check(125)
        assert done.out == "" and "volume data: " in done.err
        for text in wanted:
            assert text in done.err, done.err

    def sealed(self):
        return self.dir / "key.sealed"


@pytest.fixture
def volume(tmp_path):
    return Sealed(tmp_path)


def test_made_once_and_kept(volume):
    volume.run(PUT, SECRET).check()
    blob = volume.sealed().read_bytes()
    assert oct(volume.sealed().stat().st_mode & 0o777) == "0o600"
    for _ in range(2):
        assert volume.run(GET).check().out == SECRET + "\n"
    assert volume.sealed().read_bytes() == blob
    for file in volume.dir.rglob("*"):
        assert SECRET.encode() not in file.read_bytes()
    # Another volume has another key.
    shutil.rmtree(volume.dir)
    volume.dir.mkdir()
    volume.run(PUT, SECRET).check()
    assert volume.sealed().read_bytes() != blob


def test_another_manifest_does_not_open_it(volume):
    volume.run(PUT, SECRET).check()
    volume.refused("key.sealed: ", "another", first="-B")
    assert volume.run(GET).check().out == SECRET + "\n"


def test_another_machine_does_not_open_it(volume, tmp_path):
    volume.run(PUT, SECRET).check()
    volume.refused("key.sealed: ", "machine", machine=tmp_path / "other")


def test_damaged_key(volume):
    volume.run(PUT, SECRET).check()
    good = volume.sealed().read_bytes()
    for at in range(0, len(good), 7):
        bad = bytearray(good)
        bad[at] ^= 1
        volume.sealed().write_bytes(bad)
        volume.refused("key.sealed: ")
    for bad in (good[:-1], good + b"\0", b""):
        volume.sealed().write_bytes(bad)
        volume.refused("key.sealed has another size")
    volume.sealed().unlink()
    volume.refused("there is a volume but no key.sealed")
    volume.sealed().write_bytes(good)
    assert volume.run(GET).check().out == SECRET + "\n"


def test_key_of_another_volume(volume, tmp_path):
    volume.run(PUT, SECRET).check()
    (tmp_path / "b").mkdir()
    other = Sealed(tmp_path / "b")
    other.machine = volume.machine
    other.run(PUT, "x").check()
    shutil.copy(other.sealed(), volume.sealed())
    volume.refused()


def test_a_start_that_was_interrupted(volume):
    """The key was written, the volume was not."""
    volume.run(PUT, SECRET).check()
    for file in volume.dir.iterdir():
        if file.name != "key.sealed":
            file.unlink()
    volume.run(PUT, "anew").check()
    assert volume.run(GET).check().out == "anew\n"


def test_read_only(volume):
    volume.refused("read-only", more=", ro: true")
    assert not volume.sealed().exists()


def test_what_a_sealed_key_cannot_promise(volume):
    done = volume.run(GET, policy="rollback_protected").check(125)
    assert "tag_policy no_rollback_protection" in done.err


def test_key_from_cas_without_a_cas(volume):
    manifest = volume.path / "cas.yaml"
    manifest.write_text((MANIFEST % ("-S", "rollback_protected", "")).replace(
        "sealed", "cas"))
    done = subprocess.run(
        [sconce.SCONCE, "run", "-q", "--manifest", manifest, "--volume-dir",
         "data=%s" % volume.dir, "--", "/usr/bin/python3"], capture_output=True,
        text=True, timeout=60)
    assert done.returncode == 125
    assert "volume data: its key comes from CAS" in done.stderr
