# SPDX-License-Identifier: Apache-2.0
"""`sconce doctor` and the other commands that make no enclave."""

import json
import os
import resource
import subprocess

import pytest

import sconce


def sconce_command(*args, **more):
    return subprocess.run([sconce.SCONCE, *args], capture_output=True,
                          text=True, timeout=30, **more)


def doctor(**more):
    done = sconce_command("doctor", "--json", **more)
    report = json.loads(done.stdout)
    return done.returncode, report, {c["name"]: c for c in report["checks"]}


def test_every_check_is_complete():
    status, report, checks = doctor()
    wanted = {"sgx", "flc", "edmm", "kss", "sgx_driver", "sgx_provision",
              "aesm", "syscall_dispatch", "fsgsbase", "mmap_min_addr",
              "io_uring", "seccomp", "memory", "files", "address_limit",
              "overcommit", "max_map_count"}
    assert wanted <= set(checks)
    for check in checks.values():
        assert check["state"] in {"ok", "missing", "unknown"}
        assert check["seen"] and check["effect"] and check["cure"]
    assert report["reason"]
    assert (status == 0) == (report["mode"] != "none")


def test_agrees_with_the_machine():
    _, report, checks = doctor()
    flags = open("/proc/cpuinfo").read().split()
    assert (checks["sgx"]["state"] == "ok") == ("sgx" in flags)
    assert (checks["rdrand"]["state"] == "ok") == ("rdrand" in flags)
    assert (checks["sgx_driver"]["state"] == "ok") == \
        os.access("/dev/sgx_enclave", os.R_OK | os.W_OK)
    assert str(len(os.sched_getaffinity(0))) in checks["cpus"]["seen"]


def test_address_space_limit_is_found():
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    status, report, checks = doctor(preexec_fn=limit)
    assert status == 1 and report["mode"] == "none"
    assert checks["address_limit"]["state"] == "missing"
    assert checks["address_limit"]["seen"] == "8192 MiB"
    done = sconce_command("run", "--", "/bin/true", preexec_fn=limit)
    assert done.returncode == 125
    assert "ulimit -v unlimited" in done.stderr
    assert done.stderr.count("\n") == 1


def test_text_names_the_mode_and_cures():
    done = sconce_command("doctor")
    assert "\nmode: " in done.stdout
    for line in done.stdout.splitlines():
        if line.startswith("missing"):
            assert "cure:" in done.stdout


@pytest.mark.parametrize("args, status, text", [
    (["version"], 0, "sconce 0."),
    (["help"], 0, "usage: sconce COMMAND"),
    (["help", "run"], 0, "--manifest FILE"),
    (["run", "--help"], 0, "--manifest FILE"),
    (["help", "nosuch"], 125, "'nosuch' is not a command"),
    (["nosuch"], 125, "'nosuch' is not a command"),
    (["doctor", "--xml"], 125, "wanted --json"),
])
def test_commands(args, status, text):
    done = sconce_command(*args)
    assert done.returncode == status
    assert text in done.stdout + done.stderr
