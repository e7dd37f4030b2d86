/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sconce collateral fetch`: from a PCCS or Intel's own service (the paths of
 * version 4 of its API) and, for SEV-SNP, from AMD's key distribution service
 * (AMD 57230). What came is looked at before anything of it is kept; the
 * folder is replaced as a whole.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "attest/crl.h"
#include "attest/pck.h"
#include "attest/quote.h"
#include "attest/snp.h"
#include "cli/collateral.h"
#include "cli/collateral_dir.h"
#include "cli/http_get.h"
#include "emu/qe.h"
#include "lib/bytes.h"
#include "lib/fmt.h"
#include "lib/string.h"

#define INTEL "https://api.trustedservices.intel.com"
#define INTEL_ROOT_CRL \
	"https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"
#define AMD "https://kdsintf.amd.com"

enum { PPID_MAX = 384 }; /* encrypted with RSA-3072 */

struct fetch {
	char base[512]; /* URL without a slash at the end */
	const char *ca_file;
	char update[64]; /* "&update=..." or "" */
	/* Intel */
	bool tdx;
	char fmspc[13];
	const char *ca; /* "processor", "platform" */
	/* Of a quote without certificates: how the service is asked for them,
	 * which then say the above. */
	char pck_query[1024];
	/* AMD */
	bool snp;
	bool vlek; /* the key is the provider's; it comes with the report */
	char product[16];
	char vcek[300]; /* behind the product */
	struct attest_folder *folder;
};

static int bad_use(const char *option, const char *value, const char *wanted,
	struct err *e)
{
	return err_setf(
		e, -EINVAL, "--%s '%.60s': wanted %s", option, value, wanted);
}

/* ---- what is wanted ---- */

static int set_base(struct fetch *f, const char *url, struct err *e)
{
	static const char *const ends[] = {
		"/sgx/certification/v4", "/tdx/certification/v4", "/vcek/v1"};
	size_t len = strlen(url);

	while (len > 0 && url[len - 1] == '/')
		len--;
	/* As configuration files of Intel's client have it. */
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		size_t n = strlen(ends[i]);

		if (len > n && memcmp(url + len - n, ends[i], n) == 0)
			len -= n;
	}
	if (len >= sizeof(f->base) || strstr(url, "://") == NULL)
		return bad_use(f->snp ? "kds" : "pccs", url,
			"a URL as https://localhost:8081", e);
	memcpy(f->base, url, len);
	f->base[len] = '\0';
	return 0;
}

static int set_update(struct fetch *f, const char *text, struct err *e)
{
	if (text == NULL)
		return 0;
	if (strcmp(text, "early") == 0 || strcmp(text, "standard") == 0) {
		fmt_print(f->update, sizeof(f->update), "&update=%s", text);
		return 0;
	}
	if (*text == '\0' || strlen(text) > 9 ||
		strspn(text, "0123456789") != strlen(text))
		return bad_use("update", text,
			"early, standard or a tcbEvaluationDataNumber", e);
	fmt_print(f->update, sizeof(f->update), "&tcbEvaluationDataNumber=%s",
		text);
	return 0;
}

static void set_fmspc(struct fetch *f, const uint8_t fmspc[6])
{
	bytes_to_hex(fmspc, 6, f->fmspc);
}

static int set_ca(struct fetch *f, const char *issuer, struct err *e)
{
	f->ca = strstr(issuer, "Platform") != NULL    ? "platform"
		: strstr(issuer, "Processor") != NULL ? "processor"
						      : NULL;
	return f->ca != NULL
		? 0
		: err_setf(e, -EINVAL,
			  "the quote's certificate is issued by '%s', which is "
			  "not Intel; an emulated platform's collateral comes "
			  "with `sconce collateral fetch --emulated DIR`",
			  issuer);
}

/* Which platform a PCK certificate in data[size] is for. */
static int from_pck(
	struct fetch *f, const void *data, size_t size, struct err *e)
{
	struct x509_list list = {0};
	struct x509_cert *leaf;
	struct pck pck = {0};
	int ret = x509_list_parse(&list, NULL, data, size, e);

	if (ret < 0)
		return ret;
	leaf = x509_list_find(&list, "PCK Certificate");
	ret = leaf == NULL ? err_setf(e, -EINVAL, "no PCK certificate in it")
			   : pck_of_cert(leaf, &pck, e);
	if (ret == 0) {
		set_fmspc(f, pck.fmspc);
		ret = set_ca(f, x509_cert_issuer(leaf), e);
	}
	x509_list_fini(&list);
	return ret;
}

static size_t add_hex(char *text, size_t size, const char *name,
	const uint8_t *data, size_t count)
{
	char hex[2 * PPID_MAX + 1];

	bytes_to_hex(data, count, hex);
	return fmt_print(text, size, "%s%s", name, hex);
}

/*
 * A quote without certificates names its platform: PPID (clear, or encrypted
 * to Intel), CPUSVN, PCESVN and PCEID, which Intel's sample leaves out.
 */
static int name_pck(struct fetch *f, const struct quote *q, struct err *e)
{
	static const uint8_t zero[2];
	size_t ppid = q->cert_type == QUOTE_CERT_PPID     ? 16
		: q->cert_type == QUOTE_CERT_PPID_RSA2048 ? 256
							  : PPID_MAX;
	const uint8_t *rest = q->cert + ppid;
	size_t len, room = sizeof(f->pck_query);

	if (q->cert_size < ppid + 18)
		return err_setf(e, -EINVAL,
			"certification data of %zu bytes; wanted %zu",
			q->cert_size, ppid + 20);
	len = add_hex(f->pck_query, room, "qeid=", q->data + 28, 16);
	if (q->cert_type == QUOTE_CERT_PPID_RSA3072)
		len += add_hex(f->pck_query + len, room - len,
			"&encrypted_ppid=", q->cert, ppid);
	len += add_hex(f->pck_query + len, room - len, "&cpusvn=", rest, 16);
	len += add_hex(
		f->pck_query + len, room - len, "&pcesvn=", rest + 16, 2);
	add_hex(f->pck_query + len, room - len,
		"&pceid=", q->cert_size >= ppid + 20 ? rest + 18 : zero, 2);
	return 0;
}

static int from_quote(
	struct fetch *f, const struct attest_file *file, struct err *e)
{
	struct quote quote;
	int ret = quote_parse(file->data, file->size, &quote, e);

	if (ret < 0)
		return ret;
	f->tdx = quote.tdx;
	if (quote.cert_type == QUOTE_CERT_CHAIN ||
		quote.cert_type == QUOTE_CERT_PCK)
		return from_pck(f, quote.cert, quote.cert_size, e);
	return name_pck(f, &quote, e);
}

/* The VCEK's name: chip and security patch levels. */
static int name_vcek(struct fetch *f, const struct snp_report *r, struct err *e)
{
	bool turin = strcmp(f->product, "Turin") == 0;
	const uint8_t *tcb = r->reported_tcb;
	size_t len;

	if (bytes_zero(r->chip_id, sizeof(r->chip_id)))
		return err_setf(e, -EINVAL,
			"the report hides its chip (CHIP_ID is zero): its VCEK "
			"must come from who runs the machine");
	len = add_hex(f->vcek, sizeof(f->vcek), "", r->chip_id,
		turin ? SNP_TURIN_HWID_SIZE : SNP_CHIP_ID_SIZE);
	if (turin)
		fmt_print(f->vcek + len, sizeof(f->vcek) - len,
			"?fmcSPL=%u&blSPL=%u&teeSPL=%u&snpSPL=%u&ucodeSPL=%u",
			tcb[0], tcb[1], tcb[2], tcb[3], tcb[7]);
	else
		fmt_print(f->vcek + len, sizeof(f->vcek) - len,
			"?blSPL=%u&teeSPL=%u&snpSPL=%u&ucodeSPL=%u", tcb[0],
			tcb[1], tcb[6], tcb[7]);
	return 0;
}

static int from_report(struct fetch *f, const struct attest_file *file,
	const char *product, struct err *e)
{
	struct snp_report report;
	const char *name;
	int ret = snp_parse(file->data, file->size, &report, e);

	if (ret < 0)
		return ret;
	name = snp_product_name(snp_report_product(&report));
	if (product != NULL && strcmp(product, "Milan") != 0 &&
		strcmp(product, "Genoa") != 0 && strcmp(product, "Turin") != 0)
		return bad_use("product", product, "Milan, Genoa or Turin", e);
	if (product == NULL && name[0] == '\0')
		return err_setf(e, -EINVAL,
			"a report of version %u does not say which processor "
			"it is from; --product Milan, Genoa or Turin does",
			report.version);
	fmt_print(f->product, sizeof(f->product), "%s",
		product != NULL ? product : name);
	f->vlek = (report.signer_info >> 2 & 7) == SNP_KEY_VLEK;
	return f->vlek ? 0 : name_vcek(f, &report, e);
}

static int from_options(struct fetch *f, const struct options *o, struct err *e)
{
	const char *fmspc = o->value[ATTEST_FMSPC];
	const char *tee = o->value[ATTEST_TEE], *ca = o->value[ATTEST_CA];
	uint8_t bytes[6];

	if (fmspc == NULL || tee == NULL)
		return err_setf(e, -EINVAL,
			"collateral fetch: wanted --quote FILE, or --fmspc HEX "
			"and --tee sgx or tdx");
	if (!string_from_hex(fmspc, bytes, sizeof(bytes)))
		return bad_use("fmspc", fmspc, "12 hexadecimal digits", e);
	set_fmspc(f, bytes);
	if (strcmp(tee, "sgx") != 0 && strcmp(tee, "tdx") != 0)
		return bad_use("tee", tee, "sgx or tdx", e);
	f->tdx = strcmp(tee, "tdx") == 0;
	f->ca = ca != NULL ? ca : "platform";
	if (strcmp(f->ca, "platform") != 0 && strcmp(f->ca, "processor") != 0)
		return bad_use("ca", f->ca, "processor or platform", e);
	return 0;
}

static int set_fetch(struct fetch *f, const struct options *o, struct err *e)
{
	const char *path = o->value[ATTEST_QUOTE];
	struct attest_file file = {0};
	int ret;

	f->ca_file = o->value[ATTEST_CA_FILE];
	if (path == NULL) {
		ret = from_options(f, o, e);
	} else if (o->value[ATTEST_FMSPC] != NULL ||
		o->value[ATTEST_TEE] != NULL || o->value[ATTEST_CA] != NULL) {
		ret = err_setf(e, -EINVAL,
			"--quote says what --fmspc, --tee and --ca say; give "
			"one or the others");
	} else {
		ret = attest_file_read(&file, "quote", path, e);
		if (ret < 0)
			return ret;
		f->snp = snp_is_report(file.data, file.size);
		ret = f->snp
			? from_report(f, &file, o->value[ATTEST_PRODUCT], e)
			: from_quote(f, &file, e);
		free(file.data);
		if (ret < 0)
			err_prefix(e, "quote %s", path);
	}
	if (ret == 0)
		ret = set_update(f, o->value[ATTEST_UPDATE], e);
	if (ret < 0)
		return ret;
	return f->snp
		? set_base(f,
			  o->value[ATTEST_KDS] != NULL ? o->value[ATTEST_KDS]
						       : AMD,
			  e)
		: set_base(f,
			  o->value[ATTEST_PCCS] != NULL ? o->value[ATTEST_PCCS]
							: INTEL,
			  e);
}

/* ---- getting it ---- */

static struct attest_file *file_of(struct fetch *f, const char *name)
{
	size_t i = 0;

	while (strcmp(collateral_names[i], name) != 0)
		i++;
	return &f->folder->file[i];
}

static int keep(struct fetch *f, const char *name, const void *data,
	size_t size, struct err *e)
{
	struct attest_file *file = file_of(f, name);

	file->data = malloc(size + 1);
	if (file->data == NULL)
		return err_setf(e, -ENOMEM, "no memory");
	memcpy(file->data, data, size);
	file->data[size] = '\0';
	file->size = size;
	return 0;
}

/* A body that becomes a file; of lists of revocation their DER. */
static int get_file(struct fetch *f, const char *url, const char *name,
	const char *chain_name, const char *header, struct err *e)
{
	struct http_answer answer;
	char other[64], *chain = NULL;
	int ret = http_get(url, f->ca_file, &answer, e);

	if (ret < 0)
		return ret;
	if (answer.body_size == 0)
		ret = err_setf(e, -EPROTO, "%.200s: an empty answer", url);
	if (ret == 0 && strstr(name, "crl.der") != NULL) {
		struct crl *crl;
		const uint8_t *der;
		size_t size;

		ret = crl_new(answer.body, answer.body_size, &crl, e);
		if (ret == 0) {
			der = crl_der(crl, &size);
			ret = keep(f, name, der, size, e);
			crl_free(crl);
		} else {
			err_prefix(e, "%.200s", url);
		}
	} else if (ret == 0) {
		ret = keep(f, name, answer.body, answer.body_size, e);
	}
	if (ret == 0 && chain_name != NULL) {
		/* Older versions have "SGX-" before it. */
		fmt_print(other, sizeof(other), "SGX-%s", header);
		chain = http_header(&answer, header);
		if (chain == NULL)
			chain = http_header(&answer, other);
		ret = chain == NULL
			? err_setf(e, -EPROTO,
				  "%.200s: no header %s in the answer; "
				  "is this a PCCS?",
				  url, header)
			: keep(f, chain_name, chain, strlen(chain), e);
		free(chain);
	}
	free(answer.text);
	return ret;
}

/* The PCK certificate, for quotes that hold none. */
static int get_pck(struct fetch *f, bool intel, struct err *e)
{
	static char url[sizeof(f->base) + sizeof(f->pck_query) + 64];
	const char *query = f->pck_query;
	struct attest_file *file = file_of(f, "pck_cert.pem");
	int ret;

	/* Intel's own service knows no quoting enclaves, caches do. */
	if (intel)
		query = strchr(query, '&') + 1;
	fmt_print(url, sizeof(url), "%s/sgx/certification/v4/pckcert?%s",
		f->base, query);
	ret = get_file(f, url, "pck_cert.pem", "pck_issuer_chain.pem",
		"PCK-Certificate-Issuer-Chain", e);
	if (ret == 0) {
		ret = from_pck(f, file->data, file->size, e);
		if (ret < 0)
			err_prefix(e, "%.200s", url);
	}
	return ret;
}

static int get_intel(struct fetch *f, struct err *e)
{
	static char url[1024];
	const char *tee = f->tdx ? "tdx" : "sgx";
	bool intel = strstr(f->base, "trustedservices.intel.com") != NULL;
	int ret = f->pck_query[0] != '\0' ? get_pck(f, intel, e) : 0;

	if (ret < 0)
		return ret;
	fmt_print(url, sizeof(url), "%s/%s/certification/v4/tcb?fmspc=%s%s",
		f->base, tee, f->fmspc, f->update);
	ret = get_file(f, url, "tcb_info.json", "tcb_info_chain.pem",
		"TCB-Info-Issuer-Chain", e);
	if (ret < 0)
		return ret;
	fmt_print(url, sizeof(url), "%s/%s/certification/v4/qe/identity%s%s",
		f->base, tee, f->update[0] != '\0' ? "?" : "",
		f->update[0] != '\0' ? f->update + 1 : "");
	ret = get_file(f, url, "qe_identity.json", "qe_identity_chain.pem",
		"SGX-Enclave-Identity-Issuer-Chain", e);
	if (ret < 0)
		return ret;
	fmt_print(url, sizeof(url),
		"%s/sgx/certification/v4/pckcrl?ca=%s&encoding=der", f->base,
		f->ca);
	ret = get_file(f, url, "pck_crl.der", NULL, NULL, e);
	if (ret < 0)
		return ret;
	fmt_print(
		url, sizeof(url), "%s/sgx/certification/v4/rootcacrl", f->base);
	return get_file(f, intel ? INTEL_ROOT_CRL : url, "root_ca_crl.der",
		NULL, NULL, e);
}

static int get_amd(struct fetch *f, struct err *e)
{
	static char url[1024];
	const char *kind = f->vlek ? "vlek" : "vcek";
	int ret = 0;

	if (!f->vlek) {
		fmt_print(url, sizeof(url), "%s/vcek/v1/%s/%s", f->base,
			f->product, f->vcek);
		ret = get_file(f, url, "vcek.der", NULL, NULL, e);
	}
	if (ret < 0)
		return ret;
	fmt_print(url, sizeof(url), "%s/%s/v1/%s/cert_chain", f->base, kind,
		f->product);
	ret = get_file(f, url, "cert_chain.pem", NULL, NULL, e);
	if (ret < 0)
		return ret;
	fmt_print(
		url, sizeof(url), "%s/%s/v1/%s/crl", f->base, kind, f->product);
	return get_file(f, url, "crl.der", NULL, NULL, e);
}

/* That it is what was asked for, and can be read. */
static int check(const struct fetch *f, const struct collateral_view *view,
	struct err *e)
{
	char fmspc[13] = "";

	for (size_t i = 0; i < view->count; i++)
		if (view->row[i].problem[0] != '\0')
			return err_setf(e, -EPROTO, "%s: its %s: %s", f->base,
				view->row[i].name, view->row[i].problem);
	if (f->snp)
		return 0;
	bytes_to_hex(view->fmspc, sizeof(view->fmspc), fmspc);
	if (strcmp(fmspc, f->fmspc) != 0 || view->tdx != f->tdx)
		return err_setf(e, -EPROTO,
			"%s: its TCB information is for %s %s; wanted %s %s",
			f->base, view->tdx ? "TDX" : "SGX", fmspc,
			f->tdx ? "TDX" : "SGX", f->fmspc);
	return 0;
}

static int fetch(struct options *o, struct attest_folder *folder, struct err *e)
{
	static struct collateral_view view;
	static struct fetch f;
	const char *dir = o->path[0];
	int ret;

	f = (struct fetch){.folder = folder};
	ret = set_fetch(&f, o, e);
	if (ret == 0)
		ret = collateral_dir_check(dir, e);
	if (ret == 0)
		ret = f.snp ? get_amd(&f, e) : get_intel(&f, e);
	if (ret < 0)
		return ret;
	collateral_look(folder, &view);
	ret = check(&f, &view, e);
	if (ret == 0)
		ret = collateral_dir_write(dir, folder, e);
	if (ret < 0)
		return ret;
	collateral_print(&view, dir, (int64_t)time(NULL));
	if (f.vlek)
		printf("vlek.der is not public: who runs the machine has it\n");
	return ATTEST_OK;
}

static int make_emulated(const char *dir, struct err *e)
{
	struct emu_qe *qe;
	int ret = emu_qe_new(&qe, e);

	if (ret < 0)
		return ret;
	ret = emu_qe_collateral(qe, dir, (int64_t)time(NULL), e);
	emu_qe_free(qe);
	return ret < 0 ? ret : ATTEST_OK;
}

int attest_collateral_fetch(struct options *o, struct err *e)
{
	static struct attest_folder folder;
	int ret;

	if (o->value[ATTEST_EMULATED] != NULL)
		return make_emulated(o->path[0], e);
	ret = fetch(o, &folder, e);
	attest_folder_free(&folder);
	return ret;
}
