# SPDX-License-Identifier: Apache-2.0
"""A CAS whose machine is lost comes back from a copy of its database and the
shares of its members; and what must not bring it back."""

import base64
import json
import shutil
import sqlite3

import pytest

import sconce
from cas_world import World


@pytest.fixture
def world(tmp_path):
    w = World(tmp_path)
    yield w
    w.end()


def members(world, count):
    """Makes their keys; the public ones."""
    return [world.sconce("cas", "member-key",
                         world.path / ("m%d.pem" % i)).strip()
            for i in range(count)]


def set_up(world, *options, need=2, count=3):
    """A CAS with an owner and shares."""
    cas = world.cas(world.path / "cas", *options)
    key = world.ready(cas)
    world.attest(cas)
    world.sconce("cas", "provision")
    world.sconce("cas", "recovery", "--need", need, "-o",
                 world.path / "boxes.json", *members(world, count))
    return cas, key


def session(world, name):
    f = world.path / "s.yaml"
    f.write_text('name: %s\nversion: "1.0"\n' % name)
    return world.sconce("session", "create", f)


def give(world, cas, member, box=None, options=("--native",), **how):
    return world.sconce("cas", "recover", *options, "--box",
                        box or world.path / "boxes.json", "--key",
                        world.path / ("m%d.pem" % member), cas.address, **how)


def audit(world):
    return world.sconce("audit", "fetch", "-o", "-")


def test_machine_lost(world):
    witnesses = world.witnesses()
    cas, key = set_up(world, *witnesses)
    session(world, "before")
    world.sconce("cas", "backup", "-o", world.path / "copy.db")
    # The copy is sealed: names of sessions are not in it.
    data = (world.path / "copy.db").read_bytes()
    assert data[:16] == b"SQLite format 3\0" and b"before" not in data
    assert b"before" not in b"".join(
        row[0] for row in sqlite3.connect(world.path / "copy.db").execute(
            "select data from row"))
    assert "cas.backup" in audit(world) and "cas.recovery" in audit(world)
    cas.stop()
    # All of its disk is gone but a copy that is as new as the witnesses:
    shutil.copy(world.path / "cas/cas.db", world.path / "newest.db")
    shutil.rmtree(world.path / "cas")

    new = world.cas(world.path / "new", "--recover", "--restore",
                    world.path / "newest.db", *witnesses)
    temporary = new.wait_for("shares on port .* as ([0-9a-f]{64})")[1]
    assert temporary != key
    # It is nobody's CAS yet, and can do nothing.
    world.attest(new, who="stranger", fails="no key yet")
    world.sconce("cas", "status", "--cas", new.address, "--cas-key",
                 temporary, fails="no such place")
    assert "waiting, 1 of 2" in give(world, new, 0)
    # Twice counts once.
    give(world, new, 0, fails="share 1 is here already")
    assert "recovered, 2 of 2" in give(world, new, 2)
    assert world.ready(new) == key
    # The same identity and contents for those who know it...
    world.attest(new)
    assert "before" in world.sconce("session", "list")
    log = audit(world)
    assert "cas.recover" in log and "shares 1 3 of 3" in log
    # ... and for others, one whose keys the operator may have made.
    world.attest(new, who="stranger", fails="came from outside")
    world.attest(new, "--cas-key", "00" * 32, who="stranger",
                 fails="not the one that --cas-key names")
    world.attest(new, "--cas-key", key, who="stranger")
    # Later starts need nobody; --recover is no way around the key.
    new.stop()
    again = world.cas(world.path / "new", "--recover", *witnesses)
    assert world.ready(again) == key
    assert "not needed" in again.text()


def test_only_the_owner(world):
    cas, _ = set_up(world)
    other = ["--cas", cas.address, "--cas-key", world.ready(cas)]
    for command in (["cas", "recovery", "--need", "1", "11" * 32],
                    ["cas", "recovery"],
                    ["cas", "backup", "-o", world.path / "x"]):
        world.sconce(*command, *other, who="stranger",
                     fails="another owner")
    world.sconce("cas", "recovery", "--need", "3", "11" * 32, "22" * 32,
                 fails="3 of 2 members")
    world.sconce("cas", "recovery", "--need", "1", "11" * 32, "11" * 32,
                 fails="twice")
    # A point of small order would give everybody the share.
    world.sconce("cas", "recovery", "--need", "1", "00" * 32, fails=".")
    log = audit(world)
    assert log.count("cas.backup") == 1 and "denied" in log


