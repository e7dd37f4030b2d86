# SPDX-License-Identifier: Apache-2.0
"""`sconce session check|hash|diff|sign`, and what hashes of policies promise:
the same meaning has one hash, however it is spelt; another has another.

The random tests print their seed and take one: SCONE_SEED=N.
"""

import json
import os
import random
import re
import subprocess
import time

import pytest
import yaml

import sconce

POLICIES = sconce.ROOT / "test/policies"
GOOD = sorted(p.name for p in POLICIES.glob("*.yaml")
              if "refused" not in p.name)
DOC = sconce.ROOT / "doc/policy.md"
SECONDS = 30
ROUNDS = 12


def session(*args, text=None, status=0):
    done = subprocess.run([sconce.SCONCE, "session", *map(str, args)],
                          input=text, capture_output=True, text=True,
                          timeout=SECONDS)
    assert done.returncode == status, done.stdout + done.stderr
    return done


def hash_of(text, *args):
    return session("hash", *args, "-", text=text).stdout.strip()


@pytest.fixture
def rng():
    seed = int(os.environ.get("SCONCE_SEED", time.time_ns() % 10 ** 9))
    print("SCONCE_SEED=%d" % seed)
    return random.Random(seed)


def load(name):
    return yaml.load((POLICIES / name).read_text(), Loader=yaml.BaseLoader)


# Lists in which the order says something.
ORDERED = {"command"}


def respell(node, rng, key=None, kept=False):
    """The same, in another order. In config-fragments lists have one."""
    kept = kept or key == "value"
    if isinstance(node, dict):
        items = [(k, respell(v, rng, k, kept)) for k, v in node.items()]
        rng.shuffle(items)
        return dict(items)
    if isinstance(node, list):
        items = [respell(v, rng, None, kept) for v in node]
        if key not in ORDERED and not kept:
            rng.shuffle(items)
        return items
    return node


# These mean something without quotes only.
PLAIN = re.compile(r"[0-9]{1,10}|true|false|yes|no")


def scalar(value, rng):
    if PLAIN.fullmatch(value):
        return value
    if "\n" not in value and rng.random() < 0.5:
        return "'%s'" % value.replace("'", "''")
    if re.fullmatch(r"[a-z][a-z_]*", value) and rng.random() < 0.5:
        return value
    return json.dumps(value, ensure_ascii=rng.random() < 0.5)


def flow(node, rng):
    if isinstance(node, dict):
        return "{%s}" % ", ".join("%s: %s" % (scalar(k, rng), flow(v, rng))
                                  for k, v in node.items())
    if isinstance(node, list):
        return "[%s]" % ", ".join(flow(v, rng) for v in node)
    return scalar(node, rng)


def block(node, rng, indent=0):
    """Lines below a key or a dash."""
    if not node or isinstance(node, str) or rng.random() < 0.2:
        return " " * indent + flow(node, rng) + "\n"
    step = indent + rng.choice((1, 2, 4))
    out = ""
    for item in node.items() if isinstance(node, dict) else node:
        head, value = ("- ", item) if isinstance(node, list) \
            else (scalar(item[0], rng) + ":", item[1])
        out += " " * indent + head.rstrip() + "\n" + block(value, rng, step)
        if rng.random() < 0.1:
            out += "# a remark\n"
    return out


def spell(node, rng):
    return (flow if rng.random() < 0.3 else block)(node, rng)


@pytest.mark.parametrize("name", GOOD)
def test_another_spelling_has_the_same_hash(name, rng):
    want = hash_of((POLICIES / name).read_text())
    for _ in range(ROUNDS):
        text = spell(respell(load(name), rng), rng)
        assert hash_of(text) == want, text


def leaves(node, path=()):
    if isinstance(node, dict):
        for k, v in node.items():
            yield from leaves(v, path + (k,))
    elif isinstance(node, list):
        for i, v in enumerate(node):
            yield from leaves(v, path + (i,))
    else:
        yield path, node


