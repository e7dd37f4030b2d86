# SPDX-License-Identifier: Apache-2.0
"""`sconce quote` and `sconce collateral show`, on real evidence.

The evidence is that of SCONCE_VECTORS (default: the directory shared/vectors
beside the source tree); what needs it is skipped if it is not there.
"""

import datetime
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import sconce

VECTORS = Path(os.environ.get("SCONCE_VECTORS",
                              sconce.ROOT.parent / "shared/vectors"))
CASES = {}
if (VECTORS / "cases.json").exists():
    CASES = {c["case"]: c for c in
             json.loads((VECTORS / "cases.json").read_text())}
# Of these other tests know what to expect: test_sigstruct.c, test_cmac.c.
ELSEWHERE = {"sigstruct", "mrenclave", "cmac"}

PHALA = "dcap/sgx-v3-phala-00a067110000"
TDX = "dcap/tdx-v4-phala-b0c06f000000"

needs_vectors = pytest.mark.skipif(not CASES, reason="no vectors here")


def of_kind(*kinds):
    return [c for c, case in CASES.items() if case["kind"] in kinds] or \
        [pytest.param(None, marks=pytest.mark.skip("no vectors here"))]


def attest(*args, **more):
    return subprocess.run([sconce.SCONCE, *map(str, args)], text=True,
                          capture_output=True, timeout=60, **more)


def verify_json(*args, **more):
    done = attest("quote", "verify", "--json", *args, **more)
    assert done.returncode in (0, 1) and done.stderr == "", done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["accepted"] == (done.returncode == 0)
    assert verdict["accepted"] == (verdict["failures"] == [])
    return verdict


def seconds(text):
    return int(datetime.datetime.fromisoformat(
        text.replace("Z", "+00:00")).timestamp())


def rules(verdict):
    return {f["rule"] for f in verdict["failures"]}


def arguments(name, at):
    """The command line for a case."""
    case, folder = CASES[name], VECTORS / name
    args = ["--at", at, "--collateral", folder]
    if "trust_anchor" in case:
        args += ["--root", folder / case["trust_anchor"]]
    expect = case["expect"]
    if case["kind"] == "dcap" and not ("root_ca_crl" in expect and
                                       "pck_crl" in expect):
        args += ["--no-crl"]
    if case["kind"] == "snp":
        return args + [folder / "report.bin"]
    return args + [VECTORS / case.get("quote", name + "/quote.bin")]


def check_measurements(verdict, expect):
    for field in ("mrenclave", "mrsigner", "isv_prod_id", "isv_svn",
                  "attributes", "report_data", "mrtd", "rtmr0", "rtmr1",
                  "rtmr2", "rtmr3", "mrseam", "tee_tcb_svn", "td_attributes",
                  "xfam", "fmspc", "measurement", "chip_id", "reported_tcb",
                  "vmpl", "report_version"):
        if field in expect:
            assert verdict["measurements"][field] == expect[field]
    if "policy" in expect:
        assert verdict["measurements"]["policy"] == int(expect["policy"], 16)


# ---- every case ----

@needs_vectors
def test_every_kind_of_case_is_known():
    known = {"dcap", "dcap-signature-only", "collateral", "snp",
             "snp-negative", "ratls", "tdreport"} | ELSEWHERE
    assert {c["kind"] for c in CASES.values()} <= known


@pytest.mark.parametrize("name", of_kind("dcap"))
def test_dcap(name):
    expect = CASES[name]["expect"]
    v = verify_json(*arguments(name, expect["at"]))
    assert v["kind"] == "%s-v%d" % (expect["tee_type"],
                                    expect["quote_version"])
    assert v["signature"] is True and v["chain"] is True
    assert v["tcb_status"] == expect["tcb_status"]
    assert v["advisories"] == expect["advisory_ids"]
    assert v["tcb_date"] == expect["tcb_date"]
    assert v["qe_status"] == expect["qe_status"]
    assert v["module_status"] == expect.get("tdx_module_status")
    assert v["debug"] is expect["debug"] and v["emulated"] is False
    assert (v["valid_from"], v["valid_until"]) == \
        (expect["valid_from"], expect["valid_until"])
    check_measurements(v, expect)
    good = expect["tcb_status"] == "UpToDate" and not expect["debug"]
    assert v["accepted"] is good
    assert rules(v) <= {"policy-tcb-status", "policy-debug"} | (
        {"tcb-level"} if expect["tcb_status"] == "NotSupported" else set())


