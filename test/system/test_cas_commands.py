# SPDX-License-Identifier: Apache-2.0
"""Every command towards CAS, as people type it: output for them and for
programs, exit statuses, what errors say; boards; the log, fetched and
verified."""

import json
import os
import re
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

import sconce
from cas_server import Cas

TOKEN = "sesame-0123456789ab"
SHOP = """
name: shop
version: "1.0"
services:
  - {name: show, command: [/bin/sh, -c, 'echo "$P"'],
     environment: {P: "$$SCONE::password$$"}}
secrets:
  - {name: password, kind: ascii, size: 40}
  - {name: ca_key, kind: private-key}
  - {name: ca, kind: x509-ca, private_key: ca_key, common_name: Shop,
     export_public: true}
security: {attestation: {mode: none}, service_access_token: "%s"}
"""


@pytest.fixture(scope="module")
def cas(tmp_path_factory):
    with Cas(tmp_path_factory.mktemp("commands"), provisioned=False) as cas:
        cas.owner.cli("cas", "provision").check()
        yield cas


@pytest.fixture(scope="module")
def alice(cas):
    return cas.person("alice")


def write(path, text):
    path.write_text(text)
    return path


def words(name, version=""):
    return 'name: %s\nversion: "1.0"\n%s\n' % (name, version)


def loads(done):
    """Standard output of --json: JSON, and nothing else."""
    return json.loads(done.check().out)


# ---- each command, for people and for programs ----

def test_cas(cas, alice, tmp_path):
    key = alice.cli("cas", "key").check().out.strip()
    assert key == alice.key
    assert loads(alice.cli("cas", "key", "--json")) == {
        "key": key, "file": str(alice.pem)}
    said = loads(alice.attest("--json"))
    assert said["key"] == cas.key and said["state"] == "without an enclave"
    assert cas.key in alice.attest().check().out
    status = loads(cas.owner.cli("cas", "status", "--json"))
    assert status["provisioned"] == "true" and status["identity"] == cas.key
    assert "provisioned: true" in cas.owner.cli("cas", "status").check().out
    config = write(tmp_path / "c.yaml", "name: renamed\nauditors: [%s]\n"
                   % cas.person("auditor").key)
    assert loads(cas.owner.cli("cas", "provision", "--json", config)) == {
        "owner": cas.owner.key, "name": "renamed"}


def test_sessions(cas, alice, tmp_path):
    path = write(tmp_path / "s.yaml", SHOP % TOKEN)
    made = loads(alice.cli("session", "create", "--json", path))
    assert made["session"] == "shop" and len(made["hash"]) == 64
    read = alice.cli("session", "read", "shop").check()
    assert "name: shop" in read.out and TOKEN not in read.out
    answer = loads(alice.cli("session", "read", "--json", "shop"))
    assert answer["session"] == read.out and answer["hash"] == made["hash"]
    old = alice.cli("session", "read", "--hash", made["hash"], "shop").check()
    assert old.out == read.out
    assert alice.cli("session", "verify", "shop", made["hash"]).status == 0
    assert loads(alice.cli("session", "verify", "--json", "shop",
                           made["hash"]))["hash"] == made["hash"]
    done = alice.cli("session", "verify", "shop", "ab" * 32)
    assert done.status == 1 and "another version" in done.err
    more = write(tmp_path / "more.yaml", SHOP % TOKEN
                 + 'predecessor: "%s"\nvolumes: [{name: v}]\n' % made["hash"])
    effects = alice.cli("session", "diff", more).check().out
    assert "volume" in effects, effects
    assert loads(alice.cli("session", "diff", "--json", more))[
        "taken"] == "true"
    assert loads(alice.cli("session", "diff", "--json", path))[
        "taken"] == "false"
    dry = alice.cli("session", "dry-run", "--service", "show", "shop",
                    write(tmp_path / "e", "junk"))
    assert dry.status == 0 and dry.out.strip(), dry
    assert "accepted" in loads(alice.cli(
        "session", "dry-run", "--json", "--service", "show", "shop",
        tmp_path / "e"))
    new = loads(alice.cli("session", "update", "--json", more))["hash"]
    assert new != made["hash"]
    done = alice.cli("session", "update", more)
    assert done.status == 1, done
    names = alice.cli("session", "list").check().out.splitlines()
    assert "shop" in names
    assert loads(alice.cli("session", "list", "--json", "sh"))[
        "sessions"] == ["shop"]
    assert alice.cli("session", "list", "no").check().out == ""
    pem = alice.cli("secret", "public", "--format", "crt:pem", "shop",
                    "ca").check().out
    assert pem.startswith("-----BEGIN CERTIFICATE-----")
    alice.cli("secret", "public", "-o", tmp_path / "ca.pem", "--format",
              "crt:pem", "shop", "ca").check()
    assert (tmp_path / "ca.pem").read_text() == pem
    secret = alice.cli("exec", "-q", "--session", "shop/show", "--token",
                       TOKEN, "--", keep=False).check().out.strip()
    assert len(secret) == 40
    cas.secrets += [secret, TOKEN]
    loads(alice.cli("session", "create", "--json",
                    write(tmp_path / "d.yaml", words("doomed"))))
    assert loads(alice.cli("session", "delete", "--json", "doomed")) == {
        "session": "doomed"}
    done = alice.cli("session", "delete", "doomed")
    assert done.status == 1 and "doomed: not there" in done.err