def test_wrong_shares(world):
    cas, key = set_up(world)
    world.sconce("cas", "backup", "-o", world.path / "copy.db")
    cas.stop()
    # A CAS of the attacker's, with shares for the same members.
    other = world.cas(world.path / "other")
    world.ready(other)
    world.attest(other, who="attacker")
    world.sconce("cas", "provision", who="attacker")
    world.sconce("cas", "recovery", "--need", 1, "-o",
                 world.path / "theirs.json", *members(world, 3),
                 who="attacker")
    other.stop()

    new = world.cas(world.path / "new", "--recover", "--restore",
                    world.path / "copy.db")
    new.wait_for("shares on port")
    # Another cluster's shares, enough of them, open nothing, and hold nobody
    # up.
    for _ in range(2):
        give(world, new, 1, box=world.path / "theirs.json",
             fails="does not open the database")
    # Another member's box; a box that was altered.
    boxes = json.loads((world.path / "boxes.json").read_text())
    names = list(boxes["boxes"])
    public = members(world, 3)
    swapped = dict(boxes, boxes={public[0]: boxes["boxes"][public[1]]})
    (world.path / "bad.json").write_text(json.dumps(swapped))
    give(world, new, 0, box=world.path / "bad.json",
         fails="another member's key")
    raw = bytearray(base64.b64decode(boxes["boxes"][public[0]]))
    raw[-20] ^= 1
    altered = {public[0]: base64.b64encode(raw).decode()}
    (world.path / "bad.json").write_text(json.dumps({"boxes": altered}))
    give(world, new, 0, box=world.path / "bad.json", fails="altered")
    assert len(names) == 3
    # One alone is too few, however long one waits.
    assert "waiting, 1 of 2" in give(world, new, 0)
    assert new.process.poll() is None
    assert "recovered" in give(world, new, 1)
    assert world.ready(new) == key


def test_members_look_first(world):
    """A member's share goes to nothing that cannot show what it is."""
    cas, _ = set_up(world)
    world.sconce("cas", "backup", "-o", world.path / "copy.db")
    # A CAS that works needs no share.
    give(world, cas, 0, fails="does not wait for shares")
    cas.stop()
    new = world.cas(world.path / "new", "--recover", "--restore",
                    world.path / "copy.db")
    new.wait_for("shares on port")
    give(world, new, 0, options=(), fails="does not run in an enclave")
    assert "share 1" not in new.text()
    # Nor does a database begin anew beside a lost key, nor recovery without.
    new.stop()
    world.cas(world.path / "new").fails("not the key that opens it")
    world.cas(world.path / "none", "--recover").fails("no database")
    world.cas(world.path / "new", "--recover", "--restore",
              world.path / "copy.db").fails("is there already")


def test_old_copy(world):
    witnesses = world.witnesses()
    cas, key = set_up(world, *witnesses)
    session(world, "before")
    world.sconce("cas", "backup", "-o", world.path / "old.db")
    session(world, "after")
    cas.stop()
    shutil.move(world.path / "cas", world.path / "lost")

    new = world.cas(world.path / "new", "--recover", "--restore",
                    world.path / "old.db", *witnesses)
    new.wait_for("shares on port")
    give(world, new, 0)
    give(world, new, 1)
    # The witnesses know of more.
    new.fails("rolled back")
    words = new.wait_for(r"cas permit -o FILE (rollback [^,]+), then")[1].split()
    # Not by another's word, nor for another record, nor one that is altered.
    world.sconce("cas", "key", who="stranger")
    world.sconce("cas", "permit", "-o", world.path / "p.json", *words,
                 who="stranger")
    start = [world.path / "new", *witnesses, "--permit",
             world.path / "p.json"]
    world.cas(*start).fails("not signed with the owner's key")
    changed = words[:4] + [str(int(words[4]) - 1)] + words[5:]
    world.sconce("cas", "permit", "-o", world.path / "p.json", *changed)
    world.cas(*start).fails("permits something else")
    world.sconce("cas", "permit", "-o", world.path / "p.json", *words)
    permit = json.loads((world.path / "p.json").read_text())
    good = json.dumps(permit)
    permit["text"] = permit["text"].replace("rollback", "rollbakc")
    (world.path / "p.json").write_text(json.dumps(permit))
    world.cas(*start).fails("--permit")
    # By the owner's.
    (world.path / "p.json").write_text(good)
    new = world.cas(*start)
    assert world.ready(new) == key
    assert "epoch 1" in new.text()
    out = json.loads(world.attest(new, "--json"))
    assert (out["epoch"], out["rollback"], out["key"]) == (1, "quorum", key)
    names = world.sconce("session", "list")
    assert "before" in names and "after" not in names
    assert "cas.rollback" in audit(world)
    session(world, "later")
    new.stop()
    # What was given up cannot come back beside it, nor the copy again.
    world.cas(world.path / "lost", *witnesses).fails("rolled back|forked")
    shutil.copytree(world.path / "new", world.path / "twice")
    (world.path / "twice/cas.db").write_bytes(
        (world.path / "old.db").read_bytes())
    for name in ("cas.db-wal", "cas.db-shm"):
        (world.path / "twice" / name).unlink(missing_ok=True)
    world.cas(world.path / "twice", *witnesses).fails("rolled back|forked")
    world.cas(world.path / "twice", *witnesses, "--permit",
              world.path / "p.json").fails("rolled back|forked")
    # While the new one goes on, without a permit.
    again = world.cas(world.path / "new", *witnesses)
    assert world.ready(again) == key
    assert "later" in world.sconce("session", "list", "--cas", again.address,
                                   "--cas-key", key)


