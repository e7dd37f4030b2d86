# SPDX-License-Identifier: Apache-2.0
"""From a program in an enclave to a verifier: /dev/attestation/quote, the
node's quoting service, and its quotes looked at from outside."""

import json
import os
import signal
import subprocess

import pytest

import quotes
import sconce
from test_las import Las

# Writes REPORTDATA (argv[1], text), then a quote to argv[2]; once more after a
# line on standard input.
PROGRAM = """
import sys
for _ in range(2):
    with open("/dev/attestation/user_report_data", "wb") as f:
        f.write(sys.argv[1].encode().ljust(64, b"\\0"))
    with open("/dev/attestation/quote", "rb") as f:
        quote = f.read()
    with open(sys.argv[2], "wb") as f:
        f.write(quote)
    print("done", flush=True)
    if not sys.stdin.readline():
        break
"""


def run(las, *args, **more):
    return sconce.run("/usr/bin/python3", "-c", PROGRAM, *args,
                      options=["--quiet"],
                      env={**las.env, "SCONCE_LAS": str(las.path)}, **more)


@pytest.fixture
def las(tmp_path):
    with Las(tmp_path, "--collateral", tmp_path / "col") as las:
        yield las


def verify(path, tmp_path):
    return quotes.verify(path.read_bytes(),
                         quotes.load_collateral(tmp_path / "col"))


def measured():
    done = subprocess.run([sconce.SCONCE, "measure", "--json"],
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_quote_of_a_program(las, tmp_path):
    run(las, "a nonce", tmp_path / "quote").check()
    q = verify(tmp_path / "quote", tmp_path)
    assert q.status == q.qe_status == "UpToDate"
    assert q.body.reportdata == b"a nonce".ljust(64, b"\0")
    assert q.body.mrenclave.hex() == measured()["mrenclave"]
    assert q.body.cpusvn == b"SCONCE-EMULATED\0"


def test_our_verifier_takes_it_only_if_told_to(las, tmp_path):
    run(las, "a nonce", tmp_path / "quote").check()

    def command(*args):
        return subprocess.run(
            [sconce.SCONCE, "quote", "verify", "--json", "--collateral",
             tmp_path / "col", *args, tmp_path / "quote"],
            capture_output=True, text=True, timeout=60, env=las.env)

    done = command("--root", "emulated")
    verdict = json.loads(done.stdout)
    assert done.returncode == 0 and verdict["accepted"], done.stdout
    assert verdict["emulated"]
    assert verdict["kind"] == "sgx-v3" and verdict["tcb_status"] == "UpToDate"
    done = command()
    assert done.returncode == 1
    assert not json.loads(done.stdout)["accepted"]
    # Its root as any file says what it is; a policy may take that.
    file = ["--root", tmp_path / "col/root_ca.pem"]
    done = command(*file)
    verdict = json.loads(done.stdout)
    assert done.returncode == 1 and verdict["emulated"] and verdict["chain"]
    assert [f["rule"] for f in verdict["failures"]] == ["policy-emulated"]
    policy = tmp_path / "policy"
    policy.write_text("allow_emulated: yes\n")
    assert command(*file, "--policy", policy).returncode == 0
    # And a policy that does not is what counts.
    policy.write_text("allow_debug: no\n")
    assert command("--root", "emulated", "--policy", policy).returncode == 1
    # Of another platform than this user's.
    las.env["XDG_DATA_HOME"] = str(tmp_path / "other")
    assert command("--root", "emulated").returncode == 1


def test_service_dies_and_comes_back(las, tmp_path):
    """The program asks again, and does not notice."""
    program = subprocess.Popen(
        [sconce.SCONCE, "run", "--quiet", "--", "/usr/bin/python3", "-c",
         PROGRAM, "x", tmp_path / "quote"], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**las.env, "SCONCE_LAS": str(las.path)})
    assert program.stdout.readline() == "done\n"
    first = verify(tmp_path / "quote", tmp_path)
    las.stop(signal.SIGKILL)
    with Las(tmp_path):
        program.stdin.write("again\n")
        program.stdin.close()
        assert program.stdout.readline() == "done\n"
        assert program.wait(60) == 0
    second = verify(tmp_path / "quote", tmp_path)
    assert second.key == first.key
    assert second.signature != first.signature


def test_no_service(las, tmp_path):
    las.stop()
    done = run(las, "x", tmp_path / "quote")
    assert done.status == 1 and "ConnectionRefusedError" in done.err
    assert "start `sconce las`" in done.err and str(las.path) in done.err
    assert not (tmp_path / "quote").exists()


def test_service_of_another_user(las, tmp_path):
    """Its platform does not take our reports."""
    las.env = {**las.env, "XDG_DATA_HOME": str(tmp_path / "mine")}
    done = run(las, "x", tmp_path / "quote")
    assert done.status == 1 and "PermissionError" in done.err
    assert "as this user" in done.err
    assert not (tmp_path / "quote").exists()


def get(las, *args):
    return subprocess.run([sconce.SCONCE, "quote", "get", *map(str, args)],
                          capture_output=True, text=True, timeout=60,
                          env={**os.environ, **las.env})


def test_quote_get(las, tmp_path):
    out = tmp_path / "quote"
    done = get(las, "--las", las.path, "--report-data", "00ff61", "-o", out)
    assert done.returncode == 0, done.stderr
    assert verify(out, tmp_path).body.reportdata == \
        b"\0\xffa".ljust(64, b"\0")
    done = subprocess.run(
        [sconce.SCONCE, "quote", "verify", "--json", "--root", "emulated",
         "--collateral", tmp_path / "col", "--report-data", "00ff61", out],
        capture_output=True, text=True, env={**os.environ, **las.env})
    verdict = json.loads(done.stdout)
    assert verdict["accepted"] and verdict["emulated"]
    assert verdict["measurements"]["mrenclave"] == measured()["mrenclave"]


def test_which_program_is_wanted(las, tmp_path):
    """MRENCLAVE alone names the kernel only, and that is said."""
    out = tmp_path / "quote"
    assert get(las, "--las", las.path, "-o", out).returncode == 0
    policy = tmp_path / "policy"
    for more, any_config in (("", True), (", config_id: " + "0" * 128, False)):
        policy.write_text(
            "allow_emulated: true\nmeasurements: {mrenclave: %s%s}\n" %
            (measured()["mrenclave"], more))
        for json_option in (["--json"], []):
            done = subprocess.run(
                [sconce.SCONCE, "quote", "verify", *json_option, "--root",
                 "emulated", "--collateral", tmp_path / "col", "--policy",
                 policy, out], capture_output=True, text=True,
                env={**os.environ, **las.env})
            assert done.returncode == 0, done.stdout + done.stderr
            if json_option:
                assert json.loads(done.stdout)["any_config"] is any_config
            else:
                assert ("not which program" in done.stdout) is any_config


def test_quote_get_without_service(las, tmp_path):
    done = get(las, "--las", tmp_path / "nobody", "-o", tmp_path / "quote")
    assert done.returncode == 2 and "no quote: " in done.stderr
    assert not (tmp_path / "quote").exists()
    done = get(las, "--las", las.path)
    assert done.returncode == 2 and "wanted --output" in done.stderr
