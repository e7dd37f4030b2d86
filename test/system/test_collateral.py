# SPDX-License-Identifier: Apache-2.0
"""`sconce collateral fetch`, from a server that answers as a PCCS and as AMD's
key distribution service do, with real collateral."""

import base64
import http.server
import json
import os
import shutil
import ssl
import struct
import subprocess
import threading
import urllib.parse
from pathlib import Path

import pytest

import sconce

VECTORS = Path(os.environ.get("SCONCE_VECTORS",
                              sconce.ROOT.parent / "shared/vectors"))
pytestmark = pytest.mark.skipif(not (VECTORS / "cases.json").exists(),
                                reason="no vectors here")
SGX = VECTORS / "dcap/sgx-v3-phala-00a067110000"
TDX = VECTORS / "dcap/tdx-v4-phala-b0c06f000000"
DCAP = {"tcb_info.json", "tcb_info_chain.pem", "qe_identity.json",
        "qe_identity_chain.pem", "root_ca_crl.der", "pck_crl.der"}


def attest(*args, **more):
    return subprocess.run([sconce.SCONCE, *map(str, args)], text=True,
                          capture_output=True, timeout=60, **more)


def fetch(server, *args, **more):
    return attest("collateral", "fetch", "--pccs", server.url, *args, **more)


def pem(der):
    text = base64.encodebytes(der).decode()
    return ("-----BEGIN X509 CRL-----\n%s-----END X509 CRL-----\n" %
            text).encode()


