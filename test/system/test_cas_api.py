# SPDX-License-Identifier: Apache-2.0
"""CAS from outside: its REST API as it describes itself, and who may what.

All of it is one CAS; when the module ends, none of the values that it made
and that an `sconce exec` service got may be in any answer that anybody got."""

import json
import os
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import x25519

import sconce
from cas_server import CAS, Cas

OPENAPI = json.loads((sconce.ROOT / "doc/openapi.json").read_text())
OPERATIONS = [(method.upper(), path, op) for path, methods
              in OPENAPI["paths"].items() for method, op in methods.items()]
TOKEN = "sesame-" + "0123456789ab" * 2
PROBE = """
name: %(name)s
version: "1.0"
services:
  - name: show
    command: [/bin/sh, -c, 'echo "$PASSWORD"; echo "$KEY"; echo "$RAW"']
    environment:
      PASSWORD: "$$SCONE::password$$"
      RAW: "$$SCONE::raw:hex$$"
      KEY: "$$SCONE::ca_key:pkcs8:pem$$"
  - {name: hold, command: [/bin/sleep, "600"], instances: 1}
secrets:
  - {name: password, kind: ascii, size: 40}
  - {name: raw, kind: binary, size: 32}
  - {name: ca_key, kind: private-key, migrate: true}
  - {name: ca, kind: x509-ca, private_key: ca_key, common_name: Probe,
     export_public: true}
  - {name: own, kind: ascii, value: "written-by-hand-81e2"}
access_policy:
  read: [CREATOR, "%(reader)s"]
security:
  attestation: {mode: none}
  service_access_token: "%(token)s"
"""


@pytest.fixture(scope="module")
def cas(tmp_path_factory):
    with Cas(tmp_path_factory.mktemp("cas")) as cas:
        auditor = cas.person("auditor").key
        answer = cas.owner.ask("POST", "/v1/owner/provision",
                               "name: CAS\nauditors: [%s]\n" % auditor)
        assert answer.status == 200, answer
        alice = cas.person("alice")
        cas.hash = alice.create(PROBE % {
            "name": "probe", "reader": cas.person("reader").key,
            "token": TOKEN})
        done = alice.cli("exec", "-q", "--session", "probe/show", "--token",
                         TOKEN, "--", keep=False).check()
        lines = done.out.splitlines()
        assert len(lines[0]) == 40 and len(lines[-1]) == 64, done
        assert lines[1].endswith("BEGIN PRIVATE KEY-----"), done
        cas.secrets += [lines[0], lines[-1], bytes.fromhex(lines[-1]),
                        TOKEN, "written-by-hand-81e2", "PRIVATE KEY",
                        *lines[2:-2]]
        cas.old = sealed_board(cas)
        yield cas


def board(cas, name, more="", version="", n=2):
    """A session of three members, two of whom decide."""
    keys = [cas.person("member%d" % i).key for i in range(3)]
    return """
name: %s
version: "1.0"
%s
access_policy:
  read: [CREATOR, %s]
  update: {require-at-least-%d: [%s]}
board: {veto: ["%s"]}
services:
  - {name: s, command: [/bin/true, "%s"], attestation: {sgx: {mrenclave:
     "%064d"}}}
""" % (name, version, ", ".join(keys), n, ", ".join(keys),
       cas.person("veto").key, more, 1)


def sealed_board(cas):
    return cas.person("alice").create(board(cas, "board"))


# ---- the description ----

def test_description_in_the_tree_is_of_the_program():
    out = subprocess.run([CAS, "--openapi"], check=True, text=True,
                         capture_output=True).stdout
    assert out == (sconce.ROOT / "doc/openapi.json").read_text(), \
        "sconce-cas --openapi > doc/openapi.json"


def resolve(node):
    while "$ref" in node:
        at = OPENAPI
        for part in node["$ref"].split("/")[1:]:
            at = at[part]
        node = at
    return node


TYPES = {"string": str, "integer": int, "boolean": bool, "array": list,
         "object": dict, "null": type(None)}


