# SPDX-License-Identifier: Apache-2.0
"""`sconce sign`: with a key, and with openssl as the signer elsewhere."""

import hashlib
import json
import os
import re
import shutil
import subprocess

import pytest

import sconce

KERNEL = sconce.BUILD / "bin/sconce-kernel"


def sign(*args, env=None):
    return subprocess.run([sconce.SCONCE, "sign", *map(str, args)],
                          capture_output=True, text=True, timeout=60,
                          env={**os.environ, **(env or {})})


def signed(*args, **more):
    done = sign(*args, **more)
    assert done.returncode == 0, done.stderr
    return dict(re.split(r"\s+", line, maxsplit=1)
                for line in done.stdout.splitlines())


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, timeout=60,
                   capture_output=True)


def check_sigstruct(path):
    """The SDM's rules for SIGSTRUCT, by Python's integers."""
    data = path.read_bytes()
    assert len(data) == 1808

    def number(at):
        return int.from_bytes(data[at:at + 384], "little")

    n, s, q1, q2 = number(128), number(516), number(1040), number(1424)
    assert int.from_bytes(data[512:516], "little") == 3
    assert q1 == s * s // n
    assert q2 == (s * s * s - q1 * s * n) // n
    digest = hashlib.sha256(data[:128] + data[900:1028]).digest()
    padded = bytes.fromhex("3031300d060960864801650304020105000420") + digest
    padded = b"\0\1" + b"\xff" * (384 - 3 - len(padded)) + b"\0" + padded
    assert pow(s, 3, n) == int.from_bytes(padded, "big")
    return data


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("sign") / "key.pem"
    signed("--new-key", path, "-o", path.parent / "first.sig")
    openssl("rsa", "-in", path, "-pubout", "-out", path.parent / "public.pem")
    openssl("rsa", "-in", path, "-pubout", "-outform", "DER", "-out",
            path.parent / "public.der")
    return path


def test_fields(key, tmp_path):
    out = tmp_path / "sig"
    said = signed("--key", key, "-o", out, "--isv-prod-id", 258, "--isv-svn",
                  65535, "--date", "2025-01-31", "--isv-ext-prod-id", "11" * 16,
                  "--isv-family-id", "ab" * 16)
    data = check_sigstruct(out)
    assert data[20:24] == bytes.fromhex("31012520")
    assert data[912:928] == b"\xab" * 16 and data[1008:1024] == b"\x11" * 16
    assert data[1024:1028] == b"\x02\x01\xff\xff"
    assert said["mrenclave"] == data[960:992].hex()
    assert said["mrsigner"] == hashlib.sha256(data[128:512]).hexdigest()
    assert said["date"] == "20250131" and said["debug"] == "possible"
    assert data[944] & 2 == 0
    said = signed("--key", key, "-o", out, "--no-debug")
    assert check_sigstruct(out)[944] & 2 and said["debug"] == "refused"
    assert os.stat(key).st_mode & 0o777 == 0o600


def test_date_of_the_build(key, tmp_path):
    said = signed("--key", key, "-o", tmp_path / "s",
                  env={"SOURCE_DATE_EPOCH": "1735689600"})
    assert said["date"] == "20250101"


def test_measure_takes_it(key, tmp_path):
    for name in ("sconce", "sconce-kernel", "sconce-init"):
        shutil.copy2(sconce.BUILD / "bin" / name, tmp_path / name)
    said = signed("--key", key, "-o", tmp_path / "sconce-kernel.sig",
                  "--isv-svn", 7)
    done = subprocess.run([tmp_path / "sconce", "measure", "--json"],
                          capture_output=True, text=True, timeout=60)
    report = json.loads(done.stdout)
    assert report["mrsigner"] == said["mrsigner"] and report["isvsvn"] == 7


