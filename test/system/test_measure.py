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


# abi/layout.h: where the slots of enclave threads begin, and what is in one.
TCS_BASE = 0xf80000000 + 0x2000000
TCS_PARTS = ((0x1000, 0x4000), (0x5000, 0x7000), (0x8000, 0xc000))


def runs_of(kernel):
    """The runs of pages that a kernel file stands for, by this second reading
    of it: (address, content, SECINFO flags), in the order of EADD."""
    data = kernel.read_bytes()
    entry, phoff = struct.unpack_from("<QQ", data, 24)
    phnum, = struct.unpack_from("<H", data, 56)
    runs = []
    for i in range(phnum):
        kind, flags, offset, vaddr, _, filesz, memsz, _ = struct.unpack_from(
            "<IIQQQQQQ", data, phoff + 56 * i)
        if kind == 1 and memsz:
            content = data[offset:offset + filesz].ljust(
                (memsz + 4095) & ~4095, b"\0")
            # ELF has X 1, W 2, R 4; SECINFO R 1, W 2, X 4.
            runs.append((vaddr, content, 0x200 | flags >> 2 & 1 | flags & 2 |
                         (flags & 1) << 2))
    cpu = TCS_BASE + 0x3000
    tcs = struct.pack("<QQQIIQQQQII", 0, 0, TCS_BASE + 0x1000, 0, 2, entry, 0,
                      cpu, cpu, 0xfff, 0xfff).ljust(4096, b"\0")
    runs.append((TCS_BASE, tcs, 0x100))
    runs += [(TCS_BASE + start, bytes(end - start), 0x203)
             for start, end in TCS_PARTS]
    return runs


def recompute(kernel):
    """MRENCLAVE by the SDM's rules."""
    digest = hashlib.sha256()
    digest.update(b"ECREATE\0" + struct.pack("<IQ", 1, 64 << 30) + bytes(44))
    for start, content, flags in runs_of(kernel):
        for at in range(0, len(content), 4096):
            digest.update(b"EADD\0\0\0\0" + struct.pack("<QQ", start + at,
                                                        flags) + bytes(40))
            for chunk in range(at, at + 4096, 256):
                digest.update(b"EEXTEND\0" + struct.pack("<Q", start + chunk)
                              + bytes(48))
                digest.update(content[chunk:chunk + 256])
    return digest.hexdigest()


def permissions(flags):
    if flags == 0x100:
        return "tcs"
    return "".join(letter if flags & bit else "-"
                   for letter, bit in (("r", 1), ("w", 2), ("x", 4)))


def test_value_follows_the_manual():
    report = measure_json()
    kernel = sconce.BUILD / "bin/sconce-kernel"
    assert report["mrenclave"] == recompute(kernel)
    assert report["pages"] == [
        {"address": hex(start), "size": len(content),
         "permissions": permissions(flags),
         "sha256": hashlib.sha256(content).hexdigest()}
        for start, content, flags in runs_of(kernel)]
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