def changed(value, rng, key):
    """A value like it that is another."""
    if key == "charset":
        return value[:-1]
    if key == "version":
        return "0.3.9"
    words = ("ANY", "NONE", "CREATOR", "ANY")
    if value in words:
        return words[words.index(value) + 1]
    if value in ("true", "yes"):
        return "false"
    if value in ("false", "no"):
        return "true"
    if re.fullmatch(r"[0-9]+", value) and len(value) < 11:
        return str(int(value) + 1)
    if re.fullmatch(r"[0-9a-fA-F]{32,}", value):
        at = rng.randrange(len(value))
        digit = "%x" % (int(value[at], 16) ^ 1 << rng.randrange(4))
        return value[:at] + digit + value[at + 1:]
    if re.fullmatch(r"[0-9]+[smhdy]", value):
        return str(int(value[:-1]) + 1) + value[-1]
    return value + rng.choice("xy7")


# What the hash does not depend on: the name of the version before, and what
# SCONE's containers pass by.
NOT_MEANT = ("predecessor", "@@HOSTNAME")


@pytest.mark.parametrize("name", GOOD)
def test_another_value_has_another_hash_and_an_effect(name, rng, tmp_path):
    text = (POLICIES / name).read_text()
    want = hash_of(text)
    old = tmp_path / "old.yaml"
    old.write_text(text)
    tried = 0
    for path, value in leaves(load(name)):
        if path[-1] in NOT_MEANT:
            continue
        document = load(name)
        node = document
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = changed(value, rng, path[-1])
        new = spell(document, rng)
        done = subprocess.run([sconce.SCONCE, "session", "hash", "-"],
                              input=new, capture_output=True, text=True,
                              timeout=SECONDS)
        # Many changes are refused: names that nothing has, bad certificates.
        if done.returncode == 1:
            continue
        assert done.returncode == 0, done.stderr
        tried += 1
        assert done.stdout.strip() != want, (path, new)
        effects = session("diff", old, "-", text=new).stdout
        same = session("diff", old, old).stdout
        assert set(effects.splitlines()) - set(same.splitlines()) \
            or path[-1] == "creator", (path, value)
    assert tried >= 2


def test_check_warns_of_services_without_files():
    policy = """
name: a
version: "1.0"
services:
  - {name: s, command: /bin/s, image_name: i, attestation: {mrenclave: "%s"}}
images:
  - {name: i, %s}
security: {attestation: {mode: %s}}
"""
    def warnings(root, mode):
        return json.loads(session("check", "--json", "-", text=policy % (
            "0" * 64, root, mode)).stdout)["warnings"]
    rooted = 'root: "%s"' % ("1" * 64)
    assert "no root file system" in warnings("volumes: []", "hardware")[0]
    assert warnings(rooted, "hardware") == []
    # A program of `sconce exec` has the machine's.
    assert warnings("volumes: []", "none") == []


def test_check_and_its_errors(tmp_path):
    done = session("check", POLICIES / "everything.yaml", "--json")
    told = json.loads(done.stdout)
    assert told["ok"] and told["services"] == ["api", "job"]
    # "job" is not where anything could find it.
    assert "service job: command 'job' is no absolute path; CAS starts " \
        "nothing else" in told["warnings"]
    assert "command 'job'" in session(
        "check", POLICIES / "everything.yaml").stderr
    done = session("check", POLICIES / "azure-refused.yaml", status=1)
    assert "kind aad-token is not there" in done.stderr
    done = session("check", "--json", POLICIES / "azure-refused.yaml",
                   status=1)
    assert "aad-token" in json.loads(done.stdout)["error"]
    session("check", tmp_path / "none.yaml", status=2)
    session("check", status=2)
    assert "did you mean 'services'" in session(
        "check", "-", text="name: a\nversion: '1.0'\nservics: []\n",
        status=1).stderr


def test_hash_with_the_creator(tmp_path):
    key = tmp_path / "key.pem"
    public = tmp_path / "public.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out",
                    key], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public],
                   check=True, capture_output=True)
    der = subprocess.run(["openssl", "pkey", "-in", key, "-pubout",
                          "-outform", "DER"], check=True,
                         capture_output=True).stdout
    digest = subprocess.run(["sha256sum"], input=der, check=True,
                            capture_output=True).stdout.split()[0].decode()
    text = (POLICIES / "locked-db.yaml").read_text()
    plain = hash_of(text)
    with_key = hash_of(text, "--creator", public)
    assert with_key != plain
    assert with_key == hash_of(text, "--creator", digest)
    assert with_key == hash_of("creator: %s\n" % digest + text)
    assert "creator" in session("hash", "-", text=text).stderr
    other = session("hash", "--creator", "0" * 64, "-", status=2,
                    text="creator: %s\n" % digest + text)
    assert "another creator" in other.stderr


