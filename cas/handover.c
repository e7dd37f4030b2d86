/* SPDX-License-Identifier: Apache-2.0 */
/* The judgement about a successor. Messages are in handover_code.c. */
#include "cas/handover.h"

#include <errno.h>

#include "lib/bytes.h"
#include "lib/string.h"

enum { PROGRAM = 1, CONFIG = 2, VERSION = 4, TIME = 8, TCB = 16 };

/* The facts of a verdict; all of them, or it is no enclave of ours. */
struct enclave {
	const uint8_t *mrenclave, *mrsigner, *config_id;
	uint64_t isv_prod_id, isv_svn;
};

static const uint8_t *bytes_of(
	const struct verdict *v, const char *name, size_t size)
{
	const struct verdict_field *f = verdict_field(v, name);

	return f && f->size == size ? f->bytes : NULL;
}

static bool number_of(
	const struct verdict *v, const char *name, uint64_t *number)
{
	const struct verdict_field *f = verdict_field(v, name);

	*number = f ? f->number : 0;
	return f && !f->size;
}

static bool read_enclave(const struct verdict *v, struct enclave *c)
{
	c->mrenclave = bytes_of(v, "mrenclave", 32);
	c->mrsigner = bytes_of(v, "mrsigner", 32);
	c->config_id = bytes_of(v, "config_id", 64);
	return c->mrenclave && c->mrsigner && c->config_id &&
		number_of(v, "isv_prod_id", &c->isv_prod_id) &&
		number_of(v, "isv_svn", &c->isv_svn);
}

/* What of an approval the enclave does not fulfil, as bits. */
static unsigned differences(const struct handover_approval *a,
	const struct enclave *c, enum tcb_status tcb, int64_t now)
{
	unsigned d = 0;

	if (a->has_mrenclave && memcmp(a->mrenclave, c->mrenclave, 32))
		d |= PROGRAM;
	if (a->has_signer &&
		(memcmp(a->mrsigner, c->mrsigner, 32) ||
			a->isv_prod_id != c->isv_prod_id))
		d |= PROGRAM;
	/* One that names no program approves of none. */
	if (!a->has_mrenclave && !a->has_signer)
		d |= PROGRAM;
	if (memcmp(a->config_id, c->config_id, 64))
		d |= CONFIG;
	if (c->isv_svn < a->isv_svn_min)
		d |= VERSION;
	if (now < a->from || (a->until && now >= a->until))
		d |= TIME;
	if (tcb != TCB_UP_TO_DATE &&
		(tcb == TCB_REVOKED || tcb == TCB_NOT_SUPPORTED ||
			tcb >= TCB_STATUS_COUNT ||
			!(a->tolerate & (1u << tcb))))
		d |= TCB;
	return d;
}

static int say(struct err *e, unsigned d, size_t index,
	const struct handover_approval *a, const struct enclave *c,
	const struct verdict *v)
{
	char hex[2 * 64 + 1], want[2 * 64 + 1];

	if (d & PROGRAM) {
		bytes_to_hex(c->mrenclave, 32, hex);
		return err_setf(e, -EKEYREJECTED,
			"successor: MRENCLAVE %s is in no approval; have the "
			"release approved first",
			hex);
	}
	if (d & CONFIG) {
		bytes_to_hex(c->config_id, 64, hex);
		bytes_to_hex(a->config_id, 64, want);
		return err_setf(e, -EKEYREJECTED,
			"successor: CONFIGID %s; approval %zu wants %s", hex,
			index + 1, want);
	}
	if (d & VERSION)
		return err_setf(e, -EKEYREJECTED,
			"successor: ISVSVN %llu; approval %zu wants %u or "
			"higher",
			(unsigned long long)c->isv_svn, index + 1,
			a->isv_svn_min);
	if (d & TIME)
		return err_setf(e, -EKEYREJECTED,
			"successor: approval %zu is not valid now", index + 1);
	return err_setf(e, -EKEYREJECTED,
		"successor: its platform is %s, which approval %zu does not "
		"tolerate",
		verdict_tcb_name(v->tcb_status), index + 1);
}