def conforms(value, schema, at="answer"):
    kinds = schema.get("type")
    if kinds:
        kinds = kinds if isinstance(kinds, list) else [kinds]
        assert any(type(value) is TYPES[k] for k in kinds), (at, value, kinds)
    for name in schema.get("required", []) if type(value) is dict else []:
        assert name in value, (at, name, value)
    known = schema.get("properties", {})
    for name in value if type(value) is dict else []:
        assert name in known or schema.get("additionalProperties", True), \
            "%s: %s is not described" % (at, name)
        conforms(value[name], known.get(name, {}), at + "." + name)
    for item in value if type(value) is list else []:
        conforms(item, schema.get("items", {}), at + "[]")


def check(answer, op):
    """That the answer is one of those that op has."""
    said = resolve(op["responses"].get(str(answer.status),
                                       op["responses"]["default"]))
    kind = answer.headers["Content-Type"].split(";")[0]
    assert kind in said["content"], (answer, list(said["content"]))
    assert answer.headers["Cache-Control"] == "no-store"
    if kind == "application/json":
        conforms(answer.json, said["content"][kind]["schema"])


def proposal_of(cas):
    if not hasattr(cas, "proposal"):
        answer = cas.person("member0").ask(
            "POST", "/v1/proposals", {
                "session": board(cas, "board", "x",
                                 'predecessor: "%s"' % cas.old),
                "comment": "why not"})
        assert answer.status == 200, answer
        cas.proposal = answer.json["id"]
    return cas.proposal


def member_key():
    return x25519.X25519PrivateKey.generate().public_key().public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw).hex()


def backup_of(cas):
    answer = cas.owner.ask("POST", "/v1/owner/backups")
    assert answer.status == 200, answer
    return answer.json["sha256"]


def question(cas, op):
    """Who asks for what, so that it succeeds: person, path and query, body."""
    make = 'name: made\nversion: "1.0"\n'
    who = cas.person("alice")
    return {
        "version": lambda: (who, "/v1/version", None),
        "attestation": lambda: (who, "/v1/attestation?nonce=abc", None),
        "openapi": lambda: (who, "/v1/openapi.json", None),
        "sessionCreate": lambda: (who, "/v1/sessions", make),
        "sessionUpdate": lambda: (
            who, "/v1/sessions", make + "predecessor: %s\n"
            % who.ask("GET", "/v1/sessions/made").json["hash"]),
        "sessionList": lambda: (who, "/v1/sessions?prefix=pro", None),
        "sessionRead": lambda: (who, "/v1/sessions/probe", None),
        "sessionDelete": lambda: (who, "/v1/sessions/made", None),
        "sessionVerify": lambda: (
            who, "/v1/verify/probe?hash=" + cas.hash, None),
        "sessionDiff": lambda: (
            who, "/v1/diff", make.replace("made", "other")),
        "sessionDryRun": lambda: (
            who, "/v1/dry-run/probe?service=show", b"junk"),
        "publicValue": lambda: (
            who, "/v1/values?session=probe&secret=ca&format=crt:pem", None),
        "proposalOpen": lambda: (
            cas.person("member1"), "/v1/proposals",
            board(cas, "board", "y", 'predecessor: "%s"' % cas.old)),
        "proposalList": lambda: (cas.person("member1"), "/v1/proposals",
                                 None),
        "proposalRead": lambda: (cas.person("member1"), "/v1/proposals/"
                                 + proposal_of(cas), None),
        "proposalVote": lambda: (
            cas.person("member1"), "/v1/proposals/%s/votes"
            % proposal_of(cas), {"yes": True, "reason": "good"}),
        "proposalWithdraw": lambda: (
            cas.person("member0"), "/v1/proposals/" + proposal_of(cas), None),
        "provision": lambda: (
            cas.owner, "/v1/owner/provision", "name: CAS\nauditors: [%s]\n"
            % cas.person("auditor").key),
        "ownerStatus": lambda: (cas.owner, "/v1/owner/status", None),
        "recoveryMake": lambda: (
            cas.owner, "/v1/owner/recovery",
            {"need": 2, "members": [member_key() for _ in range(3)]}),
        "recoveryGet": lambda: (cas.owner, "/v1/owner/recovery", None),
        "successorApprove": lambda: (
            cas.owner, "/v1/owner/successors",
            {"mrenclave": "11" * 32, "config_id": os.urandom(64).hex()}),
        "successorList": lambda: (cas.owner, "/v1/owner/successors", None),
        "successorWithdraw": lambda: (
            cas.owner, "/v1/owner/successors", None),
        "backupMake": lambda: (cas.owner, "/v1/owner/backups", None),
        "backupGet": lambda: (
            cas.owner, "/v1/owner/backups?offset=0&sha256=" + backup_of(cas),
            None),
        "auditLog": lambda: (cas.owner, "/v1/audit/log?from=1", None),
        "auditCheckpoint": lambda: (who, "/v1/audit/checkpoint", None),
        "metrics": lambda: (who, "/metrics", None),
        "healthz": lambda: (who, "/healthz", None),
        "readyz": lambda: (who, "/readyz", None),
    }[op]()