@pytest.mark.parametrize("name", of_kind("snp"))
def test_snp(name):
    expect = CASES[name]["expect"]
    v = verify_json(*arguments(name, expect["at"]))
    assert v["kind"] == "snp" and v["signature"] and v["chain"]
    assert v["tcb_status"] == "UpToDate" and v["advisories"] == []
    assert v["debug"] is bool(int(expect["policy"], 16) >> 19 & 1)
    assert v["accepted"] is not v["debug"]
    assert rules(v) <= {"policy-debug"}
    assert (v["valid_from"], v["valid_until"]) == \
        (expect["valid_from"], expect["valid_until"])
    check_measurements(v, expect)


@pytest.mark.parametrize("name", of_kind("dcap", "snp"))
def test_window(name):
    """At its ends all is as within; a second outside it is expiry, and
    nothing else, that is wrong."""
    expect = CASES[name]["expect"]
    first, last = (seconds(expect[k]) for k in ("valid_from", "valid_until"))
    within = verify_json(*arguments(name, expect["at"]))
    for at in (first, last):
        v = verify_json(*arguments(name, at))
        for key in ("signature", "chain", "tcb_status", "accepted",
                    "failures"):
            assert v[key] == within[key]
    for at in (first - 1, last + 1, 0, -1, 2 ** 63 - 1, -2 ** 63):
        v = verify_json(*arguments(name, at))
        assert v["accepted"] is False and v["signature"] is True
        fresh = rules(v) - rules(within)
        assert fresh and all(r.endswith("-date") for r in fresh), v
        check_measurements(v, expect)


@pytest.mark.parametrize("name", of_kind("dcap-signature-only"))
def test_quote_without_certificate(name):
    v = verify_json("--at", "2025-01-01", VECTORS / name / "quote.bin")
    assert v["kind"] == "sgx-v3" and not v["chain"] and not v["accepted"]
    assert v["measurements"]["cert_data_type"] == 3


@pytest.mark.parametrize("name", of_kind("collateral"))
def test_collateral_signature(name, tmp_path):
    """Re-indented TCB information is taken, altered one is not."""
    expect = CASES[name]["expect"]
    shutil.copytree(VECTORS / PHALA, tmp_path / "c")
    shutil.copy(VECTORS / name / "tcb_info.json", tmp_path / "c")
    shutil.copy(VECTORS / name / "chain.pem",
                tmp_path / "c/tcb_info_chain.pem")
    v = verify_json("--at", expect.get("at", "2020-01-01"), "--collateral",
                    tmp_path / "c", VECTORS / PHALA / "quote.bin")
    good = expect.get("signature_over_compact_json", False)
    assert ("tcb-info-signature" in rules(v)) is not good
    assert not v["accepted"]


@pytest.mark.parametrize("name", of_kind("snp-negative"))
def test_snp_negative(name, tmp_path):
    shutil.copytree(VECTORS / name, tmp_path / "c")
    report = VECTORS / "snp/milan-v2-google/report.bin"
    v = verify_json("--at", "2025-10-01", "--collateral", tmp_path / "c",
                    report)
    assert not v["chain"] and not v["accepted"]


@pytest.mark.parametrize("name", of_kind("ratls"))
def test_quote_of_a_certificate(name, tmp_path):
    der = tmp_path / "cert.der"
    subprocess.run(["openssl", "x509", "-in", VECTORS / name, "-outform",
                    "DER", "-out", der], check=True)
    data = der.read_bytes()
    quote = tmp_path / "quote"
    quote.write_bytes(data[data.index(bytes.fromhex(
        "030002000000000009000d00939a7233")
        if bytes.fromhex("030002000000000009000d00939a7233") in data
        else bytes.fromhex("0300020000000000")):])
    expect = CASES[name]["expect"]
    done = attest("quote", "show", "--json", quote)
    shown = json.loads(done.stdout)
    assert done.returncode == 0 and shown["verified"] is False
    assert shown["measurements"]["mrenclave"] == expect["mrenclave"]
    assert shown["debug"] is expect["debug"]
    v = verify_json(quote)
    assert not v["accepted"]
    assert v["measurements"]["fmspc"] == expect["fmspc"]


