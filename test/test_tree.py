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


def test_lvi_check_finds():
    """A kernel without -Dlvi=true is not one with it (`make lvi`)."""
    kernel = BUILD / "bin/sconce-kernel"
    if not kernel.exists():
        pytest.skip("this build has no kernel")
    done = run(TOOLS / "check-kernel-binary", "--lvi", kernel)
    assert done.returncode == 1
    assert "no fence before ret" in done.stderr
    assert "no fence behind" in done.stderr


def rest(first="nop", tail="nop", fences=2):
    """What every kernel has: an entry, and fences (S-18, S-24)."""
    first, tail = ("" if t == "nop" else t for t in (first, tail))
    return """
.globl enclave_entry, xstate_load, hostcall_run, hostcall_ring_call
.globl hostready_fetch, shared_init
.type enclave_entry, @function
enclave_entry: cld
%s
cmp $1, %%eax
je 1f
mov %%gs:0x40, %%rsp
call xstate_load
jmp *%%gs:0x30
1: rdgsbase %%rdx
mov %%rdx, %%rsp
%s
xstate_load: ret
hostcall_run: %s; ret
hostcall_ring_call: lfence; ret
hostready_fetch: lfence; ret
shared_init: lfence; ret
""" % (first, tail, "; ".join(["lfence"] * fences))


REST = rest()
# A kernel of one function, and what the check must say of it.
KERNELS = {
    "good": (GOOD, [], None),
    "entry by register": (GOOD + rest(tail="jmp *%rcx"), [],
                          "indirect jmp *%rcx in the entry"),
    "entry by a table": (GOOD + rest(tail="call *x(,%rax,8)"), [],
                         "indirect call"),
    "entry of another jump": (GOOD + rest(tail="jmp *%gs:0x38"), [],
                              "indirect jmp"),
    "entry and the host's memory": (GOOD + rest("mov 8(%rsi), %rdi"), [],
                                    "before the stack is the kernel's"),
    "entry and the host's stack": (GOOD + rest("push %rax"), [],
                                   "push %rax before the stack"),
    "entry and the host's base": (GOOD + rest("mov %gs:(%rdi), %rax"), [],
                                  "before the stack is the kernel's"),
    "entry by another way": (
        GOOD + rest("je 7f", tail="7: movq $1, x(%rip)"), [],
        "before the stack is the kernel's"),
    "entry with the host's RSP": (GOOD + rest("mov %rdi, %rsp"), [],
                                  "not the kernel's stack"),
    "entry with the host's RDX": (GOOD + rest("mov %rdx, %rsp"), [],
                                  "not the kernel's stack"),
    "no fence for a result": (GOOD + rest(fences=1), [],
                              "1 of 2 fences in"),
    "no fence for an event": (
        GOOD + rest().replace("hostready_fetch: lfence", "hostready_fetch:"),
        [], "0 of 1 fences in hostready"),
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
                      "%s.data\nx: .quad 1\n"
                      '.section .note.GNU-stack,"",@progbits\n' %
                      (code, "" if "enclave_entry" in code else REST))
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
