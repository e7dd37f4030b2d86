# SPDX-License-Identifier: Apache-2.0
"""Platforms in every state, as `sconce quote verify` rates them.

Evidence comes from a generated hierarchy (test/pki), what is expected from a
model that shares nothing with the verifier (tcb_model.py).
"""

import itertools
import random

import pytest

from pki import Case, Platform, SgxReport, TdReport, qe_report
from pki.collateral import TD_QE_MRSIGNER, isv_level, level, module
from pki.quotes import KINDS
from quote_verify import verify
from tcb_model import LEVELS, SAYS, rate_case

PARTS = ("UpToDate", "OutOfDate", "Revoked")
RANDOM = 60  # cases of each kind
TDX = [kind for kind in KINDS if kind.startswith("tdx")]


def check(case, folder):
    want = rate_case(case)
    got = verify(case.files(), folder)
    assert got.status in (0, 1), got
    assert got.json["signature"] and got.json["chain"], got
    for name in ("tcb_status", "platform_status", "module_status",
                 "qe_status"):
        assert got.json[name] == getattr(want, name), \
            "%s\n%s\n%s" % (name, want, got)
    if want.tcb_status is not None:
        assert got.json["tcb_date"] == want.tcb_date, got
        assert got.json["advisories"] == want.advisories, got
        assert got.json["tcb_evaluation"] == case.evaluation
    assert got.rules == want.rules, got
    assert got.json["accepted"] == \
        (want.tcb_status == "UpToDate" and not want.rules), got
    return want


def combinations(kind):
    """Each status of the level with each of its parts."""
    modules = PARTS if kind in TDX else ("UpToDate",)
    for status, qe, mod in itertools.product(LEVELS, PARTS, modules):
        yield Case(kind=kind, status=status, qe_status=qe, module_status=mod,
                   advisories=("INTEL-SA-00003",),
                   qe_advisories=("INTEL-SA-00001", "INTEL-SA-00003"),
                   module_advisories=("INTEL-SA-00002",))


@pytest.mark.parametrize("kind", KINDS)
def test_each_combination(kind, tmp_path):
    seen = {check(case, tmp_path).tcb_status for case in combinations(kind)}
    relaunch = {"TDRelaunchAdvised", "TDRelaunchAdvisedConfigurationNeeded"}
    assert seen >= set(SAYS) - relaunch


@pytest.mark.parametrize("version", [2, 3])
def test_versions_of_tcb_information(version, tmp_path):
    for status in LEVELS:
        check(Case(tcb_version=version, status=status, qe_version=version),
              tmp_path)


# ---- generated ----

def some(rng, values, at_least=1):
    return rng.sample(values, rng.randint(at_least, len(values)))


def isv_levels(rng, statuses, salt):
    return [isv_level(svn, rng.choice(statuses), "202%d-01-01T00:00:00Z" % svn,
                      some(rng, ["INTEL-SA-%s%02d" % (salt, i)
                                 for i in range(3)], 0))
            for svn in some(rng, range(4))]


def levels(rng, tdx, version):
    """Different in few places, in any order, of any status."""
    out, used = [], set()
    for _ in range(rng.randint(1, 7)):
        svns = tuple(rng.randint(0, 2) for _ in range(6))
        if not tdx:
            svns = svns[:3] + (0, 0, 0)
        if svns in used:
            continue
        used.add(svns)
        out.append(level(
            [svns[0], 1, svns[1]] + [0] * 13, svns[2], rng.choice(LEVELS),
            "20%02d-05-06T07:08:09Z" % len(out),
            some(rng, ["INTEL-SA-000%02d" % i for i in range(4)], 0),
            [svns[3], 0, svns[4]] + [0] * 12 + [svns[5]] if tdx else None,
            version))
    return out


def svn(rng):
    """TEE_TCB_SVN: small numbers where there are some at all."""
    return bytes([rng.randint(0, 3), rng.choice([0, 1, 1, 2, 2, 3]),
                  rng.randint(0, 3)] + [0] * 12 + [rng.randint(1, 3)])


