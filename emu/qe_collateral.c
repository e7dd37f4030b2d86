/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collateral of the emulated platform, as Intel's provisioning
 * certification service serves it for real ones (PCS API, version 4).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "emu/qe_int.h"

enum {
	HOUR = 3600,
	DAY = 86400,
	VALID = 30 * DAY,
	BODY_MAX = 4096,
	DATE_SIZE = 21,
	FILE_MODE = 0644,
	EVALUATION = 1, /* tcbEvaluationDataNumber */
};

struct dates {
	int64_t from, until;
	char issued[DATE_SIZE], next[DATE_SIZE], tcb[DATE_SIZE];
};

static int format_date(int64_t at, char text[DATE_SIZE])
{
	time_t t = (time_t)at;
	struct tm tm;

	return gmtime_r(&t, &tm) && tm.tm_year >= 70 && tm.tm_year < 8100 &&
			strftime(text, DATE_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) ==
				DATE_SIZE - 1
		? 0
		: -ERANGE;
}

static int set_dates(struct dates *d, int64_t now)
{
	if (now < DAY || now > INT64_C(1) << 40)
		return -ERANGE;
	/* Clocks of machines differ. */
	d->from = now - HOUR;
	d->until = now + VALID;
	return format_date(d->from, d->issued) ||
			format_date(d->until, d->next) ||
			format_date(d->from - d->from % DAY, d->tcb)
		? -ERANGE
		: 0;
}

static void hex(char *text, const void *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		snprintf(text + 2 * i, 3, "%02X", ((const uint8_t *)data)[i]);
}

/* There is one level: the emulator has no older versions of itself. */
static void tcb_info(
	const struct emu_qe *qe, const struct dates *d, char body[BODY_MAX])
{
	const struct pki_platform *p = &qe->described;
	char components[16 * PKI_TCB_COMPONENTS] = "", fmspc[16], pceid[8];
	size_t at = 0;

	for (unsigned i = 0; i < PKI_TCB_COMPONENTS; i++)
		at += (size_t)snprintf(components + at, sizeof(components) - at,
			"%s{\"svn\":%u}", i > 0 ? "," : "", p->components[i]);
	hex(fmspc, p->fmspc, sizeof(p->fmspc));
	hex(pceid, p->pceid, sizeof(p->pceid));
	snprintf(body, BODY_MAX,
		"{\"id\":\"SGX\",\"version\":3,\"issueDate\":\"%s\","
		"\"nextUpdate\":\"%s\",\"fmspc\":\"%s\",\"pceId\":\"%s\","
		"\"tcbType\":0,\"tcbEvaluationDataNumber\":%d,\"tcbLevels\":"
		"[{\"tcb\":{\"sgxtcbcomponents\":[%s],\"pcesvn\":%u},"
		"\"tcbDate\":\"%s\",\"tcbStatus\":\"UpToDate\"}]}",
		d->issued, d->next, fmspc, pceid, EVALUATION, components,
		p->pcesvn, d->tcb);
}

static void qe_identity(
	const struct emu_qe *qe, const struct dates *d, char body[BODY_MAX])
{
	/* Of the flags, all but MODE64BIT; of XFRM nothing. */
	const struct sgx_attributes mask = {~SGX_ATTR_MODE64BIT, 0};
	const struct sgx_report_body *id = &qe->identity;
	const struct sgx_attributes masked = {
		id->attributes.flags & mask.flags, 0};
	char mrsigner[2 * SGX_HASH_SIZE + 1], attributes[33], masks[33],
		miscselect[9];

	hex(mrsigner, id->mrsigner, sizeof(id->mrsigner));
	hex(attributes, &masked, sizeof(masked));
	hex(masks, &mask, sizeof(mask));
	hex(miscselect, &id->miscselect, sizeof(id->miscselect));
	snprintf(body, BODY_MAX,
		"{\"id\":\"QE\",\"version\":2,\"issueDate\":\"%s\","
		"\"nextUpdate\":\"%s\",\"tcbEvaluationDataNumber\":%d,"
		"\"miscselect\":\"%s\",\"miscselectMask\":\"FFFFFFFF\","
		"\"attributes\":\"%s\",\"attributesMask\":\"%s\","
		"\"mrsigner\":\"%s\",\"isvprodid\":%u,\"tcbLevels\":"
		"[{\"tcb\":{\"isvsvn\":%u},\"tcbDate\":\"%s\","
		"\"tcbStatus\":\"UpToDate\"}]}",
		d->issued, d->next, EVALUATION, miscselect, attributes, masks,
		mrsigner, id->isvprodid, id->isvsvn, d->tcb);
}

struct target {
	const struct emu_qe *qe;
	const char *dir;
	struct dates dates;
	struct err *e;
};

/* Writes data, which was malloc'ed, if making it succeeded (@ret). */
static int write_out(
	struct target *t, const char *name, void *data, size_t size, int ret)
{
	if (ret == 0)
		ret = qe_file_write(t->dir, name, data, size, FILE_MODE, true);
	if (ret < 0)
		err_setf(t->e, ret, "%s/%s: %s", t->dir, name, strerror(-ret));
	free(data);
	return ret;
}

static int write_json(struct target *t, const char *file, const char *name,
	void (*fill)(const struct emu_qe *, const struct dates *, char *))
{
	char body[BODY_MAX], *text = NULL;
	size_t size = 0;
	int ret;

	fill(t->qe, &t->dates, body);
	ret = pki_json(t->qe->key[QE_TCB_SIGNING], name, body, &text, &size);
	return write_out(t, file, text, size, ret);
}

static int write_chain(
	struct target *t, const char *file, enum qe_cert leaf, size_t count)
{
	X509 *const chain[] = {t->qe->cert[leaf], t->qe->cert[QE_ROOT]};
	char *pem = NULL;
	size_t size = 0;
	int ret = pki_pem(chain, count, &pem, &size);

	return write_out(t, file, pem, size, ret);
}

static int write_crl(struct target *t, const char *file, enum qe_cert issuer)
{
	uint8_t *der = NULL;
	size_t size = 0;
	int ret = pki_crl(t->qe->cert[issuer], t->qe->key[issuer],
		t->dates.from, t->dates.until, (uint64_t)t->dates.from, NULL, 0,
		&der, &size);

	return write_out(t, file, der, size, ret);
}

int emu_qe_collateral(
	const struct emu_qe *qe, const char *dir, int64_t now, struct err *e)
{
	struct target t = {qe, dir, .e = e};
	int ret = set_dates(&t.dates, now);

	if (ret < 0)
		return err_setf(e, ret,
			"collateral: a time of %lld s since "
			"1970 is not one of this millennium",
			(long long)now);
	if (mkdir(dir, 0755) && errno != EEXIST)
		return err_setf(e, -errno, "%s: %s", dir, strerror(errno));
	ret = write_json(&t, "tcb_info.json", "tcbInfo", tcb_info);
	if (ret == 0)
		ret = write_json(
			&t, "qe_identity.json", "enclaveIdentity", qe_identity);
	if (ret == 0)
		ret = write_chain(&t, "tcb_info_chain.pem", QE_TCB_SIGNING, 2);
	if (ret == 0)
		ret = write_chain(
			&t, "qe_identity_chain.pem", QE_TCB_SIGNING, 2);
	if (ret == 0)
		ret = write_crl(&t, "root_ca_crl.der", QE_ROOT);
	if (ret == 0)
		ret = write_crl(&t, "pck_crl.der", QE_PCK_CA);
	if (ret == 0)
		ret = write_chain(&t, "root_ca.pem", QE_ROOT, 1);
	return ret;
}