def test_the_form_is_what_is_hashed(tmp_path):
    form = tmp_path / "form"
    told = hash_of((POLICIES / "everything.yaml").read_text(), "--form", form)
    found = subprocess.run(["sha256sum", form], capture_output=True,
                           text=True).stdout.split()[0]
    assert told == found


@pytest.mark.parametrize("kind", ["ed25519", "P-256", "P-384"])
def test_sign(kind, tmp_path):
    key, public, message, value = (tmp_path / n for n in "kpmv")
    options = ["-algorithm", "ed25519"] if kind == "ed25519" else [
        "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:" + kind]
    subprocess.run(["openssl", "genpkey", *options, "-out", key], check=True,
                   capture_output=True)
    policy = POLICIES / "everything.yaml"
    told = json.loads(session("sign", "--key", key, policy).stdout)
    text = session("sign", "--message", policy).stdout
    lines = text.splitlines()
    assert lines[:3] == ["sconce-cas-change-1", "update", "shop/db/main"]
    assert lines[4] == hash_of(policy.read_text())
    # OpenSSL says the same.
    public.write_text("-----BEGIN PUBLIC KEY-----\n%s\n"
                      "-----END PUBLIC KEY-----\n" % told["key"])
    message.write_text(text)
    value.write_bytes(__import__("base64").b64decode(told["value"]))
    check = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public,
             "-rawin", "-in", message, "-sigfile", value]
    if kind != "ed25519":
        check += ["-digest", "sha256" if kind == "P-256" else "sha384"]
    subprocess.run(check, check=True, capture_output=True)


def test_sign_refuses_what_cas_would_not_take(tmp_path):
    key = tmp_path / "key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True,
                   capture_output=True)
    policy = POLICIES / "everything.yaml"
    assert "Ed25519" in session("sign", "--key", key, policy,
                                status=2).stderr
    assert "no creator" in session("sign", "--message",
                                   POLICIES / "locked-db.yaml",
                                   status=2).stderr
    assert "wanted create" in session("sign", "--message", "--action", "drop",
                                      policy, status=2).stderr
    session("sign", policy, status=2)


def test_examples_of_the_manual_parse():
    examples = re.findall(r"```yaml\n(.*?)```", DOC.read_text(), re.DOTALL)
    assert len(examples) >= 4
    for text in examples:
        session("check", "-", text=text)


def test_hostile_texts_end_soon():
    head = "name: a\nversion: '1.0'\n"
    texts = [
        head + "services: " + "[" * 500000,
        head + "secrets: " + "{a: " * 200000,
        head + "secrets:\n" + "  - {name: a}\n" * 60000,
        head + "secrets: [{name: f, kind: config-fragment, value: {%s}}]"
        % ", ".join("k%d: 1" % i for i in range(60000)),
        head + "secrets: [{name: f, kind: config-fragment, value: %s}]"
        % ("[" * 400000),
        "".join("k%d: 1\n" % i for i in range(100000)),
        head + "services: [{name: s, command: '%s'}]" % ("a " * 400000),
        head + "services: [{name: s, command: c, environment: {%s}}]"
        % ", ".join("K%d: $$SCONE::x$$" % i for i in range(30000)),
        head + "access_policy: {update: [%s]}"
        % ", ".join("%064x" % i for i in range(15000)),
        head + "images: [{name: i, injection_files: [%s]}]"
        % ", ".join("/f%d" % i for i in range(60000)),
        head + '"' + "x" * 900000,
        "? " * 500000,
        "- " * 500000,
        "\n" * 1000000,
        "x" * (1 << 20),
    ]
    for text in texts:
        began = time.monotonic()
        done = subprocess.run([sconce.SCONCE, "session", "check", "-"],
                              input=text, capture_output=True, text=True,
                              timeout=SECONDS)
        assert done.returncode in (1, 2), text[:80]
        assert time.monotonic() - began < 5, text[:80]