# What others rest on comes first; what ends things, last.
LATE = ["proposalWithdraw", "sessionDelete"]


@pytest.mark.parametrize("method,path,op", sorted(
    OPERATIONS, key=lambda row: row[2]["operationId"] in LATE),
    ids=lambda v: v["operationId"] if isinstance(v, dict) else "")
def test_operation_answers_as_described(cas, method, path, op):
    who, place, body = question(cas, op["operationId"])
    answer = who.ask(method, place, body)
    assert answer.status == 200, answer
    check(answer, op)
    # Who shows no key.
    stranger = cas.person("nobody").ask(method, place, body)
    check(stranger, op)
    if op.get("security") == []:
        assert stranger.status == 200, stranger
    else:
        assert stranger.status == 403 and stranger.error == "EACCES"
        assert "client certificate" in stranger.json["error"]
    # Parameters that are wanted are missed; malformed ones are named.
    for p in op["parameters"]:
        if p["in"] == "query" and p["required"]:
            missing = who.ask(method, place.split("?")[0], body)
            check(missing, op)
            assert missing.status == 400 and missing.error == "EINVAL"


@pytest.mark.parametrize("path", sorted(OPENAPI["paths"]))
def test_other_methods_are_405(cas, path):
    place = path.replace("{name}", "a/b").replace("{id}", "ab")
    known = {m.upper() for m in OPENAPI["paths"][path]}
    for method in {"GET", "PUT", "POST", "DELETE", "PATCH", "HEAD",
                   "OPTIONS"} - known:
        answer = cas.person("nobody").ask(method, place)
        assert answer.status == 405, (method, path, answer)
        assert set(answer.headers["Allow"].split(", ")) >= known
        if method != "HEAD":
            assert answer.error == "EOPNOTSUPP"


@pytest.mark.parametrize("path", [
    "/", "/v1", "/v1/", "/v2/version", "/v1/version/", "/v1/sessions/",
    "/v1/proposals//votes", "//v1/version", "/v1/../metrics",
    "/v1/versio%6e", "/v1/sessionsx"])
def test_other_paths_are_404(cas, path):
    answer = cas.person("alice").ask("GET", path)
    assert answer.status == 404 and answer.error == "ENOENT", answer


@pytest.mark.parametrize("path,status", [
    ("/v1/attestation?nonce=%ff", 400), ("/v1/attestation?nonce=a%0ab", 400),
    ("/v1/attestation?nonce=" + "a" * 129, 400),
    ("/v1/attestation?nonce=" + "a" * 128, 200),
    ("/v1/sessions/%ff", 400), ("/v1/sessions/a%00b", 400),
    ("/v1/sessions/a%0ab", 400), ("/v1/sessions/a//b", 403),
    ("/v1/sessions/" + "a" * 1200, 400),
    ("/v1/sessions/probe?hash=12", 400), ("/v1/verify/probe?hash=xy", 400),
    ("/v1/values?session=probe&secret=%ff", 404),
    ("/v1/values?session=%ff&secret=ca", 400),
    ("/v1/values?session=probe&secret=ca&format=%ff", 400),
    ("/v1/values?session=probe&secret=password", 404),
    ("/v1/values?session=probe&secret=ca_key", 404),
    ("/v1/values?session=probe&secret=ca&format=pkcs8:pem", 400),
    ("/v1/proposals/%ff", 403), ("/v1/proposals/%ff/votes", 405)])
def test_strange_input_is_refused_in_json(cas, path, status):
    answer = cas.person("alice").ask("GET", path)
    assert answer.status == status, answer
    assert isinstance(answer.json, dict)


@pytest.mark.parametrize("text", [
    "abc", "0", "-1", "1x", "", "99999999999999999999999"])