@pytest.mark.parametrize("public", ["public.pem", "public.der"])
@pytest.mark.parametrize("how", ["dgst", "pkeyutl"])
def test_signer_elsewhere(key, tmp_path, how, public):
    message, signature, out = (tmp_path / n for n in ("m", "s", "out"))
    options = ["--isv-svn", "9", "--date", "2024-02-29"]
    signed(*options, "--message-out", message)
    assert message.stat().st_size == 256
    if how == "dgst":
        openssl("dgst", "-sha256", "-sign", key, "-out", signature, message)
    else:
        (tmp_path / "hash").write_bytes(
            hashlib.sha256(message.read_bytes()).digest())
        openssl("pkeyutl", "-sign", "-inkey", key, "-pkeyopt", "digest:sha256",
                "-in", tmp_path / "hash", "-out", signature)
    complete = ["--signature-in", signature, "--public-key",
                key.parent / public, "-o", out]
    signed("--message-in", message, *complete)
    data = check_sigstruct(out)
    signed(*options, *complete)
    assert out.read_bytes() == data
    # A key at hand makes the same.
    signed(*options, "--key", key, "-o", tmp_path / "here")
    assert (tmp_path / "here").read_bytes() == data
    # What was not signed is not taken.
    out.unlink()
    for wrong in ([], ["--isv-svn", "8", "--date", "2024-02-29"]):
        done = sign(*wrong, *complete)
        assert done.returncode == 2 and "not a signature" in done.stderr
    bad = bytearray(signature.read_bytes())
    bad[200] ^= 1
    signature.write_bytes(bad)
    done = sign("--message-in", message, *complete)
    assert done.returncode == 2 and "not a signature" in done.stderr
    signature.write_bytes(b"\xff" * 384)
    assert sign("--message-in", message, *complete).returncode == 2
    assert not out.exists()


def test_message_of_another_kernel(key, tmp_path):
    message = tmp_path / "m"
    signed("--message-out", message)
    data = bytearray(message.read_bytes())
    data[128 + 60] ^= 1  # ENCLAVEHASH
    message.write_bytes(data)
    (tmp_path / "s").write_bytes(bytes(384))
    done = sign("--message-in", message, "--signature-in", tmp_path / "s",
                "--public-key", key.parent / "public.pem", "-o", tmp_path / "o")
    assert done.returncode == 2 and "of another kernel" in done.stderr


def test_wrong_keys(tmp_path):
    out = tmp_path / "out"
    key = tmp_path / "key"
    for make in (["genrsa", "-out", key, "2048"],
                 ["genrsa", "-out", key, "3072"],
                 ["ecparam", "-genkey", "-name", "prime256v1", "-out", key]):
        openssl(*make)
        done = sign("--key", key, "-o", out)
        assert done.returncode == 2
        assert "not an RSA-3072 key with exponent 3" in done.stderr
    assert not out.exists()


@pytest.mark.parametrize("args, text", [
    ([], "wanted one of --key"),
    (["--key", "a", "--new-key", "b", "-o", "c"], "wanted one of --key"),
    (["--key", "a"], "wanted --output FILE"),
    (["--signature-in", "a", "-o", "b"], "go together"),
    (["--key", "/nonexistent", "-o", "x"], "/nonexistent: No such file"),
    (["--key", "/dev/null", "-o", "x"], "wanted a file"),
    (["--key", "/", "-o", "x"], "wanted a file"),
    (["--key", "KERNEL", "-o", "x"], "KERNEL: "),
    (["--key", "k", "-o", "x", "--isv-svn", "65536"], "up to 65535"),
    (["--key", "k", "-o", "x", "--isv-svn", "-1"], "up to 65535"),
    (["--key", "k", "-o", "x", "--isv-svn", ""], "up to 65535"),
    (["--key", "k", "-o", "x", "--date", "2025-02-29"], "wanted a day"),
    (["--key", "k", "-o", "x", "--date", "20250131"], "wanted a day"),
    (["--key", "k", "-o", "x", "--isv-family-id", "00"], "32 hexadecimal"),
    (["--key", "k", "-o", "x", "--key", "k"], "--key is there twice"),
    (["--kernel", "/etc/passwd", "--key", "k", "-o", "x"], "/etc/passwd: "),
    (["--bogus"], "--bogus is not known"),
    (["--key"], "--key needs a value"),
    (["extra"], "usage: sconce sign"),
])
def test_wrong_use(tmp_path, args, text):
    args = [str(KERNEL) if a == "KERNEL" else a for a in args]
    done = subprocess.run([sconce.SCONCE, "sign", *args], cwd=tmp_path,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert text.replace("KERNEL", str(KERNEL)) in done.stderr
    assert done.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == []


def test_a_key_is_not_overwritten(key, tmp_path):
    before = key.read_bytes()
    done = sign("--new-key", key, "-o", tmp_path / "x")
    assert done.returncode == 2 and "File exists" in done.stderr
    assert key.read_bytes() == before
