# SPDX-License-Identifier: Apache-2.0
"""How a platform is rated by TCB information, written a second time.

From the same documents (Intel's description of the procedure), but with none
of the verifier's code, and in another way: a status is taken apart into what
it says, and put together again; levels are searched, not sorted.
"""

from dataclasses import dataclass, field

# What each status says: configuration, hardening, out of date, revoked,
# relaunch.
SAYS = {
    "UpToDate": "", "SWHardeningNeeded": "h", "ConfigurationNeeded": "c",
    "ConfigurationAndSWHardeningNeeded": "ch", "OutOfDate": "o",
    "OutOfDateConfigurationNeeded": "co", "Revoked": "r",
    "TDRelaunchAdvised": "t", "TDRelaunchAdvisedConfigurationNeeded": "ct",
}
NAMES = {frozenset(says): name for name, says in SAYS.items()}
LEVELS = [name for name, says in SAYS.items() if "t" not in says]


def combine(whole, part):
    """The status of a platform with a part of it."""
    says = set(SAYS[whole])
    if part == "Revoked" or "r" in says:
        return "Revoked"
    if part == "OutOfDate" and not says & set("ot"):
        says = says - {"h"} | {"o"}
    return NAMES[frozenset(says)]


def part_status(level):
    """Of a quoting enclave or a module."""
    if level is None:
        return "NotSupported"
    status = level["tcbStatus"]
    return status if status in ("UpToDate", "Revoked") else "OutOfDate"


def isv_level(levels, svn):
    reached = [lv for lv in levels if lv["tcb"]["isvsvn"] <= svn]
    return max(reached, key=lambda lv: lv["tcb"]["isvsvn"], default=None)


def sgx_svns(level):
    tcb = level["tcb"]
    if "sgxtcbcomponents" in tcb:
        return [c["svn"] for c in tcb["sgxtcbcomponents"]]
    return [tcb["sgxtcbcomp%02dsvn" % i] for i in range(1, 17)]


def tdx_svns(level):
    return [c["svn"] for c in level["tcb"].get("tdxtcbcomponents", [])]


def rank(level):
    return sgx_svns(level), level["tcb"]["pcesvn"], tdx_svns(level)


def reached(have, want):
    return all(h >= w for h, w in zip(have, want))


@dataclass
class Rating:
    tcb_status: str = None
    platform_status: str = None
    module_status: str = None
    qe_status: str = None
    tcb_date: str = None
    advisories: list = field(default_factory=list)
    rules: set = field(default_factory=set)  # that are broken


def find_module(info, version):
    for module in info.get("tdxModuleIdentities", []):
        if int(module["id"][4:], 16) == version:
            return module
    return None


def relaunch(info, sgx_level, status, module_status, qe_status, svn2):
    """The status, or None: the module now loaded is not known."""
    if svn2 is None or set(SAYS[sgx_level["tcbStatus"]]) & set("or") \
            or "o" not in SAYS[status] or module_status != "OutOfDate" \
            or qe_status != "UpToDate":
        return status
    latest = max(info["tcbLevels"], key=rank)
    wanted = tdx_svns(latest)[0]
    if svn2[1]:
        module = find_module(info, svn2[1])
        if module is None:
            return None
        wanted = max(lv["tcb"]["isvsvn"] for lv in module["tcbLevels"])
    if svn2[0] < wanted or svn2[2] < tdx_svns(latest)[2]:
        return status
    configure = "c" in SAYS[status] or "c" in SAYS[sgx_level["tcbStatus"]]
    return NAMES[frozenset("ct" if configure else "t")]


def rate_tdx(out, info, level, sgx_level, module, svn, svn2, used):
    status = level["tcbStatus"]
    if svn[1]:
        chosen = isv_level(module["tcbLevels"], svn[0])
        out.module_status = part_status(chosen)
        if chosen is None:
            return "NotSupported"
        used.append(chosen)
        status = combine(status, out.module_status)
    if status == "Revoked":
        return status
    status = relaunch(info, sgx_level, status, out.module_status,
                      out.qe_status, svn2)
    if status is None:
        out.rules.add("tdx-module")
        return "NotSupported"
    return status


def rate(info, identity, components, pcesvn, isvsvn, svn=None, svn2=None):
    """svn, svn2: of a TD report; None: SGX, a report of version 1.0."""
    out = Rating()
    qe = isv_level(identity["tcbLevels"], isvsvn)
    out.qe_status = part_status(qe)
    module = None
    if svn is not None and svn[1]:
        module = find_module(info, svn[1])
        if module is None:
            out.rules.add("tdx-module")
            return out
    used = [qe] if qe else []
    sgx = [lv for lv in info["tcbLevels"]
           if reached(components, sgx_svns(lv))
           and pcesvn >= lv["tcb"]["pcesvn"]]
    both = sgx
    if svn is not None:
        first = 2 if svn[1] else 0
        both = [lv for lv in sgx
                if reached(svn[first:], tdx_svns(lv)[first:])]
    if not both:
        out.tcb_status = out.platform_status = "NotSupported"
    else:
        level = max(both, key=rank)
        out.platform_status = level["tcbStatus"]
        out.tcb_date = level["tcbDate"]
        used.append(level)
        if svn is None:
            status = level["tcbStatus"]
        else:
            status = rate_tdx(out, info, level, max(sgx, key=rank), module,
                              svn, svn2, used)
        if out.qe_status == "NotSupported" and \
                not (svn is not None and status == "Revoked"):
            status = "NotSupported"
        elif status != "NotSupported":
            status = combine(status, out.qe_status)
        out.tcb_status = status
    out.advisories = sorted({i for lv in used
                             for i in lv.get("advisoryIDs", [])})
    return out


def rate_case(case):
    tdx = case.tee == "TDX"
    return rate(case.tcb_info(), case.qe_identity(), case.platform.components,
                case.platform.pcesvn, case.qe.isvsvn,
                case.report.tee_tcb_svn if tdx else None,
                case.report.svn2 if case.kind == "tdx-v5-1.5" else None)