def test_number_of_a_record(cas, text):
    answer = cas.owner.ask("GET", "/v1/audit/log?from=" + text)
    assert answer.status == 400 and answer.error == "EINVAL", answer
    assert cas.owner.ask("GET", "/v1/audit/log?from=99999").body == b""


@pytest.mark.parametrize("offset", ["-1", "x", "", "1x", " 1"])
def test_offset_in_a_copy(cas, offset):
    path = "/v1/owner/backups?sha256=%s&offset=" % backup_of(cas)
    answer = cas.owner.ask("GET", path + offset.replace(" ", "%20"))
    assert answer.status == 400 and answer.error == "EINVAL", answer
    assert cas.owner.ask("GET", path + str(1 << 40)).body == b""


@pytest.mark.parametrize("method,path,body", [
    ("POST", "/v1/sessions", "["), ("POST", "/v1/sessions", "[]"),
    ("POST", "/v1/sessions", "[" * 3000), ("POST", "/v1/sessions", "{}"),
    ("POST", "/v1/sessions", '{"session": 1}'),
    ("POST", "/v1/sessions", '{"session": "a", "session": "b"}'),
    ("POST", "/v1/sessions", '{"session": "a", "signatures": {}}'),
    ("POST", "/v1/sessions", '{"session": "a", "signatures": [1]}'),
    ("PUT", "/v1/sessions", '{"session": "a", "signatures": [{"key": "!!!!",'
     '"value": "AAAA"}]}'),
    ("PUT", "/v1/sessions", json.dumps({"session": "a", "signatures": [
        {"key": "AAAA", "value": "AAAA"}] * 33})),
    ("DELETE", "/v1/sessions/probe", "[]"),
    ("DELETE", "/v1/sessions/probe", '{"signatures": 3}'),
    ("POST", "/v1/proposals", '{"session": ""}'),
    ("POST", "/v1/proposals/ab/votes", "{}"),
    ("POST", "/v1/proposals/ab/votes", '{"yes": 1}'),
    ("POST", "/v1/proposals/ab/votes", '{"yes": true, "signature": 1}')])
def test_bodies_that_are_not_what_is_wanted(cas, method, path, body):
    answer = cas.person("alice").ask(method, path, body,
                                     "application/json")
    assert answer.status == 400 and answer.error == "EINVAL", answer


# ---- who may what ----

def nothing_there(answer):
    return (answer.status, answer.json["code"],
            answer.json["error"].replace("nowhere", "probe"))


@pytest.mark.parametrize("method,path,body", [
    ("GET", "/v1/sessions/%s", None),
    ("GET", "/v1/sessions/%s?hash=" + "ab" * 32, None),
    ("GET", "/v1/verify/%s?hash=" + "ab" * 32, None),
    ("DELETE", "/v1/sessions/%s", None),
    ("PUT", "/v1/sessions", "name: %s\nversion: '1.0'\npredecessor: "
     + "ab" * 32),
    ("POST", "/v1/dry-run/%s?service=show", b"x"),
    ("POST", "/v1/proposals", "name: %s\nversion: '1.0'\npredecessor: "
     + "ab" * 32)])
def test_who_may_not_does_not_learn_what_there_is(cas, method, path, body):
    for name in ("stranger", "owner", "auditor"):
        person = cas.person(name)
        got = [nothing_there(person.ask(
            method, path % session if "%s" in path else path,
            body % session if isinstance(body, str) else body))
            for session in ("probe", "nowhere")]
        assert got[0] == got[1], (name, got)
        assert got[0][0] == 403, got


