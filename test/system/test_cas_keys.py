# SPDX-License-Identifier: Apache-2.0
"""CAS's cluster key in its file, sealed by /dev/attestation: who opens it and
who does not, in the words that an operator sees."""

import subprocess

import pytest

import sconce
from test_attestation import MANIFEST, OTHER, Node

TOOL = sconce.BUILD / "test/cluster-key"
CAS = MANIFEST.replace("/usr/bin/python3", str(TOOL))


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


def tool(node, what, path, config=CAS):
    """What it prints, or the number and text of its error."""
    manifest = node.path / "cas.yaml"
    manifest.write_text(config)
    done = subprocess.run(
        [node.bin / "sconce", "run", "-q", "--manifest", manifest, "--", TOOL, what,
         path], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        env=node.env, timeout=60)
    return (done.stdout if done.returncode == 0 else done.stderr).strip()


def test_key_stays_in_the_enclave(node, tmp_path):
    path = tmp_path / "cluster.key"
    made = tool(node, "make", path)
    assert made.startswith("mrenclave ")
    assert path.stat().st_mode & 0o777 == 0o600
    assert tool(node, "open", path) == made
    # Another start, another key; and never two in one file.
    assert tool(node, "make", tmp_path / "other.key") not in ("", made)
    assert tool(node, "make", path).startswith("-17 ")
    assert tool(node, "open", path) == made
    # Not outside, development run or not.
    done = subprocess.run([TOOL, "open", path, "--plain"],
                          capture_output=True, text=True)
    assert done.returncode == 1 and "sealed in an enclave" in done.stderr
    assert done.stderr.startswith("not in an enclave: ")


def test_key_of_another(node, tmp_path):
    path = tmp_path / "cluster.key"
    made = tool(node, "make", path)
    # Another program or configuration on the same release of Sconce.
    assert tool(node, "open", path, CAS + "network: true\n").startswith(
        "-129 %s: sealed by another release or configuration" % path)
    # Another release.
    release = node.install("two", "--new-key", tmp_path / "key.pem",
                           patch=OTHER)
    assert tool(release, "open", path).startswith("-129 ")
    # Another machine.
    (tmp_path / "far").mkdir()
    far = Node(tmp_path / "far", "machine")
    assert tool(far, "open", path).startswith(
        "-18 %s: sealed on another machine" % path)
    assert tool(node, "open", path) == made


def test_key_that_the_host_brings(node, tmp_path):
    path = tmp_path / "cluster.key"
    subprocess.run([TOOL, "make", path, "--plain"], check=True,
                   capture_output=True)
    assert "never sealed" in tool(node, "open", path)
    path.unlink()
    made = tool(node, "make", path)
    blob = path.read_bytes()
    for at in 8, 100, len(blob) - 1:
        path.write_bytes(blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1:])
        assert tool(node, "open", path).startswith("-"), at
    path.write_bytes(blob[:-1])
    assert tool(node, "open", path).startswith("-")
    path.write_bytes(b"")
    assert tool(node, "open", path).startswith("-22 ")
    path.write_bytes(blob)
    assert tool(node, "open", path) == made
