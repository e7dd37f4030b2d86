/* SPDX-License-Identifier: Apache-2.0 */
/* Verification and verdicts. */
#include "attest/api_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/string.h"

/* What a verification goes by; the lock is held. */
static must_check int prepare(
	struct sconce_verifier *v, struct ratls_options *options, struct err *e)
{
	const struct trust trust = {
		.roots = v->root_count ? v->roots : NULL,
		.root_count = v->root_count,
		.emulated = v->emulated,
	};

	if (!v->any_program &&
		(!v->has_policy || !appraise_names_program(&v->policy)))
		return err_setf(e, -EINVAL,
			"the policy names no program, so any would do; wanted "
			"one with mrenclave, mrsigner, mrtd, measurement, ...");
	*options = (struct ratls_options){.evidence = v->options};
	if (!v->has_time)
		options->evidence.at = time(NULL);
	if (v->nonce_size)
		options->nonce = (struct span){v->nonce, v->nonce_size};
	if (v->collateral)
		return 0;
	return collateral_new(&v->files, &trust, &v->collateral, e);
}

/* Policy, and so the result; the verdict is filled in. */
static int judge(struct sconce_verifier *v, int64_t at,
	struct sconce_verdict *verdict, struct err *e)
{
	const struct verdict_failure *f = verdict->v.failures;

	/* There is nobody to read a note, as the tool has one (S-39). */
	if (!v->any_program &&
		appraise_takes_any_config(&v->policy, &verdict->v))
		verdict_fail(&verdict->v, "policy-config_id",
			"the policy takes any configuration (manifest)",
			"config_id in the policy");
	verdict->accepted = appraise(&verdict->v, &v->policy, at);
	if (verdict->accepted)
		return 0;
	return err_setf(e, -EKEYREJECTED, "%s: %s; wanted %s", f->rule, f->seen,
		f->wanted);
}

static void check_report_data(
	struct verdict *v, const unsigned char *report_data)
{
	const struct verdict_field *f = verdict_field(v, "report_data");

	if (!f || f->size != SCONCE_REPORT_DATA_SIZE)
		verdict_fail(v, "report-data", "none", "the one asked for");
	else if (memcmp(f->bytes, report_data, f->size))
		verdict_fail_hex(
			v, "report-data", f->bytes, report_data, f->size);
}

int api_verify_certificate(struct sconce_verifier *v, X509 *cert,
	struct sconce_verdict *verdict, struct err *e)
{
	struct ratls_options options = {0};
	int rc;

	pthread_mutex_lock(&v->lock);
	rc = prepare(v, &options, e);
	if (!rc)
		rc = ratls_verify(
			cert, v->collateral, &options, &verdict->v, e);
	if (rc == -ENOENT) /* no evidence: as much of use as malformed */
		rc = e->code = -EINVAL;
	if (!rc)
		rc = judge(v, options.evidence.at, verdict, e);
	pthread_mutex_unlock(&v->lock);
	return rc;
}

static must_check int verify_evidence(struct sconce_verifier *v,
	const void *evidence, size_t size, const unsigned char *report_data,
	struct sconce_verdict *verdict, struct err *e)
{
	struct ratls_options options = {0};
	int rc;

	pthread_mutex_lock(&v->lock);
	rc = prepare(v, &options, e);
	if (!rc)
		rc = evidence_verify(evidence, size, v->collateral,
			&options.evidence, &verdict->v, e);
	if (!rc && report_data)
		check_report_data(&verdict->v, report_data);
	if (!rc)
		rc = judge(v, options.evidence.at, verdict, e);
	pthread_mutex_unlock(&v->lock);
	return rc;
}

/* Hands the verdict out, if there is one. */
static int finish(int rc, struct sconce_verdict *verdict,
	struct sconce_verdict **out, const struct err *err,
	struct sconce_error *e)
{
	bool wanted = out && (rc == 0 || rc == -EKEYREJECTED);

	if (out)
		*out = wanted ? verdict : NULL;
	if (!wanted)
		free(verdict);
	api_error(e, err);
	return rc;
}

api_public int sconce_verify_evidence(struct sconce_verifier *v,
	const void *evidence, size_t size, const unsigned char *report_data,
	struct sconce_verdict **out, struct sconce_error *e)
{
	struct sconce_verdict *verdict = calloc(1, sizeof(*verdict));
	struct err err = {0};
	int rc;

	rc = verdict
		? verify_evidence(v, evidence, size, report_data, verdict, &err)
		: err_setf(&err, -ENOMEM, "out of memory");
	return finish(rc, verdict, out, &err, e);
}

api_public int sconce_verify_certificate(struct sconce_verifier *v, X509 *cert,
	struct sconce_verdict **out, struct sconce_error *e)
{
	struct sconce_verdict *verdict = calloc(1, sizeof(*verdict));
	struct err err = {0};
	int rc;

	rc = verdict ? api_verify_certificate(v, cert, verdict, &err)
		     : err_setf(&err, -ENOMEM, "out of memory");
	return finish(rc, verdict, out, &err, e);
}

api_public void sconce_verdict_free(struct sconce_verdict *verdict)
{
	free(verdict);
}

api_public int sconce_verdict_accepted(const struct sconce_verdict *verdict)
{
	return verdict->accepted;
}

api_public const char *sconce_verdict_kind(const struct sconce_verdict *verdict)
{
	return verdict_kind_name(verdict->v.kind);
}

api_public const char *sconce_verdict_tcb_status(
	const struct sconce_verdict *verdict)
{
	return verdict_tcb_name(verdict->v.tcb_status);
}

api_public int sconce_verdict_is_debug(const struct sconce_verdict *verdict)
{
	return verdict->v.debug;
}

api_public int sconce_verdict_is_emulated(const struct sconce_verdict *verdict)
{
	return verdict->v.emulated;
}

api_public const char *sconce_verdict_advisory(
	const struct sconce_verdict *verdict, size_t index)
{
	return index < verdict->v.advisory_count ? verdict->v.advisories[index]
						 : NULL;
}

api_public int sconce_verdict_failure(const struct sconce_verdict *verdict,
	size_t index, const char **rule, const char **seen, const char **wanted)
{
	const struct verdict *v = &verdict->v;

	if (index >= v->failure_count || index >= VERDICT_FAILURES)
		return -ENOENT;
	*rule = v->failures[index].rule;
	*seen = v->failures[index].seen;
	*wanted = v->failures[index].wanted;
	return 0;
}

api_public int sconce_verdict_field(const struct sconce_verdict *verdict,
	const char *name, const unsigned char **bytes, size_t *size,
	uint64_t *number)
{
	const struct verdict_field *f = verdict_field(&verdict->v, name);

	if (!f)
		return -ENOENT;
	*bytes = f->bytes;
	*size = f->size;
	*number = f->number;
	return 0;
}
