# SPDX-License-Identifier: Apache-2.0
"""`sconce measure`: the value, its inputs, and what changes it."""

import hashlib
import json
import os
import shutil
import struct
import subprocess

import pytest

import sconce


def measure(*args, program=sconce.SCONCE):
    return subprocess.run([program, "measure", *args], capture_output=True,
                          text=True, timeout=30)


def measure_json(*args, **more):
    done = measure("--json", *args, **more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def copy_of_build(tmp_path):
    for name in ("sconce", "sconce-kernel", "sconce-kernel.sig",
                 "sconce-init"):
        shutil.copy2(sconce.BUILD / "bin" / name, tmp_path / name)
    return tmp_path / "sconce"


def recompute(kernel, report):
    """MRENCLAVE by the SDM's rules, with the page list as reported."""
    data = kernel.read_bytes()
    phoff, = struct.unpack_from("<Q", data, 32)
    phnum, = struct.unpack_from("<H", data, 56)
    contents = {}
    for i in range(phnum):
        kind, _, offset, vaddr, _, filesz, memsz, _ = struct.unpack_from(
            "<IIQQQQQQ", data, phoff + 56 * i)
        if kind == 1:
            contents[vaddr] = data[offset:offset + filesz].ljust(
                (memsz + 4095) & ~4095, b"\0")
    entry, = struct.unpack_from("<Q", data, 24)
    digest = hashlib.sha256()
    digest.update(b"ECREATE\0" + struct.pack("<IQ", 1, 64 << 30) + bytes(44))
    for run in report["pages"]:
        start, size = int(run["address"], 16), run["size"]
        flags = 0x100
        if run["permissions"] != "tcs":
            flags = 0x200 | sum(bit for letter, bit in
                                (("r", 1), ("w", 2), ("x", 4))
                                if letter in run["permissions"])
        page = contents.get(start, bytes(size))
        if flags == 0x100:
            page = struct.pack("<QQQIIQQQQII", 0, 0, start + 0x1000, 0, 2,
                               entry, 0, start + 0x3000, start + 0x3000,
                               0xfff, 0xfff).ljust(4096, b"\0")
        assert len(page) == size
        assert hashlib.sha256(page).hexdigest() == run["sha256"]
        for at in range(0, size, 4096):
            digest.update(b"EADD\0\0\0\0" + struct.pack("<QQ", start + at,
                                                        flags) + bytes(40))
            for chunk in range(at, at + 4096, 256):
                digest.update(b"EEXTEND\0" + struct.pack("<Q", start + chunk)
                              + bytes(48))
                digest.update(page[chunk:chunk + 256])
    return digest.hexdigest()


def test_value_follows_the_manual():
    report = measure_json()
    kernel = sconce.BUILD / "bin/sconce-kernel"
    assert report["mrenclave"] == recompute(kernel, report)
    assert report["kernel"]["sha256"] == \
        hashlib.sha256(kernel.read_bytes()).hexdigest()
    init = (sconce.BUILD / "bin/sconce-init").read_bytes()
    assert report["init"]["sha256"] == hashlib.sha256(init).hexdigest()
    assert hashlib.sha256(init).digest() in kernel.read_bytes()


def test_text_and_json_agree():
    report = measure_json()
    lines = measure().stdout.splitlines()
    assert lines[0].split() == ["mrenclave", report["mrenclave"]]
    assert lines[1].split() == ["mrsigner", report["mrsigner"]]


def test_no_page_is_writable_and_executable():
    for run in measure_json()["pages"]:
        assert not {"w", "x"} <= set(run["permissions"])


def test_changed_kernel_is_noticed(tmp_path):
    program = copy_of_build(tmp_path)
    assert measure_json(program=program)["mrenclave"] == \
        measure_json()["mrenclave"]
    kernel = tmp_path / "sconce-kernel"
    data = bytearray(kernel.read_bytes())
    offset, = struct.unpack_from("<Q", data, 64 + 8)
    data[offset + 100] ^= 1
    kernel.write_bytes(data)
    done = measure(program=program)
    assert done.returncode == 125
    assert "but its signature is for" in done.stderr


@pytest.mark.parametrize("name, change, text", [
    ("sconce-kernel", None, "sconce-kernel: No such file"),
    ("sconce-kernel.sig", None, "sconce-kernel.sig: No such file"),
    ("sconce-kernel", b"junk", "kernel"),
    ("sconce-kernel.sig", b"junk", "not a valid SIGSTRUCT"),
])
def test_missing_and_damaged_files(tmp_path, name, change, text):
    program = copy_of_build(tmp_path)
    os.unlink(tmp_path / name)
    if change is not None:
        (tmp_path / name).write_bytes(change)
    done = measure(program=program)
    assert done.returncode == 125
    assert text in done.stderr and done.stderr.count("\n") == 1


def test_configid_of_a_manifest(tmp_path):
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text("version: 1\nprogram: /bin/true\n")
    two.write_text("# same\n{program: '/bin/true', version: 1,\n"
                   " workdir: /}\n")
    first = measure_json("--manifest", one)["configid"]
    assert len(first) == 128 and first.endswith("0" * 64)
    assert measure_json("--manifest", two)["configid"] == first
    two.write_text("version: 1\nprogram: /bin/false\n")
    assert measure_json("--manifest", two)["configid"] != first