@pytest.mark.parametrize("name", of_kind("tdreport"))
def test_tdreport_is_no_quote(name):
    """Its MAC means something on its own platform only."""
    done = attest("quote", "verify", VECTORS / name)
    assert done.returncode == 2 and done.stdout == ""


# ---- options ----

def good(name=PHALA):
    return arguments(name, CASES[name]["expect"]["at"])


@needs_vectors
@pytest.mark.parametrize("at", [
    "2025-06-25T00:00:00Z", "2025-06-25", "1750809600",
    "2025-06-25T02:00:00+02:00", "2025-06-24T20:30:00-03:30",
    "2025-06-25 00:00:00Z", "2025-06-25t00:00:00.123z"])
def test_times(at):
    v = verify_json(*arguments(PHALA, at))
    assert v["at"] == "2025-06-25T00:00:00Z"
    assert rules(v) == {"policy-tcb-status"}


@needs_vectors
def test_now_is_the_default():
    args = good()[2:]
    v = verify_json(*args)
    assert abs(seconds(v["at"]) - datetime.datetime.now().timestamp()) < 120
    assert any(r.endswith("-date") for r in rules(v))


@needs_vectors
def test_standard_input():
    args = good()
    with open(args[-1], "rb") as quote:
        v = verify_json(*args[:-1], "-", stdin=quote)
    assert v == verify_json(*args)


@needs_vectors
def test_a_pipe(tmp_path):
    """As of a shell's <(...)."""
    args = good()
    done = subprocess.run(
        ["bash", "-c", 'exec "$0" quote verify --json "${@:1:$#-1}" '
         '<(sleep 0.2; cat "${@: -1}")', sconce.SCONCE, *map(str, args)],
        capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout) == verify_json(*args)


@needs_vectors
def test_without_collateral():
    v = verify_json("--at", "2025-06-25", VECTORS / PHALA / "quote.bin")
    assert v["signature"] and not v["accepted"]
    assert v["tcb_status"] is None


@needs_vectors
@pytest.mark.parametrize("left_out", ["tcb_info.json", "tcb_info_chain.pem",
                                      "qe_identity.json", "pck_crl.der",
                                      "qe_identity_chain.pem",
                                      "root_ca_crl.der"])
def test_parts_of_collateral(tmp_path, left_out):
    folder = tmp_path / "c"
    shutil.copytree(VECTORS / TDX, folder)
    (folder / left_out).unlink()
    v = verify_json("--at", "2025-06-25", "--collateral", folder,
                    folder / "quote.bin")
    assert not v["accepted"]
    without = verify_json("--at", "2025-06-25", "--collateral", folder,
                          "--no-crl", folder / "quote.bin")
    assert without["accepted"] is left_out.endswith("crl.der")


@needs_vectors
def test_collateral_of_another_platform():
    tdx = VECTORS / "dcap/tdx-v4-trustee-00a06d080000"
    for folder in (tdx, VECTORS / TDX, VECTORS / "snp/genoa-v5-oak"):
        v = verify_json("--at", "2025-06-25", "--collateral", folder,
                        VECTORS / PHALA / "quote.bin")
        assert not v["accepted"] and v["failures"]


@needs_vectors
def test_root_replaces_the_vendors(tmp_path):
    args = good(TDX)
    assert verify_json(*args)["accepted"]
    der = VECTORS / "roots/intel_sgx_root_ca.der"
    pem = tmp_path / "root.pem"
    subprocess.run(["openssl", "x509", "-inform", "DER", "-in", der, "-out",
                    pem], check=True)
    for root in (der, pem, VECTORS / "roots/intel_sgx_root_ca_old.der"):
        assert verify_json("--root", root, *args)["accepted"]
    other = VECTORS / "dcap/sgx-v3-intel-qvl-sample-ppid/trusted_root.pem"
    v = verify_json("--root", other, *args)
    assert not v["chain"] and not v["accepted"] and not v["emulated"]
    assert verify_json("--root", other, "--root", der, *args)["accepted"]