class Server:
    """Answers from a table: path -> (status, headers, body)."""

    def __init__(self, tls=None):
        self.answers, self.asked, self.files = {}, [], {}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                status, headers, body = outer.answers.get(
                    self.path, (404, {}, b"No cache data for this platform."))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass  # the client has had enough

            def log_message(self, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            self.http.socket = tls.wrap_socket(self.http.socket,
                                               server_side=True)
        self.url = "http%s://localhost:%d" % ("s" if tls else "",
                                              self.http.server_port)
        self.thread = threading.Thread(target=self.http.serve_forever,
                                       args=(0.05,))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def pccs(self, folder, tee, fmspc, ca, update="", crl=bytes.hex):
        """As a PCCS: chains in headers, lists of revocation as crl() makes
        them (versions 1 and 2: PEM; 3.0: hex; later: DER)."""
        chain = {n: urllib.parse.quote((folder / n).read_text())
                 for n in ("tcb_info_chain.pem", "qe_identity_chain.pem")}
        v4 = "/%s/certification/v4" % tee

        def body(name):
            data = (folder / name).read_bytes()
            data = crl(data) if name.endswith(".der") else data
            return data if isinstance(data, bytes) else data.encode()

        self.answers |= {
            v4 + "/tcb?fmspc=%s%s" % (fmspc, update and "&" + update): (
                200, {"TCB-Info-Issuer-Chain": chain["tcb_info_chain.pem"]},
                body("tcb_info.json")),
            v4 + "/qe/identity%s" % (update and "?" + update): (
                200, {"SGX-Enclave-Identity-Issuer-Chain":
                      chain["qe_identity_chain.pem"]},
                body("qe_identity.json")),
            "/sgx/certification/v4/pckcrl?ca=%s&encoding=der" % ca: (
                200, {}, body("pck_crl.der")),
            "/sgx/certification/v4/rootcacrl": (
                200, {}, body("root_ca_crl.der")),
        }


@pytest.fixture
def server():
    with Server() as s:
        yield s


def names(folder):
    return {p.name for p in folder.iterdir()}


def same(folder, like, files=DCAP):
    assert names(folder) == files
    for name in files:
        a, b = ((f / name).read_bytes() for f in (folder, like))
        if name.endswith(".pem"):
            a, b = (x.rstrip(b"\0\n") for x in (a, b))
        assert a == b, name


@pytest.mark.parametrize("crl", [bytes.hex, bytes, pem, lambda d: d.hex().upper()],
                         ids=["hex", "der", "pem", "HEX"])
def test_for_a_quote(server, tmp_path, crl):
    server.pccs(SGX, "sgx", "00a067110000", "processor", crl=crl)
    out = tmp_path / "c"
    done = fetch(server, "--quote", SGX / "quote.bin", out)
    assert done.returncode == 0, done.stderr
    same(out, SGX)
    assert "00a067110000" in done.stdout and "EXPIRED" in done.stdout
    assert server.asked == list(server.answers)
    verdicts = [json.loads(attest(
        "quote", "verify", "--json", "--at", "2025-06-25", "--collateral", c,
        SGX / "quote.bin").stdout) for c in (out, SGX)]
    assert verdicts[0] == verdicts[1] and verdicts[0]["chain"]


def test_for_a_tdx_quote(server, tmp_path):
    server.pccs(TDX, "tdx", "b0c06f000000", "platform")
    done = fetch(server, "--quote", TDX / "quote.bin", tmp_path / "c")
    assert done.returncode == 0, done.stderr
    same(tmp_path / "c", TDX)
    done = attest("quote", "verify", "--at", "2025-06-25", "--collateral",
                  tmp_path / "c", TDX / "quote.bin")
    assert done.returncode == 0


def pck_path(quote, encrypted):
    """What a PCCS is asked for a quote without certificates."""
    auth, = struct.unpack_from("<H", quote, 436 + 576)
    at = 436 + 578 + auth
    size, = struct.unpack_from("<I", quote, at + 2)
    data = quote[at + 6:at + 6 + size]
    ppid, rest = (data[:384], data[384:]) if encrypted else (b"", data[16:])
    return "/sgx/certification/v4/pckcert?qeid=%s%s&cpusvn=%s&pcesvn=%s" \
        "&pceid=%s" % (
            quote[28:44].hex(), "&encrypted_ppid=" + ppid.hex() if ppid else "",
            rest[:16].hex(), rest[16:18].hex(), rest[18:20].hex() or "0000")


def test_quote_without_certificates(server, tmp_path):
    folder, out = VECTORS / "dcap/sgx-v3-intel-qvl-sample-ppid", tmp_path / "c"
    path = pck_path((folder / "quote.bin").read_bytes(), False)
    server.answers[path] = (200, {
        "SGX-PCK-Certificate-Issuer-Chain": urllib.parse.quote(
            (folder / "pck_issuer_chain.pem").read_text())},
        (folder / "pck_cert.pem").read_bytes())
    server.pccs(folder, "sgx", "00707f000000", "processor")
    done = fetch(server, "--quote", folder / "quote.bin", out)
    assert done.returncode == 0, done.stderr
    same(out, folder, DCAP | {"pck_cert.pem", "pck_issuer_chain.pem"})
    done = attest("quote", "verify", "--at", "2024-01-01", "--root",
                  folder / "trusted_root.pem", "--collateral", out,
                  folder / "quote.bin")
    assert done.returncode == 0, done.stdout


def test_quote_with_encrypted_ppid(server, tmp_path):
    quote = VECTORS / "dcap/sgx-v3-oasis-encrypted-ppid/quote.bin"
    done = fetch(server, "--quote", quote, tmp_path / "c")
    assert server.asked == [pck_path(quote.read_bytes(), True)]
    assert done.returncode == 2 and "status 404" in done.stderr
    server.answers[server.asked[0]] = (
        200, {"SGX-PCK-Certificate-Issuer-Chain": "x"}, b"no certificate")
    done = fetch(server, "--quote", quote, tmp_path / "c")
    assert done.returncode == 2 and "pckcert" in done.stderr
    assert names(tmp_path) == set()


@pytest.mark.parametrize("update, asked", [
    ("early", "update=early"), ("standard", "update=standard"),
    ("17", "tcbEvaluationDataNumber=17")])
def test_by_options(server, tmp_path, update, asked):
    server.pccs(TDX, "tdx", "b0c06f000000", "platform", asked)
    done = attest("collateral", "fetch", "--pccs",
                  server.url + "/sgx/certification/v4/", "--fmspc",
                  "B0C06F000000", "--tee", "tdx", "--ca", "platform",
                  "--update", update, tmp_path / "c")
    assert done.returncode == 0, done.stderr
    same(tmp_path / "c", TDX)


def test_tls(tmp_path):
    for host in ("localhost", "example.org"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
             "/CN=" + host, "-addext", "subjectAltName=DNS:" + host,
             "-keyout", tmp_path / (host + ".key"), "-out",
             tmp_path / (host + ".pem")], check=True, capture_output=True)
    for host, right in (("localhost", True), ("example.org", False)):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        cert = tmp_path / (host + ".pem")
        tls.load_cert_chain(cert, tmp_path / (host + ".key"))
        with Server(tls) as s:
            s.pccs(SGX, "sgx", "00a067110000", "processor")
            done = fetch(s, "--quote", SGX / "quote.bin", tmp_path / "c")
            assert done.returncode == 2 and "--ca-file FILE" in done.stderr
            assert s.asked == [] and not (tmp_path / "c").exists()
            done = fetch(s, "--quote", SGX / "quote.bin", "--ca-file", cert,
                         tmp_path / "c")
            assert (done.returncode == 0) is right, done.stderr
        shutil.rmtree(tmp_path / "c", ignore_errors=True)


MILAN = VECTORS / "snp/milan-v3-oak"
GOOGLE = VECTORS / "snp/milan-v2-google"