def generated(kind, number):
    rng = random.Random("%s %d" % (kind, number))
    tdx = kind in TDX
    version = 3 if tdx else rng.choice([2, 3])
    report, modules = SgxReport(), None
    if tdx:
        report = TdReport(tee_tcb_svn=svn(rng), svn2=svn(rng))
        modules = [module(isv_levels(rng, PARTS, "M"), v)
                   for v in some(rng, [1, 2, 255])]
    qe = {"isvsvn": rng.randint(0, 4)}
    if tdx:
        qe.update(mrsigner=bytes.fromhex(TD_QE_MRSIGNER), isvprodid=2)
    return Case(
        kind=kind, report=report, modules=modules, tcb_version=version,
        platform=Platform(
            ca=rng.choice(["platform", "processor"]), pcesvn=rng.randint(1, 2),
            components=[rng.randint(1, 3), rng.choice([0, 1, 1, 1, 1, 255]),
                        rng.randint(0, 2)] + [0] * 13),
        levels=levels(rng, tdx, version), qe=qe_report(**qe),
        qe_levels=isv_levels(rng, LEVELS[:1] * 5 + LEVELS, "Q"),
        qe_version=rng.choice([2, 3]), evaluation=rng.randint(1, 99))


@pytest.mark.parametrize("kind", KINDS)
def test_generated(kind, tmp_path):
    for number in range(RANDOM):
        check(generated(kind, number), tmp_path)


def test_generated_cases_reach_much():
    """So that agreement with the model means something."""
    seen = {rate_case(generated(kind, number)).tcb_status
            for kind in KINDS for number in range(RANDOM)}
    assert seen >= {*LEVELS, "NotSupported", None}


# ---- TD relaunch ----

def relaunched(status, svn2, qe_status="UpToDate", older="UpToDate"):
    """A TD that began under module 1.2 where 1.4 is the latest."""
    return Case(
        kind="tdx-v5-1.5", qe_status=qe_status,
        platform=Platform(components=[2] * 16),
        report=TdReport(tee_tcb_svn=bytes([2, 1, 3] + [0] * 13),
                        svn2=bytes(svn2 + [0] * 13)),
        modules=[module([isv_level(2, "OutOfDate"), isv_level(4)], 1),
                 module([isv_level(9), isv_level(1, "OutOfDate")], 5)],
        levels=[level([1] * 16, 5, older, tdx=[0] * 16),
                level([2] * 16, 5, status, tdx=[6, 1, 3] + [0] * 13)])


@pytest.mark.parametrize("status", LEVELS)
@pytest.mark.parametrize("svn2", [
    [4, 1, 3], [3, 1, 3], [4, 1, 2], [9, 5, 3], [8, 5, 3], [6, 0, 3],
    [5, 0, 3], [9, 7, 9]], ids=str)
def test_relaunch(status, svn2, tmp_path):
    for qe_status in PARTS:
        check(relaunched(status, svn2, qe_status), tmp_path)


def test_relaunch_is_advised(tmp_path):
    seen = [check(relaunched(status, [4, 1, 3]), tmp_path).tcb_status
            for status in ("UpToDate", "ConfigurationNeeded")]
    assert seen == ["TDRelaunchAdvised",
                    "TDRelaunchAdvisedConfigurationNeeded"]


def test_relaunch_needs_a_report_of_version_1_5(tmp_path):
    case = relaunched("UpToDate", [4, 1, 3])
    case.kind = "tdx-v5"
    assert check(case, tmp_path).tcb_status == "OutOfDate"


# ---- what is no match ----

@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("index", [0, 7, 15, "pcesvn"])
def test_no_level_is_not_out_of_date(kind, index, tmp_path):
    """One number below the only level."""
    svns, pcesvn = [9] * 16, 9
    tdx = [0] * 16 if kind in TDX else None
    only = [level(svns, pcesvn, "OutOfDate", tdx=tdx)]
    if index == "pcesvn":
        pcesvn = 8
    else:
        svns = svns[:index] + [8] + svns[index + 1:]
    case = Case(kind=kind, levels=only,
                platform=Platform(components=svns, pcesvn=pcesvn))
    assert check(case, tmp_path).tcb_status == "NotSupported"


def test_module_without_identity(tmp_path):
    case = Case(kind="tdx-v4", modules=[module([isv_level(0)], 2)])
    assert check(case, tmp_path).rules == {"tdx-module"}


# ---- evaluations ----

@pytest.mark.parametrize("tcb_info, qe_identity", [
    (17, 17), (18, 17), (17, 18)])
def test_the_older_evaluation_counts(tcb_info, qe_identity, tmp_path):
    """Of the two documents an attacker may bring an older one."""
    case = Case(evaluation=tcb_info, qe_members={
        "tcbEvaluationDataNumber": qe_identity})
    policy = tmp_path / "policy"
    for wanted, status in ((17, 0), (18, 1)):
        policy.write_text("tcb:\n  min_evaluation: %d\n" % wanted)
        got = verify(case.files(), tmp_path / "case", "--policy", policy)
        assert got.status == status, got
        assert got.json["tcb_evaluation"] == 17
