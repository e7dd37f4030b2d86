# SPDX-License-Identifier: Apache-2.0
"""TCB information and identities, as objects and as signed JSON."""

import json

QE_MRSIGNER = "8C4F5775D796503E96137F77C68A829A0056AC8DED70140B081B094490C57BFF"
TD_QE_MRSIGNER = \
    "DC9E2A7C6F948F17474E34A7FC43ED030F7C1563F1BABDDF6340C82E0E54A8C5"


def date(at):
    return "%04d" % at.year + at.strftime("-%m-%dT%H:%M:%SZ")


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def envelope(member, value, key):
    """value: an object, or the bytes of one, which are signed as they are."""
    raw = value if isinstance(value, bytes) else compact(value)
    return b'{"%s":%s,"signature":"%s"}' % (
        member.encode(), raw, key.sign(raw).hex().encode())


def _rating(status, tcb_date, advisories):
    out = {"tcbDate": tcb_date, "tcbStatus": status}
    if advisories:
        out["advisoryIDs"] = list(advisories)
    return out


def level(sgx, pcesvn, status="UpToDate", tcb_date="2024-03-13T00:00:00Z",
          advisories=(), tdx=None, version=3):
    """One of tcbLevels. sgx, tdx: 16 numbers."""
    if version == 2:
        tcb = {"sgxtcbcomp%02dsvn" % (i + 1): n for i, n in enumerate(sgx)}
        tcb["pcesvn"] = pcesvn
    else:
        tcb = {"sgxtcbcomponents": [
            {"svn": n, "category": "BIOS", "type": "Early Microcode Update"}
            if i == 0 else {"svn": n} for i, n in enumerate(sgx)],
            "pcesvn": pcesvn}
    if tdx is not None:
        tcb["tdxtcbcomponents"] = [{"svn": n} for n in tdx]
    return {"tcb": tcb, **_rating(status, tcb_date, advisories)}


def isv_level(isvsvn, status="UpToDate", tcb_date="2024-03-13T00:00:00Z",
              advisories=()):
    return {"tcb": {"isvsvn": isvsvn},
            **_rating(status, tcb_date, advisories)}


def module(levels, version=1, mrsigner=bytes(48), attributes=bytes(8)):
    """One of tdxModuleIdentities."""
    return {"id": "TDX_%02X" % version, "mrsigner": mrsigner.hex(),
            "attributes": attributes.hex(), "attributesMask": "FF" * 8,
            "tcbLevels": levels}


def tcb_info(levels, validity, tee="SGX", version=3, fmspc=bytes(6),
             pce_id=bytes(2), evaluation=17, modules=None,
             mrsigner=bytes(48)):
    out = {"id": tee} if version >= 3 else {}
    out.update({
        "version": version, "issueDate": date(validity[0]),
        "nextUpdate": date(validity[1]), "fmspc": fmspc.hex().upper(),
        "pceId": pce_id.hex(), "tcbType": 0,
        "tcbEvaluationDataNumber": evaluation})
    if tee == "TDX":
        out["tdxModule"] = {"mrsigner": mrsigner.hex(),
                            "attributes": "00" * 8,
                            "attributesMask": "FF" * 8}
        if modules is not None:
            out["tdxModuleIdentities"] = modules
    out["tcbLevels"] = levels
    return out


def qe_identity(levels, validity, enclave="QE", version=2, evaluation=17,
                **members):
    out = {
        "id": enclave, "version": version, "issueDate": date(validity[0]),
        "nextUpdate": date(validity[1]),
        "tcbEvaluationDataNumber": evaluation, "miscselect": "00000000",
        "miscselectMask": "FFFFFFFF",
        "attributes": "11000000000000000000000000000000",
        "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
        "mrsigner": TD_QE_MRSIGNER if enclave == "TD_QE" else QE_MRSIGNER,
        "isvprodid": {"QE": 1, "TD_QE": 2, "QVE": 3}.get(enclave, 1)}
    out.update(members)
    out["tcbLevels"] = levels
    return out