def test_roles(cas):
    who = {n: cas.person(n) for n in (
        "alice", "reader", "stranger", "owner", "auditor", "member0")}

    def may(method, path, body=None, **wanted):
        for name, person in who.items():
            answer = person.ask(method, path, body)
            ok = name in wanted["who"].split()
            assert (answer.status == 200) == ok, (name, path, answer)
            assert ok or answer.error == "EACCES", (name, path, answer)

    may("GET", "/v1/sessions/probe", who="alice reader")
    may("GET", "/v1/sessions/board", who="alice member0")
    may("GET", "/v1/verify/probe?hash=" + cas.hash, who="alice reader")
    may("POST", "/v1/dry-run/probe?service=show", b"x", who="alice reader")
    may("POST", "/v1/diff", PROBE % {
        "name": "probe", "reader": who["reader"].key, "token": "other"}
        + "predecessor: %s\n" % cas.hash, who="alice reader")
    may("GET", "/v1/audit/log", who="owner auditor")
    may("GET", "/v1/owner/status", who="owner")
    may("POST", "/v1/owner/backups", who="owner")
    may("POST", "/v1/owner/recovery", {"need": 1, "members": [member_key()]},
        who="owner")
    may("GET", "/v1/owner/recovery", who="owner")
    may("POST", "/v1/sessions", "name: probe/below\nversion: '1.0'\n",
        who="alice")
    may("GET", "/v1/values?session=probe&secret=ca",
        who="alice reader stranger owner auditor member0")
    # Lists have what one may know of, and nothing else.
    for name, person in who.items():
        names = person.ask("GET", "/v1/sessions").json["sessions"]
        assert ("probe" in names) == (name in ("alice", "reader")), name
        assert ("board" in names) == (name in ("alice", "member0")), name
    # Readers do not write; nobody but the owner decides about CAS.
    text = PROBE % {"name": "probe", "reader": who["reader"].key,
                    "token": TOKEN} + "predecessor: %s\n" % cas.hash
    for name, person in who.items():
        if name != "alice":
            answer = person.ask("PUT", "/v1/sessions", text)
            assert (answer.status, answer.error) == (403, "EACCES"), name
            answer = person.ask("DELETE", "/v1/sessions/probe")
            assert (answer.status, answer.error) == (403, "EACCES"), name
        if name != "owner":
            answer = person.ask("POST", "/v1/owner/provision", "name: mine")
            assert (answer.status, answer.error) == (403, "EACCES"), name
    answer = who["stranger"].ask("GET", "/v1/proposals")
    assert answer.json["proposals"] == []


def test_values_that_people_wrote_are_masked(cas):
    text = cas.person("alice").ask("GET", "/v1/sessions/probe").json["session"]
    assert text.count("********") == 2
    for name in ("alice", "reader"):
        answer = cas.person(name).ask(
            "POST", "/v1/diff", text + "\npredecessor: %s\n" % cas.hash)
        assert answer.status == 400, answer
        assert "what CAS shows in place of values" in answer.json["error"]


def test_every_denial_is_in_the_log(cas):
    cas.person("stranger").ask("GET", "/v1/sessions/probe")
    log = cas.person("auditor").ask("GET", "/v1/audit/log").body.decode()
    assert any(e.get("denied") and e["actor"] == cas.person("stranger").key
               for line in log.splitlines()
               for e in json.loads(line).get("events", []))


# ---- before there is an owner ----

def test_before_it_has_an_owner(tmp_path):
    with Cas(tmp_path, provisioned=False) as cas:
        alice = cas.person("alice")
        assert cas.health().status == 200
        ready = alice.ask("GET", "/readyz")
        assert ready.status == 503 and "provision" in ready.json["error"]
        for method, path, body in (
                ("GET", "/v1/sessions", None), ("GET", "/v1/proposals", None),
                ("POST", "/v1/sessions", "name: s\nversion: '1.0'\n")):
            answer = alice.ask(method, path, body)
            assert (answer.status, answer.error) == (503, "EAGAIN"), answer
            assert "sconce cas provision" in answer.json["error"]
        assert alice.ask("GET", "/v1/audit/log").status == 403
        status = alice.ask("GET", "/v1/owner/status").json
        assert status == {"provisioned": "false", "identity": cas.key}
        assert alice.ask("POST", "/v1/owner/provision", "name: [").error \
            == "EINVAL"
        assert alice.ask("POST", "/v1/owner/provision",
                         "name: A\n").status == 200
        answer = cas.owner.ask("POST", "/v1/owner/provision", "name: B\n")
        assert (answer.status, answer.error) == (403, "EACCES")
        assert alice.ask("GET", "/readyz").status == 200
    with Cas(tmp_path, "--owner", "ab" * 32, provisioned=False,
             state=tmp_path / "other") as cas:
        answer = cas.owner.ask("POST", "/v1/owner/provision", "name: B\n")
        assert (answer.status, answer.error) == (403, "EACCES")