def kds(server, folder, product, chip, levels, crl):
    base = "/vcek/v1/" + product
    server.answers |= {
        "%s/%s?%s" % (base, chip, levels): (
            200, {}, (folder / "vcek.der").read_bytes()),
        base + "/cert_chain": (
            200, {}, (folder / "cert_chain.pem").read_bytes()),
        base + "/crl": (200, {}, crl)}


@pytest.mark.parametrize("folder, options, levels", [
    (MILAN, [], "blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=219"),
    (GOOGLE, ["--product", "Milan"], "blSPL=2&teeSPL=0&snpSPL=5&ucodeSPL=68"),
])
def test_snp(server, tmp_path, folder, options, levels):
    report = (folder / "report.bin").read_bytes()
    kds(server, folder, "Milan", report[0x1a0:0x1e0].hex(), levels,
        (SGX / "root_ca_crl.der").read_bytes())
    out = tmp_path / "c"
    args = ["collateral", "fetch", "--kds", server.url, *options, "--quote",
            folder / "report.bin", out]
    done = attest(*args)
    assert done.returncode == 0, done.stderr
    assert names(out) == {"vcek.der", "cert_chain.pem", "crl.der"}
    for name in ("vcek.der", "cert_chain.pem"):
        assert (out / name).read_bytes() == (folder / name).read_bytes()
    # The list was Intel's: a lie that verification notices.
    v = json.loads(attest("quote", "verify", "--json", "--at", "2025-10-01",
                          "--collateral", out, folder / "report.bin").stdout)
    assert v["signature"] and not v["accepted"]
    assert any("crl" in f["rule"] for f in v["failures"])
    v = json.loads(attest("quote", "verify", "--json", "--at", "2025-10-01",
                          "--no-crl", "--collateral", out,
                          folder / "report.bin").stdout)
    assert v["chain"] is True


def test_snp_product_is_asked_for(server, tmp_path):
    done = attest("collateral", "fetch", "--kds", server.url, "--quote",
                  GOOGLE / "report.bin", tmp_path / "c")
    assert done.returncode == 2 and "--product Milan" in done.stderr
    assert server.asked == []


def test_vlek(server, tmp_path):
    """The chain is fetched; the VLEK, which the folder has, stays."""
    folder, out = VECTORS / "snp/milan-v3-vlek-trustee", tmp_path / "c"
    server.answers |= {
        "/vlek/v1/Milan/cert_chain": (
            200, {}, (folder / "cert_chain.pem").read_bytes()),
        "/vlek/v1/Milan/crl": (
            200, {}, (SGX / "root_ca_crl.der").read_bytes())}
    out.mkdir()
    shutil.copy(folder / "vlek.der", out)
    done = attest("collateral", "fetch", "--kds", server.url, "--quote",
                  folder / "report.bin", out)
    assert done.returncode == 0, done.stderr
    assert "vlek.der is not public" in done.stdout
    assert names(out) == {"vlek.der", "cert_chain.pem", "crl.der"}
    assert names(tmp_path) == {"c"}


def test_replaced_as_a_whole(server, tmp_path):
    out = tmp_path / "c"
    server.pccs(TDX, "tdx", "b0c06f000000", "platform")
    for _ in range(2):
        done = fetch(server, "--quote", TDX / "quote.bin", str(out) + "/")
        assert done.returncode == 0, done.stderr
        same(out, TDX)
    # What fails in the middle changes nothing.
    del server.answers["/sgx/certification/v4/rootcacrl"]
    before = {p: (p.stat().st_ino, p.read_bytes()) for p in out.iterdir()}
    done = fetch(server, "--quote", TDX / "quote.bin", out)
    assert done.returncode == 2
    assert "rootcacrl: status 404: No cache data" in done.stderr
    assert before == {p: (p.stat().st_ino, p.read_bytes())
                      for p in out.iterdir()}
    assert names(tmp_path) == {"c"}


def test_other_files_are_not_removed(server, tmp_path):
    out = tmp_path / "c"
    shutil.copytree(TDX, out)
    server.pccs(TDX, "tdx", "b0c06f000000", "platform")
    done = fetch(server, "--quote", TDX / "quote.bin", out)
    assert done.returncode == 2
    assert "quote.bin in it is no collateral" in done.stderr
    assert server.asked == [] and names(out) == names(TDX)


def spoil(path, status=200, headers=None, body=b"", keep=False):
    def change(server):
        key = next(k for k in server.answers if path in k)
        old = server.answers[key]
        server.answers[key] = (
            status, old[1] if headers is None else headers,
            old[2] if keep else body)
    return change


HEADER = "TCB-Info-Issuer-Chain"


