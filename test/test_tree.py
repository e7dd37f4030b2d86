# SPDX-License-Identifier: Apache-2.0
"""The rules that are scripts: over the source tree and the linked kernel."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / os.environ.get("SCONCE_BUILD", "build")
TOOLS = ROOT / "tools"
CHECKS = ["check-format", "check-includes"]


def run(*args):
    return subprocess.run(args, cwd=ROOT, capture_output=True, text=True,
                          timeout=120)


@pytest.mark.parametrize("check", CHECKS)
def test_tree(check):
    done = run(TOOLS / check)
    assert done.returncode == 0, done.stdout + done.stderr


def test_dependencies_are_installed():
    done = run(TOOLS / "install-deps", "--check")
    assert done.returncode == 0, done.stderr


def test_trusted_code_is_small():
    done = run(TOOLS / "loc")
    assert done.returncode == 0, done.stdout


def test_kernel_binary():
    kernel = BUILD / "bin/sconce-kernel"
    if not kernel.exists():
        pytest.skip("this build has no kernel")
    done = run(TOOLS / "check-kernel-binary", kernel)
    assert done.returncode == 0, done.stderr


GOOD = ".byte 0x0f, 0x01, 0xd7, 0x66, 0x90\nret"
# A kernel of one function, and what the check must say of it.
KERNELS = {
    "good": (GOOD, [], None),
    "syscall": (GOOD + "\nsyscall", [], "syscall: forbidden"),
    "int80": (GOOD + "\nint $0x80", [], "int    $0x80: forbidden"),
    "cpuid": (GOOD + "\ncpuid", [], "cpuid: forbidden"),
    "rdtsc": (GOOD + "\nrdtsc", [], "rdtsc: not in this function"),
    "vector": (GOOD + "\nmovdqa %xmm0, %xmm1", [], "vector registers"),
    "rep": (GOOD + "\nrep outsb", [], "forbidden instruction"),
    "xsave": (GOOD + "\nxsave (%rax)", [], "state of the application"),
    "enclu elsewhere": (GOOD + "\nother: " + GOOD, [],
                        "<other>: enclu: not in this function"),
    "static": ('%s\n.file "time.c"\nread_host: rdtsc' % GOOD, [], None),
    "static of another file": (
        '%s\n.file "x.c"\nread_host: rdtsc' % GOOD, [],
        "<read_host>: rdtsc: not in this function"),
    "plain enclu": (".byte 0x0f, 0x01, 0xd7\nret", [], "two-byte nop"),
    "no enclu": ("ret", [], "no ENCLU at all"),
    "relocations": (GOOD, ["-Wl,--emit-relocs"],
                    "has relocations"),
    "pie": (GOOD, ["-static-pie"], "ET_EXEC"),
    "wx": (GOOD, ["-Wl,-N"], "writable and executable"),
    "stack": (GOOD, ["-Wl,-z,execstack"], "the stack is executable"),
}


@pytest.mark.parametrize("name", KERNELS)
def test_kernel_check_finds(tmp_path, name):
    code, options, wanted = KERNELS[name]
    source = tmp_path / "k.S"
    source.write_text(".globl enclave_exit\nenclave_exit:\n%s\nlea x(%%rip), %%rax\n"
                      ".data\nx: .quad 1\n"
                      '.section .note.GNU-stack,"",@progbits\n' % code)
    kernel = tmp_path / "kernel"
    static = [] if "-static-pie" in options else ["-static"]
    done = run("gcc", "-nostdlib", *static, "-Wl,--build-id=none", *options,
               "-Wl,-e,enclave_exit", source, "-o", kernel)
    assert done.returncode == 0, done.stderr
    done = run(TOOLS / "check-kernel-binary", kernel)
    if wanted is None:
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 1 and wanted in done.stderr, done.stderr