# ---- upgrades, in enclaves ----

def enclave_cas(world, name, witnesses, *options):
    return world.cas(world.path / name, "--emulated", "--image",
                     world.path / "image", *witnesses, *options,
                     native=False)


def attest_enclave(world, cas, *options, **how):
    return world.sconce(
        "cas", "attest", "--emulated", "--collateral",
        world.path / "collateral", "--manifest", world.path / "cas.yaml",
        "--enclaves", cas.enclaves, "--default", "--rollback", "quorum",
        *options, cas.address, **how)


def test_upgrade_in_enclaves(world):
    world.las()
    witnesses = world.witnesses()
    world.sconce("cas", "image", world.path / "image")
    world.sconce("cas", "manifest", "--image", world.path / "image",
                 "--collateral", world.path / "collateral", "--emulated",
                 *witnesses, "-o", world.path / "cas.yaml")
    old = enclave_cas(world, "old", witnesses)
    key = world.ready(old)
    attest_enclave(world, old)
    world.sconce("cas", "provision")
    session(world, "before")
    members(world, 2)
    join = ["--join", "%s=%s" % (old.enclaves, key)]
    # Nobody is approved yet.
    enclave_cas(world, "new", witnesses, *join).fails("no release is approved")
    out = json.loads(world.sconce("cas", "upgrade", "--manifest",
                                  world.path / "cas.yaml"))
    assert len(out["successors"]) == 1
    # Nothing but an enclave; not the same program under other options; not
    # one that thinks of another CAS.
    world.cas(world.path / "n", *join).fails("no evidence")
    enclave_cas(world, "other", witnesses, *join, "--owner",
                "11" * 32).fails("CONFIGID .* wants")
    enclave_cas(world, "new", witnesses, "--join",
                "%s=%s" % (old.enclaves, "22" * 32)).fails("--join")
    world.sconce("cas", "upgrade", "--manifest", world.path / "cas.yaml",
                 fails="there already")
    assert "before" in world.sconce("session", "list")

    new = enclave_cas(world, "new", witnesses, *join)
    assert world.ready(new) == key
    # The old one ended by itself, and cannot come back.
    assert old.process.wait(20) == 0
    assert "this CAS ends" in old.text()
    session_names = world.sconce("session", "list", "--cas", new.address,
                                 "--cas-key", key)
    assert "before" in session_names
    attest_enclave(world, new, who="stranger", fails="came from outside")
    attest_enclave(world, new)
    log = audit(world)
    assert "cas.handover" in log and "cas.join" in log
    assert log.count("cas.handover") >= 3
    world.sconce("cas", "upgrade", "--withdraw")
    assert json.loads(world.sconce("cas", "upgrade"))["successors"] == []
    session(world, "after")
    enclave_cas(world, "old", witnesses).fails("rolled back|forked")
    assert "after" in world.sconce("session", "list")


def test_recovery_in_an_enclave(world):
    """Members see the evidence; the machine's own owner may be anybody."""
    world.las()
    world.sconce("cas", "image", world.path / "image")
    manifest = ["cas", "manifest", "--image", world.path / "image",
                "--collateral", world.path / "collateral", "--emulated"]
    world.sconce(*manifest, "-o", world.path / "cas.yaml")
    world.sconce(*manifest, "--owner", "11" * 32, "-o",
                 world.path / "another.yaml")
    cas, key = set_up(world)
    session(world, "before")
    world.sconce("cas", "backup", "-o", world.path / "copy.db")
    cas.stop()
    new = enclave_cas(world, "new", [], "--recover", "--restore",
                      world.path / "copy.db")
    new.wait_for("shares on port")
    judge = ["--emulated", "--collateral", world.path / "collateral",
             "--manifest"]
    # Evidence of another program, of another release, of an emulated platform.
    give(world, new, 0, options=[*judge, world.path / "another.yaml"],
         fails="config_id")
    give(world, new, 0, fails="mrenclave",
         options=[*judge, world.path / "cas.yaml", "--mrenclave", "11" * 32])
    give(world, new, 0, fails=".", options=[
        *judge[1:], world.path / "cas.yaml"])
    assert "share 1" not in new.text()
    good = [*judge, world.path / "cas.yaml"]
    assert "waiting" in give(world, new, 0, options=good)
    assert "recovered" in give(world, new, 1, options=good)
    assert world.ready(new) == key
    assert "before" in world.sconce("session", "list", "--cas", new.address,
                                    "--cas-key", key)