@pytest.mark.parametrize("change, text", [
    (spoil("/tcb?"), "an empty answer"),
    (spoil("/tcb?", body=b"garbage"), "tcb_info.json"),
    (spoil("/tcb?", body=b"<html>"), "tcb_info.json"),
    (spoil("/tcb?", body=b" " * (1 << 20) + b"{}"), "larger than it can be"),
    (spoil("/tcb?", body=b" " * (1 << 22)), "larger than it can be"),
    (spoil("/tcb?", 500, body=b"a\r\nb\x1b[2J"), "status 500"),
    (spoil("/tcb?", 302, {"Location": "http://localhost/"}), "status 302"),
    (spoil("/tcb?", headers={}, keep=True), "no header " + HEADER),
    (spoil("/tcb?", headers={HEADER: "%zz"}, keep=True), "no header"),
    (spoil("/tcb?", headers={HEADER: "a%00b"}, keep=True), "no header"),
    (spoil("/tcb?", headers={HEADER: "junk"}, keep=True),
     "tcb_info_chain.pem"),
    (spoil("/tcb?", body=(SGX / "tcb_info.json").read_bytes()
           if SGX.exists() else b""),
     "is for SGX 00a067110000; wanted TDX b0c06f000000"),
    (spoil("/qe/identity", body=b"{}"), "qe_identity.json"),
    (spoil("/pckcrl", body=b"zz"), "pckcrl"),
    (spoil("/pckcrl", body=b"00"), "pckcrl"),
    (spoil("/rootcacrl", body=b"\0" * 1000), "rootcacrl"),
])
def test_wrong_answers(server, tmp_path, change, text):
    server.pccs(TDX, "tdx", "b0c06f000000", "platform")
    change(server)
    done = fetch(server, "--quote", TDX / "quote.bin", tmp_path / "c")
    assert done.returncode == 2, done.stdout
    assert text in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1 and "\x1b" not in done.stderr
    assert names(tmp_path) == set()


def test_of_the_other_kind(server, tmp_path):
    server.pccs(TDX, "sgx", "b0c06f000000", "platform")
    done = fetch(server, "--fmspc", "b0c06f000000", "--tee", "sgx",
                 tmp_path / "c")
    assert done.returncode == 2, done.stdout
    assert "TDX b0c06f000000; wanted SGX b0c06f000000" in done.stderr
    assert names(tmp_path) == set()


def test_an_older_header(server, tmp_path):
    server.pccs(TDX, "tdx", "b0c06f000000", "platform")
    path = next(iter(server.answers))
    status, headers, body = server.answers[path]
    server.answers[path] = (
        status, {"sgx-tcb-info-issuer-chain": headers[HEADER]}, body)
    done = fetch(server, "--quote", TDX / "quote.bin", tmp_path / "c")
    assert done.returncode == 0, done.stderr
    same(tmp_path / "c", TDX)


@pytest.mark.parametrize("args, text", [
    ([], "wanted --quote FILE, or --fmspc"),
    (["--fmspc", "00", "--tee", "sgx"], "12 hexadecimal digits"),
    (["--fmspc", "00/067110000", "--tee", "sgx"], "12 hexadecimal digits"),
    (["--fmspc", "00a067110000", "--tee", "snp"], "wanted sgx or tdx"),
    (["--fmspc", "00a067110000", "--tee", "sgx", "--ca", "x"],
     "processor or platform"),
    (["--fmspc", "00a067110000", "--tee", "sgx", "--update", "x&y"],
     "early, standard"),
    (["--quote", SGX / "quote.bin", "--tee", "sgx"], "one or the others"),
    (["--quote", "/etc/passwd"], "quote /etc/passwd"),
    (["--quote", "/nonexistent"], "cannot be read"),
    (["--fmspc", "00a067110000", "--tee", "sgx", "--pccs", "nonsense"],
     "wanted a URL"),
    (["--fmspc", "00a067110000", "--tee", "sgx", "--pccs",
      "http://example.org"], "wanted https"),
    (["--fmspc", "00a067110000", "--tee", "sgx", "--pccs",
      "http://localhost@example.org"], "wanted https"),
    (["--fmspc", "00a067110000", "--tee", "sgx", "--pccs",
      "file:///etc/passwd#"], "wanted https"),
    (["--fmspc", "00a067110000", "--tee", "sgx", "--pccs",
      "http://127.0.0.1:1"], "127.0.0.1"),
])
def test_wrong_use(tmp_path, args, text):
    done = attest("collateral", "fetch", *args, tmp_path / "c")
    assert done.returncode == 2
    assert text in done.stderr and done.stderr.count("\n") == 1
    assert names(tmp_path) == set()


def test_of_the_emulated_platform(tmp_path):
    env = {**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME":
           str(tmp_path / "data"), "SCONCE_EMU_DIR": str(tmp_path / "data")}
    out = tmp_path / "c"
    done = attest("collateral", "fetch", "--emulated", out, env=env)
    assert done.returncode == 0, done.stderr
    shown = json.loads(attest("collateral", "show", "--json", out).stdout)
    assert shown["missing"] == [] and shown["expired"] is False