@needs_vectors
def test_root_of_the_emulated_platform(tmp_path):
    env = {**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    v = verify_json("--root", "emulated", *good(TDX), env=env)
    assert not v["chain"] and not v["accepted"]
    done = attest("quote", "verify", "--root", "emulated", "--root",
                  VECTORS / "roots/intel_sgx_root_ca.der", *good(TDX),
                  env=env)
    assert done.returncode == 2 and "by itself" in done.stderr


# ---- what the evidence is bound to ----

HELLO = b"Hello, world!".hex()


@needs_vectors
def test_report_data(tmp_path):
    (tmp_path / "nonce").write_bytes(b"Hello, world!")
    for data in (HELLO, HELLO.upper(), HELLO.ljust(128, "0"),
                 tmp_path / "nonce"):
        v = verify_json("--report-data", data, *good())
        assert rules(v) == {"policy-tcb-status"}
    for data in ("", "00", HELLO + "01", "f" * 128):
        v = verify_json("--report-data", data, *good())
        assert rules(v) == {"policy-tcb-status", "policy-report_data"}


@needs_vectors
@pytest.mark.parametrize("data, text", [
    ("0", "neither up to 128"), ("f" * 130, "neither up to 128"),
    ("xx", "neither up to 128"), ("/etc/passwd", "wanted at most 64"),
    ("/etc", "a directory")])
def test_wrong_report_data(data, text):
    done = attest("quote", "verify", "--report-data", data, *good())
    assert done.returncode == 2 and text in done.stderr


@needs_vectors
def test_report_data_twice(tmp_path):
    (tmp_path / "p").write_text("measurements: {report_data: %s}" % ("0" * 128))
    done = attest("quote", "verify", "--report-data", "00", "--policy",
                  tmp_path / "p", *good())
    assert done.returncode == 2 and "leave one out" in done.stderr


# ---- policies ----

MRENCLAVE = "33d8736db756ed4997e04ba358d27833188f1932ff7b1d156904d3f560452fbb"
ACCEPT = "tcb: {accept: [ConfigurationAndSWHardeningNeeded]%s}\n"


@needs_vectors
@pytest.mark.parametrize("policy, wrong, any_program", [
    ("{}", {"policy-tcb-status"}, True),
    (ACCEPT % "", set(), True),
    (ACCEPT % ", advisories: [INTEL-SA-00289, INTEL-SA-00615]", set(), True),
    (ACCEPT % ", advisories: [INTEL-SA-00289]", {"policy-advisories"}, True),
    (ACCEPT % ", max_age: 53w", {"policy-tcb-age"}, True),
    (ACCEPT % ", max_age: 500d, min_evaluation: 17", set(), True),
    (ACCEPT % ", min_evaluation: 18", {"policy-tcb-evaluation"}, True),
    (ACCEPT % "" + "measurements: {mrenclave: %s}" % MRENCLAVE, set(), False),
    (ACCEPT % "" + "measurements: {mrenclave: [%s, %s]}" % (
        "0" * 64, MRENCLAVE.upper()), set(), False),
    (ACCEPT % "" + "measurements: {mrenclave: %s}" % ("0" * 64),
     {"policy-mrenclave"}, False),
    (ACCEPT % "" + "measurements: {mrtd: %s}" % ("0" * 96),
     {"policy-mrtd"}, False),
    (ACCEPT % "" + "measurements: {isv_svn: {min: 1}, isv_prod_id: 0}",
     {"policy-isv_svn"}, True),
    ('{"tcb":{"accept":["ConfigurationAndSWHardeningNeeded"]},\n'
     '\t"measurements":{"fmspc":"00A067110000","isv_svn":{"min":0}}}', set(),
     True),
])
def test_policies(tmp_path, policy, wrong, any_program):
    path = tmp_path / "policy.yaml"
    path.write_text(policy)
    v = verify_json("--policy", path, *good())
    assert rules(v) == wrong and v["any_program"] is any_program


EXAMPLES = re.findall(
    r"^```yaml\n(.*?)^```", (sconce.ROOT / "doc/quote-policy.md").read_text(),
    re.S | re.M)


@needs_vectors
@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_policies_of_the_manual(tmp_path, number):
    """Each is read; the one with all keys lets only the version be wrong."""
    assert len(EXAMPLES) == 5
    (tmp_path / "p").write_text(EXAMPLES[number])
    name = [PHALA, PHALA, PHALA, TDX, "snp/milan-v3-oak"][number]
    wrong = [{"policy-tcb-age", "policy-isv_prod_id", "policy-isv_svn"},
             {"policy-tcb-status", "policy-mrenclave", "policy-config_id"},
             {"policy-tcb-status", "policy-mrsigner", "policy-isv_svn"},
             set(), {"policy-policy"}][number]
    v = verify_json("--policy", tmp_path / "p", *good(name))
    assert rules(v) == wrong and v["any_program"] is False


@needs_vectors
def test_policy_for_debug(tmp_path):
    name = "dcap/tdx-v4-trustee-50806f000000-debug"
    (tmp_path / "p").write_text("allow_debug: true")
    assert rules(verify_json(*good(name))) == {"policy-debug"}
    assert verify_json("--policy", tmp_path / "p", *good(name))["accepted"]


@needs_vectors
@pytest.mark.parametrize("name", of_kind("dcap", "snp"))
def test_policy_of_all_that_was_seen(tmp_path, name):
    """Each name that verdicts have is one that policies know."""
    v = verify_json(*good(name))
    (tmp_path / "p").write_text(json.dumps({
        "allow_debug": True, "tcb": {"accept": [
            v["tcb_status"]] if v["tcb_status"] != "NotSupported" else []},
        "measurements": dict(list(v["measurements"].items())[:32])}))
    again = verify_json("--policy", tmp_path / "p", *good(name))
    assert not {r for r in rules(again) if r.startswith("policy-")} - (
        {"policy-tcb-status"} if v["tcb_status"] == "NotSupported" else set())
    (tmp_path / "p").write_text(json.dumps({"measurements": {
        k: v["measurements"][k] for k in list(v["measurements"])[32:]}}))
    again = verify_json("--policy", tmp_path / "p", *good(name))
    assert not rules(again) - rules(v)


# ---- unusable input ----

@pytest.fixture
def inputs(tmp_path):
    """A good folder to spoil, with its quote."""
    if not CASES:
        pytest.skip("no vectors here")
    shutil.copytree(VECTORS / TDX, tmp_path / "c")
    return tmp_path / "c"


def fifo(path):
    path.unlink()
    os.mkfifo(path)


def directory(path):
    path.unlink()
    path.mkdir()


def write(data):
    return lambda path: path.write_bytes(data)


def change(old, new):
    return lambda path: path.write_bytes(
        path.read_bytes().replace(old, new, 1))


def duplicate(path):
    text = path.read_text()
    path.write_text(text.replace('"issueDate"',
                                 '"issueDate":"2025-06-19T10:16:03Z",'
                                 '"issueDate"', 1))


HUGE = b"{" + b" " * (1 << 20) + b"}"
DEEP = b"[" * 100000 + b"]" * 100000

BAD = [(name, spoil, text) for name in ("quote.bin", "tcb_info.json",
                                        "pck_crl.der", "tcb_info_chain.pem")
       for spoil, text in (
           (write(b""), "empty"), (write(HUGE), "larger than 1048576 bytes"),
           (directory, "a directory; wanted a file"))] + [
    ("quote.bin", fifo, "empty"),
    ("tcb_info.json", fifo, "a FIFO; wanted a file"),
    ("quote.bin", write(b"\0"), "quote"),
    ("quote.bin", write(os.urandom(5000)), "quote"),
    ("quote.bin", write(b"\xff" * 5000), "quote"),
    ("quote.bin", write(b"quote " * 1000), "quote"),
    ("tcb_info.json", write(b"{"), "tcb_info.json"),
    ("tcb_info.json", write(b"garbage"), "tcb_info.json"),
    ("tcb_info.json", write(DEEP), "tcb_info.json"),
    ("tcb_info.json", write(b'{"a":' * 50000), "tcb_info.json"),
    ("tcb_info.json", duplicate, "tcb_info.json"),
    ("qe_identity.json", write(b"\xff\xfe{}"), "qe_identity.json"),
    ("tcb_info_chain.pem", write(os.urandom(1000)), "tcb_info_chain.pem"),
    ("tcb_info_chain.pem",
     write(b"-----BEGIN CERTIFICATE-----\n" + b"A" * 64 + b"\n"
           b"-----END CERTIFICATE-----\n"), "tcb_info_chain.pem"),
    ("pck_crl.der", write(b"\x30\x84\xff\xff\xff\xff"), "pck_crl.der"),
    ("pck_crl.der", write(b"zz"), "pck_crl.der"),
]


@pytest.mark.parametrize("name, spoil, text", BAD)
def test_unusable_files(inputs, name, spoil, text):
    spoil(inputs / name)
    done = attest("quote", "verify", "--at", "2025-06-25", "--collateral",
                  inputs, inputs / "quote.bin")
    assert done.returncode == 2, done.stdout
    assert text in done.stderr and name in done.stderr
    assert done.stdout == "" and done.stderr.count("\n") == 1
    assert len(done.stderr) < 700


@pytest.mark.parametrize("name, spoil", [
    ("tcb_info.json", write(b"{}")), ("tcb_info.json", write(b"[]")),
    ("tcb_info.json", write(b'{"tcbInfo":{},"signature":"00"}')),
    ("tcb_info.json", change(b'"tcbLevels"', b'"tcbLevelz"')),
    ("tcb_info.json", change(b'"2025-', b'"9025-')),
    ("tcb_info.json", change(b'"2025-', b'"-025-')),
    ("tcb_info.json", change(b'"issueDate":"2025', b'"issueDate":"99999')),
    ("tcb_info.json", change(b'"pcesvn":', b'"pcesvn":9999999999999999999')),
    ("qe_identity.json", change(b'"isvprodid":2', b'"isvprodid":1')),
    ("qe_identity.json", change(b'"signature":"', b'"signature":"0')),
])
def test_wrong_collateral_is_never_accepted(inputs, name, spoil):
    """Whether it is no collateral at all or a lie: told, in one of two ways."""
    spoil(inputs / name)
    done = attest("quote", "verify", "--at", "2025-06-25", "--collateral",
                  inputs, inputs / "quote.bin")
    assert done.returncode in (1, 2)
    assert (done.returncode == 1) == done.stdout.startswith("REJECTED")
    assert (done.returncode == 2) == bool(done.stderr)


def test_unreadable(inputs):
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root reads everything")
        wrap = ["setpriv", "--reuid=65534", "--regid=65534",
                "--clear-groups", "--"]
        for folder in inputs.parents:
            if folder.stat().st_mode & 0o5 != 0o5 and \
                    folder.is_relative_to("/tmp/pytest-of-root"):
                folder.chmod(0o755)
    else:
        wrap = []
    (inputs / "tcb_info.json").chmod(0)
    args = ["quote", "verify", "--at", "2025-06-25", "--collateral", inputs,
            inputs / "quote.bin"]
    done = subprocess.run([*wrap, sconce.SCONCE, *map(str, args)],
                          capture_output=True, text=True, timeout=60)
    if "Permission denied" in done.stderr and "sconce:" not in done.stderr:
        pytest.skip("nobody cannot run this build")
    assert done.returncode == 2, done.stderr
    assert "tcb_info.json: cannot be read: Permission denied" in done.stderr


@needs_vectors
@pytest.mark.parametrize("args, text", [
    (["--at", "yesterday"], "--at 'yesterday': wanted a time"),
    (["--at", ""], "wanted a time"),
    (["--at", "2025-02-30T00:00:00Z"], "wanted a time"),
    (["--at", "2025-06-25T00:00:00"], "wanted a time"),
    (["--at", "2025-06-25T24:00:00Z"], "wanted a time"),
    (["--at", "2025-06-25T00:00:00+2400"], "wanted a time"),
    (["--at", "9223372036854775808"], "wanted a time"),
    (["--at", "-9223372036854775809"], "wanted a time"),
    (["--at", "0x10"], "wanted a time"),
    (["--at", "1e9"], "wanted a time"),
    (["--at", "x" * 5000], "wanted a time"),
    (["--collateral", "/nonexistent"], "/nonexistent: No such file"),
    (["--collateral", "/etc/passwd"], "not a folder"),
    (["--root", "/nonexistent"], "root /nonexistent: cannot be read"),
    (["--root", "/etc/passwd"], "root"),
    (["--root", "/dev/zero"], "a device"),
    (["--policy", "/nonexistent"], "policy /nonexistent: cannot be read"),
    (["--policy", "/etc"], "a directory"),
    (["--policy", "/etc/passwd"], "/etc/passwd:1:"),
    (["--bogus"], "--bogus is not known"),
    (["--at"], "usage: sconce quote verify"),
    (["--json", "--json"], "--json is there twice"),
    (["again"], "usage: sconce quote verify"),
])
def test_wrong_use(args, text):
    done = attest("quote", "verify", *args, VECTORS / TDX / "quote.bin")
    assert done.returncode == 2, done.stdout
    assert text in done.stderr
    assert done.stdout == "" and done.stderr.count("\n") == 1


@pytest.mark.parametrize("args, status, text", [
    (["quote"], 0, "usage: sconce quote COMMAND"),
    (["quote", "help"], 0, "\n  verify "),
    (["help", "quote"], 0, "\n  verify "),
    (["help", "collateral"], 0, "\n  show "),
    (["quote", "verify", "--help"], 0, "Exit status: 0 accepted"),
    (["quote", "bogus"], 2, "'bogus' is not a command of quote"),
    (["quote", "verify"], 2, "usage: sconce quote verify"),
    (["quote", "verify", "/nonexistent"], 2, "cannot be read"),
    (["quote", "show", "/dev/null"], 2, "a device"),
    (["collateral", "bogus"], 2, "'bogus' is not a command of collateral"),
    (["collateral", "show", "/nonexistent"], 2, "No such file"),
])
def test_help_and_errors(args, status, text):
    done = attest(*args)
    assert done.returncode == status
    assert text in (done.stdout if status == 0 else done.stderr)


@needs_vectors
def test_output_that_cannot_be_written():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sconce.SCONCE, "quote", "show",
                               VECTORS / TDX / "quote.bin"], stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 2 and "standard output" in done.stderr


