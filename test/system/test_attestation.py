# SPDX-License-Identifier: Apache-2.0
"""/dev/attestation with real programs: local attestation between enclaves,
sealing across runs and releases, quotes from `sconce las`, and services that
lie about them."""

import hashlib
import os
import shutil
import struct
import subprocess

import pytest

import aesm
import quotes
import sconce

PROGRAM = sconce.ROOT / "test/programs/attest.py"
KSS, DEBUG = 0x80, 2

MANIFEST = """\
version: 1
program: /usr/bin/python3
args: {host: append}
mounts:
  - {type: host, source: /, target: /}
  - {type: dev, target: /dev}
"""


class Node:
    """A machine: its keys, and what is installed on it."""

    def __init__(self, path, name="node"):
        self.path = path / name
        self.path.mkdir()
        self.env = {**os.environ, "XDG_DATA_HOME": str(self.path / "data"),
                    "SCONCE_LAS": str(self.path / "las.sock")}
        self.bin = sconce.BUILD / "bin"

    def run(self, *steps, manifest=None, options=(), status=0):
        """The results of steps (test/programs/attest.py)."""
        if manifest is not None:
            file = self.path / "manifest.yaml"
            file.write_text(manifest)
            options = ("--manifest", file, *options)
        done = subprocess.run(
            [self.bin / "sconce", "run", "-q", *options, "--",
             "/usr/bin/python3", "-S", PROGRAM, *map(str, steps)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            env=self.env, timeout=60)
        assert done.returncode == status, done.stdout + done.stderr
        self.err = done.stderr
        return done.stdout.splitlines()

    def install(self, name, *sign, patch=None):
        """Another release beside the first; `patch` changes its kernel."""
        at = self.path / name
        at.mkdir()
        for file in sconce.BUILD.glob("bin/sconce*"):
            if file.is_file():
                shutil.copy(file, at / file.name)
        kernel = at / "sconce-kernel"
        if patch:
            data = kernel.read_bytes()
            assert data.count(patch[0]) == 1
            kernel.write_bytes(data.replace(*patch))
        if sign:
            subprocess.run([at / "sconce", "sign", "-q", *map(str, sign),
                            "--kernel", kernel, "-o", at / "sconce-kernel.sig"],
                           check=True, timeout=60)
        other = Node.__new__(Node)
        other.path, other.env, other.bin = self.path, self.env, at
        return other


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


def body(report):
    return quotes.parse_report(report[:384])


def test_what_there_is(node):
    kind, target, report = node.run(
        "get attestation_type", "get my_target_info", "get report")
    assert bytes.fromhex(kind) == b"emulated"
    report = body(bytes.fromhex(report))
    measured = subprocess.run(
        [sconce.SCONCE, "measure"], capture_output=True, text=True,
        check=True).stdout
    assert report.mrenclave.hex() in measured
    assert bytes.fromhex(target)[:32] == report.mrenclave
    flags, = struct.unpack_from("<Q", report.attributes)
    assert flags & KSS and not flags & DEBUG
    assert report.cpusvn == b"SCONCE-EMULATED\0"
    assert report.configid == bytes(64)


def test_manifest_is_in_reports(node):
    report, = node.run("get report", manifest=MANIFEST)
    first = body(bytes.fromhex(report)).configid
    report, = node.run("get report", manifest=MANIFEST + "network: true\n")
    assert any(first[:32]) and not any(first[32:])
    assert body(bytes.fromhex(report)).configid != first


def test_two_enclaves_attest_each_other(node, tmp_path):
    """A and B are different services of one machine."""
    a, b = MANIFEST, MANIFEST + "hostname: b\n"
    at = lambda name: tmp_path / name  # noqa: E731
    node.run("get my_target_info >%s" % at("ta"), manifest=a)
    node.run("get my_target_info >%s" % at("tb"), manifest=b)
    key = hashlib.sha512(b"A's key").hexdigest()
    node.run("put target_info @%s" % at("tb"), "put user_report_data " + key,
             "get report >%s" % at("ra"), manifest=a)
    node.run("put target_info @%s" % at("ta"),
             "get report >%s" % at("rb"), manifest=b)
    verify = "put verify_report @%s"
    assert node.run(verify % at("ra"), manifest=b) == [""]
    assert node.run(verify % at("rb"), manifest=a) == [""]
    report = body(at("ra").read_bytes())
    assert report.reportdata.hex() == key
    # Not for the other one, not for a third, not on another machine.
    assert node.run(verify % at("ra"), manifest=a) == ["EBADMSG"]
    assert node.run(verify % at("ra"), manifest=a + "hostname: c\n") == [
        "EBADMSG"]
    assert Node(tmp_path, "other").run(verify % at("ra"), manifest=b) == [
        "EBADMSG"]
    changed = bytearray(at("ra").read_bytes())
    changed[64] ^= 1
    at("ra").write_bytes(changed)
    assert node.run(verify % at("ra"), manifest=b) == ["EBADMSG"]


@pytest.mark.parametrize("policy", ["mrenclave", "mrsigner"])
def test_sealed_data_outlives_the_enclave(node, tmp_path, policy):
    blob = tmp_path / "blob"
    seal = "do seal/%s %s >%s" % (policy, b"secret".hex(), blob)
    unseal = "do unseal @%s" % blob
    node.run(seal, manifest=MANIFEST)
    assert b"secret" not in blob.read_bytes()
    assert node.run(unseal, manifest=MANIFEST) == [b"secret".hex()]
    # Under another manifest, or none, it is another enclave.
    assert node.run(unseal, manifest=MANIFEST + "hostname: b\n") == [
        "EKEYREJECTED"]
    assert node.run(unseal) == ["EKEYREJECTED"]
    other = Node(tmp_path, "other")
    assert other.run(unseal, manifest=MANIFEST) == ["EXDEV"]
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.write_bytes(data)
    assert node.run(unseal, manifest=MANIFEST) == ["EBADMSG"]


# A text in the kernel, of the same length: another measurement.
OTHER = (b"no memory for process 1\0", b"no memory for process I\0")


def test_sealing_across_releases(node, tmp_path):
    key, stranger = tmp_path / "key.pem", tmp_path / "stranger.pem"
    one = node.install("one", "--new-key", key, "--isv-svn", 1)
    same = node.install("same", "--new-key", stranger, "--isv-svn", 1)
    two = node.install("two", "--key", key, "--isv-svn", 2, patch=OTHER)
    blobs = {}
    for policy in "mrenclave", "mrsigner":
        for name, release in ("one", one), ("two", two):
            blob = blobs[policy, name] = tmp_path / (policy + name)
            release.run("do seal/%s 01 >%s" % (policy, blob))

    def opens(release, policy, name):
        return release.run("do unseal @%s" % blobs[policy, name])

    for policy in "mrenclave", "mrsigner":
        for name, release in ("one", one), ("two", two):
            assert opens(release, policy, name) == ["01"]
    # By its code alone, whoever signed it; by its signer, later ones.
    assert opens(same, "mrenclave", "one") == ["01"]
    assert opens(same, "mrsigner", "one") == ["EKEYREJECTED"]
    assert opens(two, "mrenclave", "one") == ["EKEYREJECTED"]
    assert opens(two, "mrsigner", "one") == ["01"]
    # Never earlier ones.
    assert opens(one, "mrsigner", "two") == ["ESTALE"]


def test_keys(node):
    names = "keys/_sgx_mrenclave", "keys/_sgx_mrsigner"
    read = ["get " + name for name in names]
    first = node.run(*read)
    assert len(set(first)) == 2 and all(len(k) == 32 for k in first)
    assert node.run(*read) == first
    # With a manifest they must be asked for.
    assert node.run(*read, manifest=MANIFEST) == ["EACCES"] * 2
    allowed = node.run(*read, manifest=MANIFEST + "attestation: [keys]\n")
    assert len(set(allowed + first)) == 4


def test_manifest_says_what_programs_may_use(node):
    steps = ["get report", "get quote", "do seal/mrsigner 00",
             "get attestation_type"]

    def errors(more):
        return [r if r.startswith("E") else "" for r in
                node.run(*steps, manifest=MANIFEST + more)]

    # Nobody gives quotes here.
    assert errors("") == ["", "ECONNREFUSED", "", ""]
    assert errors("attestation: []\n") == ["EACCES"] * 3 + [""]
    assert errors("attestation: [report]\n") == ["", "EACCES", "EACCES", ""]
    assert errors("attestation: [seal, quote]\n") == [
        "EACCES", "ECONNREFUSED", "", ""]


# ---- quotes ----

class Las:
    """`sconce las` of a node."""

    def __init__(self, node, *args):
        self.process = subprocess.Popen(
            [sconce.SCONCE, "las", "--socket", node.env["SCONCE_LAS"],
             "--mode", "emulated", *map(str, args)],
            stderr=subprocess.PIPE, text=True, env=node.env)
        self.line = self.process.stderr.readline()

    def __enter__(self):
        assert "listening" in self.line
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait(20)
        self.process.stderr.close()


def test_quote(node, tmp_path):
    collateral, file = tmp_path / "collateral", tmp_path / "quote"
    challenge = hashlib.sha512(b"challenge").digest()
    with Las(node, "--collateral", collateral):
        report, _, done = node.run(
            "get report", "put user_report_data " + challenge.hex(),
            "get quote >%s" % file, manifest=MANIFEST)
        assert done == "", node.err
    quote = quotes.parse(file.read_bytes())
    report = body(bytes.fromhex(report))
    assert quote.body.reportdata == challenge
    assert quote.body.data[:320] == report.data[:320]
    policy = tmp_path / "policy.yaml"
    policy.write_text("""\
allow_emulated: true
measurements:
  mrenclave: "%s"
  config_id: "%s"
  report_data: "%s"
""" % (report.mrenclave.hex(), report.configid.hex(), challenge.hex()))

    def verify(*args):
        done = subprocess.run(
            [sconce.SCONCE, "quote", "verify", "--collateral", collateral,
             "--policy", policy, *args, file], env=node.env,
            capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    status, text = verify("--root", "emulated")
    assert status == 0, text
    # An emulated platform: not unless it is named.
    status, text = verify()
    assert status == 1, text
    policy.write_text(policy.read_text().replace(challenge.hex(), "00" * 64))
    status, text = verify("--root", "emulated")
    assert status == 1 and "report_data" in text, text


def test_option_names_the_service(node):
    path = node.env.pop("SCONCE_LAS")
    node.env["SCONCE_LAS"] = "/nowhere"
    done = node.run("get quote", options=("--las", path))
    assert done == ["ECONNREFUSED"]
    assert path in node.err and "start `sconce las`" in node.err
    node.env["SCONCE_LAS"] = path
    with Las(node):
        node.env["SCONCE_LAS"] = "/nowhere"
        done, = node.run("get quote", options=("--las", path))
    assert len(done) > 2 * 436


def test_report_of_another_machine_is_not_quoted(node, tmp_path):
    other = Node(tmp_path, "other")
    with Las(node):
        other.env["SCONCE_LAS"] = node.env["SCONCE_LAS"]
        assert other.run("get quote") == ["EACCES"]


def target(flags):
    return bytes(32) + struct.pack("<QQ", flags, 3) + bytes(464)


def quote_of(report, size=600):
    head = struct.pack("<HHIHH", 3, 2, 0, 1, 1) + bytes(36)
    return head + report[:384] + struct.pack("<I", size) + bytes(size)


def flip(quote, at):
    return quote[:at] + bytes([quote[at] ^ 1]) + quote[at + 1:]


LIES = {
    "nothing": lambda q: b"",
    "of another enclave": lambda q: flip(q, 48 + 64),
    "of another CPUSVN": lambda q: flip(q, 48),
    "with other data": lambda q: flip(q, 48 + 383),
    "replayed": lambda q: q[:48 + 320] + bytes(64) + q[432:],
    "garbage": lambda q: hashlib.sha512(q).digest() * 16,
    "cut": lambda q: q[:-1],
    "longer than it is": lambda q: q[:432] + b"\xff\xff\xff\xff" + q[436:],
    "too long": lambda q: quote_of(q[48:432], 16384 - 435),
    "of a trust domain": lambda q: b"\4\0\2\0\x81\0\0\0" + q[8:],
}


class Liar:
    def __init__(self, lie, flags=0x11):
        self.lie, self.flags, self.asked = lie, flags, 0

    def __call__(self, number, fields):
        if number == aesm.KEY_ID_NUM:
            return {1: 0, 2: 1}
        if number == aesm.KEY_IDS:
            return {1: 0, 2: aesm.INTEL_KEY_ID}
        if number == aesm.INIT_QUOTE_EX:
            return {1: 0, 2: target(self.flags), 3: 32, 4: bytes(32)}
        if number == aesm.QUOTE_SIZE_EX:
            return {1: 0, 2: 20000}
        self.asked += 1
        return {1: 0, 2: self.lie(quote_of(fields[1]))}


def test_honest_mock(node):
    with aesm.Mock(node.env["SCONCE_LAS"], Liar(lambda q: q)):
        got, = node.run("get quote")
    assert len(got) == 2 * (436 + 600)


@pytest.mark.parametrize("lie", LIES)
def test_false_quotes_are_refused(node, lie):
    with aesm.Mock(node.env["SCONCE_LAS"], Liar(LIES[lie])):
        _, got = node.run("put user_report_data 77", "get quote")
    assert got in (["EPROTO", "ENOSPC"] if lie == "too long" else ["EPROTO"])


def test_no_report_for_other_programs(node):
    """Whom the host calls the quoting enclave must look like one."""
    liar = Liar(lambda q: q, flags=0x5)
    with aesm.Mock(node.env["SCONCE_LAS"], liar):
        assert node.run("get quote") == ["EPROTO"]
    assert liar.asked == 0


def test_processes_have_their_own(node):
    """What one wrote another does not see, and threads of one do."""
    code = """if 1:
        import subprocess, threading
        D = '/dev/attestation/user_report_data'
        def show():
            print(open(D, 'rb').read()[:4].hex(' '), flush=True)
        open(D, 'wb').write(b'mine')
        t = threading.Thread(target=show)
        t.start(); t.join()
        subprocess.run(['/usr/bin/od', '-An', '-tx1', '-N4', D], check=True)
        show()
    """
    done = subprocess.run(
        [sconce.SCONCE, "run", "-q", "--", "/usr/bin/python3", "-S", "-c",
         code], capture_output=True, text=True, env=node.env, timeout=60)
    assert done.stdout.splitlines() == [
        "6d 69 6e 65", " 00 00 00 00", "6d 69 6e 65"], done.stderr
