# SPDX-License-Identifier: Apache-2.0
"""What `sconce run` refuses before it makes an enclave: one line, a status."""

import os
import struct
import subprocess

import pytest

import sconce


def refused(*args, status, text, **more):
    done = subprocess.run([sconce.SCONCE, "run", *map(str, args)],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=30, **more)
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("sconce: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert text in done.stderr


@pytest.mark.parametrize("args, text", [
    ([], "no program; usage:"),
    (["--"], "no program; usage:"),
    (["--bogus", "/bin/true"], "unknown option --bogus"),
    (["-z", "/bin/true"], "unknown option -z"),
    (["--memory"], "--memory needs a value: SIZE"),
    (["--memory", "12x", "/bin/true"], "'12x'; wanted 1m to 62g"),
    (["--memory=0", "/bin/true"], "'0'; wanted 1m to 62g"),
    (["--memory", "99999999999999999999", "/bin/true"], "wanted 1m to 62g"),
    (["--memory", "63g", "/bin/true"], "wanted 1m to 62g"),
    (["--cpus", "0", "/bin/true"], "--cpus: '0'; wanted 1 to 64"),
    (["--cpus=-1", "/bin/true"], "--cpus: '-1'; wanted 1 to 64"),
    (["--mode", "fast", "/bin/true"], "wanted auto, hardware or emulated"),
    (["--env", "=x", "/bin/true"], "wanted NAME=VALUE"),
    (["--tmpfs", "tmp", "/bin/true"], "wanted an absolute path"),
    (["--tmpfs", "/tmp:size=x", "/bin/true"], "wanted an absolute path"),
    (["--volume", "/tmp", "/bin/true"], "wanted HOSTPATH:TARGET"),
    (["-v", "/tmp:/x:rx", "/bin/true"], "wanted HOSTPATH:TARGET"),
    (["-v", "/nonexistent:/x", "/bin/true"], "No such file"),
    (["--quiet=yes", "/bin/true"], "--quiet takes no value"),
    (["--hostname", "x" * 65, "/bin/true"], "wanted 1 to 64 bytes"),
    (["--workdir", "/nonexistent", "/bin/true"], "No such file"),
    (["--workdir", "/etc/passwd", "/bin/true"], "not a directory"),
])
def test_bad_options(args, text):
    refused(*args, status=125, text=text)


@pytest.mark.skipif(os.path.exists("/dev/sgx_enclave"), reason="has SGX")
def test_hardware_mode_without_hardware():
    refused("--mode", "hardware", "--", "/bin/true", status=125,
            text="hardware mode needs ")


def test_program_not_found(tmp_path):
    refused("--", "nosuchprogram", status=127, text="not found along PATH")
    refused("--", tmp_path / "x", status=127, text="no such file")
    refused("--", "", status=127, text="not found")
    refused("--", "/etc/passwd/x", status=127, text="no such file")


def test_program_not_executable(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("x")
    refused("--", plain, status=126, text="not executable (mode ")
    refused("--", tmp_path, status=126, text="is a directory")
    plain.chmod(0o755)
    refused("--", plain, status=126, text="neither ELF nor script")
    plain.write_text("")
    refused("--", plain, status=126, text="is empty")
    # Along PATH the shell goes on, and says 126 if nothing better comes.
    plain.chmod(0o644)
    refused("--env", "PATH=%s" % tmp_path, "--", "plain", status=126,
            text="not executable")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    fifo.chmod(0o755)
    refused("--", fifo, status=126, text="not a regular file")


def elf(ident=b"\x7fELF\2\1\1" + bytes(9), kind=2, machine=62, phoff=64,
        phentsize=56, phnum=1, phdr=(1, 5, 0, 0x400000, 0, 120, 120, 4096)):
    head = ident + struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, 0x400078,
                               phoff, 0, 0, 64, phentsize, phnum, 64, 0, 0)
    return head + struct.pack("<IIQQQQQQ", *phdr)


BAD_ELF = {
    "magic only": (b"\x7fELF", "cut off"),
    "32 bit": (elf(b"\x7fELF\1\1\1" + bytes(9)), "not a 64-bit"),
    "big endian": (elf(b"\x7fELF\2\2\1" + bytes(9)), "built for machine"),
    "aarch64": (elf(machine=183), "machine 183; wanted 62 (x86-64)"),
    "relocatable": (elf(kind=1), "ELF type 1; wanted an executable"),
    "core": (elf(kind=4), "ELF type 4"),
    "phoff": (elf(phoff=1 << 63), "headers lie outside the file"),
    "phoff wraps": (elf(phoff=2**64 - 8), "headers lie outside the file"),
    "phentsize": (elf(phentsize=32), "no sensible program headers"),
    "phnum 0": (elf(phnum=0), "no sensible program headers"),
    "phnum many": (elf(phnum=65535), "no sensible program headers"),
    "phnum": (elf(phnum=2), "headers lie outside the file"),
    "outside": (elf(phdr=(1, 5, 0, 0x400000, 0, 4096, 4096, 4096)),
                "outside the file"),
    "absurd": (elf(phdr=(1, 5, 0, 0x400000, 0, 120, 2**63, 4096)),
               "beyond the address space"),
    "wraps": (elf(phdr=(1, 5, 0, 2**64 - 4096, 0, 120, 8192, 4096)),
              "beyond the address space"),
    "filesz": (elf(phdr=(1, 5, 0, 0x400000, 0, 120, 20, 4096)),
               "larger in the file"),
    "unaligned": (elf(phdr=(1, 5, 0, 0x400010, 0, 120, 120, 4096)),
                  "not page aligned"),
    "nothing": (elf(phdr=(4, 5, 0, 0x400000, 0, 120, 120, 4096)),
                "nothing to load"),
    "interpreter": (elf(phdr=(3, 4, 0, 0, 0, 2**40, 0, 1)),
                    "no sensible interpreter"),
    "overlap": (elf(phnum=2) + struct.pack(
        "<IIQQQQQQ", 1, 5, 0, 0x400000, 0, 120, 120, 4096),
        "segments overlap"),
}


@pytest.mark.parametrize("name", BAD_ELF)
def test_bad_elf(tmp_path, name):
    data, text = BAD_ELF[name]
    program = tmp_path / "program"
    program.write_bytes(data)
    program.chmod(0o755)
    refused("--", program, status=126, text=text)


def test_elf_cut_at_every_header(tmp_path):
    """A real program, cut within each of its headers."""
    whole = open("/bin/true", "rb").read()
    phoff, = struct.unpack_from("<Q", whole, 32)
    phnum, = struct.unpack_from("<H", whole, 56)
    program = tmp_path / "program"
    for size in [5, 16, 40, 63, *(phoff + 56 * i for i in range(phnum)),
                 phoff + 56 * phnum - 1]:
        program.write_bytes(whole[:size])
        program.chmod(0o755)
        refused("--", program, status=126, text="damaged ELF file")


def test_manifest_errors(tmp_path):
    refused("--manifest", tmp_path / "no", status=125, text="cannot be read")
    refused("--manifest", tmp_path, status=125, text="cannot be read")
    manifest = tmp_path / "m.yaml"
    manifest.write_text("version: 1\nprogram: /bin/true\nprogam: x\n")
    refused("--manifest", manifest, status=125,
            text="m.yaml:3:1: unknown key 'progam' in manifest; wanted one of")
    manifest.write_text("x" * (300 * 1024))
    refused("--manifest", manifest, status=125, text="larger than")
    manifest.write_text("a: &a [x]\nb: [*a,*a,*a]\n")
    refused("--manifest", manifest, status=125, text="unknown key 'a'")
    manifest.write_text("version: 1\nprogram: &p /bin/true\n")
    refused("--manifest", manifest, status=125, text=":2:10: anchors")


MANIFEST = """\
version: 1
program: /usr/bin/env
limits: {memory: 128m, cpus: 1}
mounts: [{type: host, source: /, target: /}]
"""


def test_manifest_and_options(tmp_path):
    manifest = tmp_path / "m.yaml"
    manifest.write_text(MANIFEST)
    refused("--manifest", manifest, "--", "/bin/true", status=125,
            text="program /bin/true; wanted by the manifest: /usr/bin/env")
    refused("--manifest", manifest, "--memory", "1g", status=125,
            text="the manifest admits 134217728")
    refused("--manifest", manifest, "--cpus", "2", status=125,
            text="--cpus: 2; the manifest admits 1")
    refused("--manifest", manifest, "--tmpfs", "/tmp", status=125,
            text="are the manifest's to say")