# ---- for people ----

@needs_vectors
def test_readable():
    done = attest("quote", "verify", *good())
    assert done.returncode == 1
    assert done.stdout.startswith("REJECTED: quote of an SGX enclave")
    for text in (MRENCLAVE, '"Hello, world!"', "INTEL-SA-00289",
                 "policy-tcb-status", "any enclave would do",
                 "ConfigurationAndSWHardeningNeeded"):
        assert text in done.stdout
    done = attest("quote", "verify", *good(TDX))
    assert done.returncode == 0
    assert done.stdout.startswith("ACCEPTED: quote of a TDX virtual machine")
    assert done.stdout.count("note:") == 1
    assert max(map(len, done.stdout.splitlines())) < 140


@needs_vectors
def test_show_verifies_nothing(tmp_path):
    quote = bytearray((VECTORS / PHALA / "quote.bin").read_bytes())
    quote[48 + 64] ^= 1  # MRENCLAVE
    (tmp_path / "q").write_bytes(quote)
    done = attest("quote", "show", tmp_path / "q")
    assert done.returncode == 0
    assert done.stdout.startswith("NOT VERIFIED: ") and "claims" in done.stdout
    assert re.search("mrenclave +32d8736d", done.stdout)
    v = verify_json(*good()[:-1], tmp_path / "q")
    assert not v["signature"] and not v["accepted"]


@needs_vectors
@pytest.mark.parametrize("name", of_kind("dcap"))
def test_collateral_show(name):
    expect, folder = CASES[name]["expect"], VECTORS / name
    done = attest("collateral", "show", "--json", "--at", expect["at"], folder)
    assert done.returncode == 0
    shown = json.loads(done.stdout)
    assert shown["fmspc"] == expect["fmspc"]
    assert shown["tee"] == expect["tee_type"]
    assert shown["expired"] is False
    assert seconds(shown["valid_until"]) >= seconds(expect["valid_until"])
    assert set(shown["missing"]) == {
        n for n, key in (("root_ca_crl.der", "root_ca_crl"),
                         ("pck_crl.der", "pck_crl")) if key not in expect}
    for name, row in shown["files"].items():
        assert row["problem"] is None and (folder / name).exists()
    done = attest("collateral", "show", "--at",
                  seconds(shown["valid_until"]) + 1, folder)
    assert "EXPIRED" in done.stdout and "expired 20" in done.stdout