# ---- what errors say ----

@pytest.mark.parametrize("args,status,text", [
    (["session", "read", "nowhere"], 1, "ask its owner"),
    (["session", "read"], 2, "NAME"),
    (["session", "read", "--hash", "12", "x"], 2, "64 hexadecimal digits"),
    (["session", "verify", "x", "zz"], 2, "64 hexadecimal digits"),
    (["session", "create", "/nowhere/s.yaml"], None, "/nowhere/s.yaml"),
    (["session", "create", "--signature", __file__, "-"], 2,
     "sconce session sign"),
    (["session", "dry-run", "x", "/dev/null"], 2, "--service NAME: missing"),
    (["session", "frobnicate"], 2, "sconce session help"),
    (["session", "list", "--frob"], 2, "--frob"),
    (["secret", "public", "x", "y"], 1, "no such public value"),
    (["proposal", "show", "ab"], 1, "ask its owner"),
    (["proposal", "vote", "--key", "/dev/null", "ab"], 2,
     "Ed25519, P-256 or P-384"),
    (["cas", "status"], 1, "another owner"),
    (["cas", "provision"], 1, "another owner"),
    (["cas", "status", "--cas", "nowhere.invalid:1"], 1,
     "sconce cas attest"),
    (["cas", "status", "--cas-key", "xy", "--cas", "a:1"], 2,
     "64 hexadecimal digits"),
    (["cas", "attest", "127.0.0.1"], 2, "HOST:PORT"),
    (["cas", "attest", "--native", "127.0.0.1:1"], 1, "nobody answers"),
    (["cas", "start"], 2, "--state DIR: missing"),
    (["cas", "manifest"], 2, "sconce cas image"),
    (["audit", "fetch"], 1, "auditors that the owner named"),
    (["audit", "fetch", "--from", "x"], 2, "wanted a number"),
    (["audit", "fetch", "--from", "12x"], 2, "wanted a number"),
])
def test_errors(alice, args, status, text):
    done = alice.cli(*args, input="name: [\n")
    assert status is None and done.status in (1, 2) or \
        done.status == status, done
    assert text in done.err and done.out == "", done
    assert done.err.startswith("sconce") and len(done.err) < 1000


def test_policies_with_errors_are_pointed_at(alice, tmp_path):
    path = write(tmp_path / "s.yaml", words("s") + "servces: []\n")
    done = alice.cli("session", "create", path)
    assert done.status == 2, done
    assert ":4:1:" in done.err and "services" in done.err


def test_another_key_is_not_taken_for_cas(cas, alice, tmp_path):
    done = alice.cli("session", "list", "--cas-key", "ab" * 32, "--cas",
                     "127.0.0.1:%d" % cas.port)
    assert done.status == 1 and "sconce cas attest" in done.err
    # A CAS in the place of the one that was attested.
    with Cas(tmp_path) as other:
        eve = other.person("eve")
        eve.attest().check()
        known = eve.folder / "sconce/cas.json"
        known.write_text(known.read_text().replace(other.key, cas.key))
        done = eve.cli("session", "list")
        assert done.status == 1 and "somebody is in between" in done.err
        # Without --native, nothing outside of enclaves is taken.
        done = eve.cli("cas", "attest", "127.0.0.1:%d" % other.port)
        assert done.status == 1 and "--native" in done.err
        done = eve.attest("--rollback", "quorum")
        assert done.status == 1 and "'none'" in done.err


def test_help_of_every_command(alice):
    for group in ("cas", "session", "proposal", "secret", "audit"):
        listed = alice.cli(group, "help").check().out
        for name in re.findall(r"^  (?:sconce audit )?([a-z-]+) ", listed,
                               re.M):
            done = alice.cli(group, name, "--help")
            assert done.status == 0 and "usage:" in done.out, (group, name)


# ---- boards ----