static int judge_evidence(const struct handover_rules *rules,
	const struct verdict *v, struct err *e)
{
	const struct verdict_failure *f = &v->failures[0];

	if (v->kind != EVIDENCE_SGX_V3 && v->kind != EVIDENCE_SGX_V4 &&
		v->kind != EVIDENCE_SGX_V5)
		return err_setf(e, -EKEYREJECTED,
			"successor: evidence of kind %s; wanted an SGX quote",
			verdict_kind_name(v->kind));
	if (v->failure_count)
		return err_setf(e, -EKEYREJECTED,
			"successor: %s: %s; wanted %s", f->rule, f->seen,
			f->wanted);
	if (!v->signature || !v->chain)
		return err_setf(e, -EKEYREJECTED,
			"successor: its evidence was not verified");
	if (v->debug)
		return err_setf(e, -EKEYREJECTED,
			"successor: a debug enclave, whose memory the host "
			"reads");
	if (v->emulated && !rules->allow_emulated)
		return err_setf(e, -EKEYREJECTED,
			"successor: an emulated enclave, which hides nothing "
			"from its host");
	return 0;
}

int handover_judge(const struct handover_rules *rules, const struct verdict *v,
	size_t *approval, struct err *e)
{
	unsigned best = 0, d;
	size_t nearest = 0;
	struct enclave c;
	int rc = judge_evidence(rules, v, e);

	if (rc)
		return rc;
	if (!read_enclave(v, &c))
		return err_setf(e, -EKEYREJECTED,
			"successor: evidence without MRENCLAVE, MRSIGNER, "
			"CONFIGID and versions");
	if (c.isv_svn < rules->svn_floor)
		return err_setf(e, -EKEYREJECTED,
			"successor: ISVSVN %llu; %u has been in charge, and it "
			"never goes down",
			(unsigned long long)c.isv_svn, rules->svn_floor);
	if (!rules->count)
		return err_setf(e, -EKEYREJECTED,
			"successor: no release is approved; have it approved "
			"first");
	for (size_t i = 0; i < rules->count; i++) {
		d = differences(
			&rules->approval[i], &c, v->tcb_status, rules->now);
		if (!d) {
			*approval = i;
			return 0;
		}
		/* The nearest is the one that fails at the latest step. */
		if (!i || (d & -d) > (best & -best)) {
			best = d;
			nearest = i;
		}
	}
	return say(e, best, nearest, &rules->approval[nearest], &c, v);
}

uint16_t handover_floor(uint16_t floor, const struct verdict *successor)
{
	uint64_t svn;

	if (!number_of(successor, "isv_svn", &svn) || svn > UINT16_MAX ||
		svn < floor)
		return floor;
	return (uint16_t)svn;
}

static bool same_approval(
	const struct handover_approval *a, const struct handover_approval *b)
{
	return a->has_mrenclave == b->has_mrenclave &&
		a->has_signer == b->has_signer &&
		!memcmp(a->mrenclave, b->mrenclave, 32) &&
		!memcmp(a->mrsigner, b->mrsigner, 32) &&
		a->isv_prod_id == b->isv_prod_id &&
		a->isv_svn_min == b->isv_svn_min &&
		!memcmp(a->config_id, b->config_id, 64) && a->from == b->from &&
		a->until == b->until && a->tolerate == b->tolerate;
}

int handover_list_add(struct handover_list *list,
	const struct handover_approval *approval, struct err *e)
{
	if (!approval->has_mrenclave && !approval->has_signer)
		return err_setf(e, -EINVAL,
			"approval: names no program; wanted mrenclave or "
			"mrsigner");
	if (bytes_zero(approval->config_id, 64))
		return err_setf(e, -EINVAL,
			"approval: no CONFIGID; without it any program on this "
			"kernel would get the key");
	if (!approval->has_mrenclave && approval->isv_svn_min < list->svn_floor)
		return err_setf(e, -EINVAL,
			"approval: ISVSVN %u or higher; %u has been in charge, "
			"and it never goes down",
			approval->isv_svn_min, list->svn_floor);
	if (approval->from < 0 || approval->until < 0 ||
		(approval->until && approval->until <= approval->from))
		return err_setf(e, -EINVAL, "approval: ends before it begins");
	for (size_t i = 0; i < list->count; i++)
		if (same_approval(&list->item[i], approval))
			return err_setf(
				e, -EEXIST, "approval: it is there already");
	if (list->count == HANDOVER_APPROVALS_MAX)
		return err_setf(e, -ENOSPC,
			"approval: there are %d already; withdraw one",
			HANDOVER_APPROVALS_MAX);
	list->item[list->count++] = *approval;
	return 0;
}