def pem_key(path, key):
    path.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))
    return key.public_key().public_bytes(
        serialization.Encoding.PEM,
        serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def board(tmp_path, name, version="", more="", veto=""):
    """Two of three signers; alice may read, and propose."""
    keys = [ed25519.Ed25519PrivateKey.generate(),
            ec.generate_private_key(ec.SECP256R1()),
            ec.generate_private_key(ec.SECP384R1())]
    text = words(name, version) + more + \
        "access_policy:\n  read: CREATOR\n  update:\n    " \
        "require-at-least-2:\n"
    for i, key in enumerate(keys):
        path = tmp_path / ("member%d.pem" % i)
        if path.exists():
            public = subprocess.run(
                ["openssl", "pkey", "-in", path, "-pubout"], check=True,
                text=True, capture_output=True).stdout
        else:
            public = pem_key(path, key)
        text += "      - signer: |\n" + "".join(
            "          %s\n" % line for line in public.splitlines())
    return text + veto


def test_two_of_three(alice, tmp_path):
    path = write(tmp_path / "b.yaml", board(tmp_path, "two"))
    first = loads(alice.cli("session", "create", "--json", path))["hash"]
    write(path, board(tmp_path, "two", 'predecessor: "%s"' % first,
                      "volumes: [{name: v}]\n"))
    opened = loads(alice.cli("proposal", "open", "--json", "--comment",
                             "more room", path))
    id_ = opened["id"]
    assert opened["state"] == "open"
    shown = loads(alice.cli("proposal", "show", "--json", id_))["proposal"]
    assert shown["comment"] == "more room" and shown["votes"] == []
    assert alice.cli("proposal", "show", id_).check().out
    listed = loads(alice.cli("proposal", "list", "--json", "two"))
    assert [p["id"] for p in listed["proposals"]] == [id_]
    # A key that the rules do not name; the proposer's own.
    pem_key(tmp_path / "eve.pem", ed25519.Ed25519PrivateKey.generate())
    done = alice.cli("proposal", "vote", "--key", tmp_path / "eve.pem", id_)
    assert done.status == 1 and "do not name this key" in done.err
    done = alice.cli("proposal", "vote", id_)
    assert done.status == 1 and "signers vote by signature" in done.err
    # The same member twice is one vote; reasons are recorded.
    vote = ["proposal", "vote", "--json", "--reason", "fine", "--key",
            tmp_path / "member0.pem", id_]
    assert loads(alice.cli(*vote))["state"] == "open"
    done = alice.cli(*vote)
    assert done.status == 1 and "has voted so already" in done.err
    # A no, with its reason.
    alice.cli("proposal", "vote", "--reject", "--reason", "wait", "--key",
              tmp_path / "member1.pem", id_).check()
    votes = loads(alice.cli("proposal", "show", "--json", id_))[
        "proposal"]["votes"]
    assert sorted((v["yes"], v["reason"]) for v in votes) == [
        (False, "wait"), (True, "fine")]
    done = alice.cli("proposal", "vote", "--key", tmp_path / "member2.pem",
                     id_).check()
    # What is signed is shown first.
    assert "sconce-cas-change-1\nupdate\ntwo\n" + first in done.out
    state = loads(alice.cli("proposal", "show", "--json", id_))["state"]
    assert state == "applied"
    now = loads(alice.cli("session", "read", "--json", "two"))["hash"]
    assert now != first and now == shown["hash"]
    done = alice.cli("proposal", "vote", "--key", tmp_path / "member0.pem",
                     id_)
    assert done.status == 1 and "applied already" in done.err
    # A no outlasts what came before and after it.
    done = alice.cli("proposal", "vote", "--key", tmp_path / "member1.pem",
                     id_)
    assert done.status == 1 and done.err


def test_veto_and_withdrawal(alice, tmp_path):
    public = pem_key(tmp_path / "veto.pem",
                     ed25519.Ed25519PrivateKey.generate())
    veto = "board:\n  veto:\n    - signer: |\n" + "".join(
        "        %s\n" % line for line in public.splitlines())
    path = write(tmp_path / "b.yaml", board(tmp_path, "vetoed", veto=veto))
    first = loads(alice.cli("session", "create", "--json", path))["hash"]
    text = board(tmp_path, "vetoed", 'predecessor: "%s"' % first,
                 "volumes: [{name: v}]\n", veto)
    write(path, text)
    # Changed by proposals only, even with all signatures.
    signatures = []
    for i in range(2):
        file = tmp_path / ("sig%d" % i)
        alice.cli("session", "sign", "--creator", alice.key, "--key",
                  tmp_path / ("member%d.pem" % i), "-o", file, path).check()
        signatures += ["--signature", file]
    done = alice.cli("session", "update", *signatures, path)
    assert done.status == 1 and "propos" in done.err, done
    id_ = loads(alice.cli("proposal", "open", "--json", path))["id"]
    alice.cli("proposal", "vote", "--key", tmp_path / "member0.pem",
              id_).check()
    alice.cli("proposal", "vote", "--reject", "--key", tmp_path / "veto.pem",
              "--reason", "no", id_).check()
    assert loads(alice.cli("proposal", "show", "--json", id_))[
        "state"] == "vetoed"
    assert alice.cli("proposal", "vote", "--key", tmp_path / "member1.pem",
                     id_).status == 1
    assert loads(alice.cli("session", "read", "--json", "vetoed"))[
        "hash"] == first
    id_ = loads(alice.cli("proposal", "open", "--json", path))["id"]
    done = alice.cas.person("stranger").cli("proposal", "withdraw", id_)
    assert done.status == 1 and "not there" in done.err
    assert loads(alice.cli("proposal", "withdraw", "--json", id_))[
        "state"] == "withdrawn"
    done = alice.cli("proposal", "withdraw", id_)
    assert done.status == 1 and "over already" in done.err


def test_signatures_of_a_change(alice, tmp_path):
    path = write(tmp_path / "b.yaml", board(tmp_path, "signed"))
    first = loads(alice.cli("session", "create", "--json", path))["hash"]
    write(path, board(tmp_path, "signed", 'predecessor: "%s"' % first,
                      "volumes: [{name: v}]\n"))
    for i in range(2):
        alice.cli("session", "sign", "--creator", alice.key, "--key",
                  tmp_path / ("member%d.pem" % i), "-o",
                  tmp_path / ("sig%d" % i), path).check()
    done = alice.cli("session", "update", "--signature", tmp_path / "sig0",
                     path)
    assert done.status == 1 and done.err, done
    done = alice.cli("session", "update", "--signature", tmp_path / "sig0",
                     "--signature", tmp_path / "sig1", path).check()


# ---- the log ----

def test_log_is_fetched_and_verified(cas, alice, tmp_path):
    owner, log = cas.owner, tmp_path / "log"

    def verify(path, *more):
        done = owner.cli("audit", "verify", "--json", "--cas-key", cas.key,
                         *more, path)
        if done.status != 2:
            json.loads(done.out)
        return done.status

    alice.create(words("logged"))
    owner.cli("audit", "fetch", "-o", log).check()
    assert verify(log) == 0
    out = owner.cli("audit", "show", log).check().out
    assert "session.create" in out and "logged" in out
    lines = log.read_text().splitlines(True)
    known = write(tmp_path / "known", lines[-1])
    # Without its end; a record changed; another CAS; an older log.
    cut = write(tmp_path / "cut", "".join(lines[:-2]))
    assert verify(cut) == 14
    bad = write(tmp_path / "bad", "".join(lines).replace(
        '"logged"', '"logger"'))
    assert verify(bad) == 20
    done = owner.cli("audit", "verify", "--cas-key", "ab" * 32, log)
    assert done.status == 19
    alice.create(words("later"))
    newer = tmp_path / "newer"
    owner.cli("audit", "fetch", "-o", newer).check()
    assert verify(newer, "--known", known) == 0
    late = write(tmp_path / "late",
                 newer.read_text().splitlines(True)[-1])
    assert verify(log, "--known", late) == 16
    # The operator rolls the state back, without witnesses; who remembers
    # the log's head sees it.
    cas.stop()
    copy = tmp_path / "copy"
    shutil.copytree(cas.state, copy)
    cas.start()
    alice.create(words("lost"))
    after = tmp_path / "after"
    owner.cli("audit", "fetch", "-o", after).check()
    remembered = write(tmp_path / "remembered",
                       after.read_text().splitlines(True)[-1])
    cas.stop()
    shutil.rmtree(cas.state)
    shutil.copytree(copy, cas.state)
    cas.start()
    forked = tmp_path / "forked"
    owner.cli("audit", "fetch", "-o", forked).check()
    assert verify(forked) == 0
    assert verify(forked, "--known", remembered) in (16, 17)


def test_long_logs_come_in_pages(cas, alice, tmp_path):
    for _ in range(1100):
        alice.ask("GET", "/v1/sessions/shop")
    log = tmp_path / "log"
    cas.owner.cli("audit", "fetch", "-o", log).check()
    assert len(log.read_text().splitlines()) > 1100
    cas.owner.cli("audit", "verify", "--cas-key", cas.key, log).check()


def test_identity_of_a_first_use(cas, tmp_path):
    env = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "new")}
    os.mkdir(tmp_path / "new")
    done = subprocess.run([sconce.SCONCE, "cas", "key"], env=env, check=True,
                          capture_output=True, text=True)
    pem = tmp_path / "new/sconce/client.pem"
    assert pem.stat().st_mode & 0o777 == 0o600
    again = subprocess.run([sconce.SCONCE, "cas", "key"], env=env, check=True,
                           capture_output=True, text=True)
    assert again.stdout == done.stdout
