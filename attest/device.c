/* SPDX-License-Identifier: Apache-2.0 */
/* See device.h. */
#include "attest/device.h"

#include <linux/errno.h>

#include "crypto/cmac.h"
#include "lib/bytes.h"
#include "lib/string.h"

/* CPUSVN of the emulator (emu/platform.c). */
static const uint8_t emulated_cpusvn[16] = "SCONCE-EMULATED";

enum { QUOTE_TRIES = 3 };

/* ---- memory ---- */

static void drop(const struct device_ops *ops, uint8_t **p, size_t *size)
{
	if (*p)
		string_wipe(*p, *size);
	ops->free(*p);
	*p = NULL;
	*size = 0;
}

static int make_out(struct device_file *f, size_t size)
{
	drop(f->ops, &f->out, &f->out_size);
	f->out = f->ops->alloc(size ? size : 1);
	if (!f->out)
		return -ENOMEM;
	f->out_size = size;
	return 0;
}

static int give(struct device_file *f, const void *data, size_t size)
{
	int err = make_out(f, size);

	if (!err)
		memcpy(f->out, data, size);
	return err;
}

/* ---- who this is ---- */

static void report_self(const struct device_ops *ops, struct sgx_report *report)
{
	static const uint8_t data[64];
	static const struct sgx_targetinfo target;

	ops->report(&target, data, report);
}

/* What a report for this enclave is made for. */
static void target_self(
	const struct device_ops *ops, struct sgx_targetinfo *target)
{
	struct sgx_report r;

	report_self(ops, &r);
	memset(target, 0, sizeof(*target));
	memcpy(target->mrenclave, r.body.mrenclave, sizeof(target->mrenclave));
	target->attributes = r.body.attributes;
	target->cet_attributes = r.body.cet_attributes;
	target->configsvn = r.body.configsvn;
	target->miscselect = r.body.miscselect;
	memcpy(target->configid, r.body.configid, sizeof(target->configid));
}

static int load_type(struct device_file *f, const struct device_state *s)
{
	struct sgx_report r;
	bool emulated;

	report_self(f->ops, &r);
	emulated = !memcmp(r.body.cpusvn, emulated_cpusvn, 16);
	return emulated ? give(f, "emulated", 8) : give(f, "dcap", 4);
}

static int load_my_target(struct device_file *f, const struct device_state *s)
{
	struct sgx_targetinfo target;

	target_self(f->ops, &target);
	return give(f, &target, sizeof(target));
}

/* ---- reports ---- */

static int load_report_data(struct device_file *f, const struct device_state *s)
{
	return give(f, s->report_data, sizeof(s->report_data));
}

static void save_report_data(struct device_state *s, const uint8_t *data)
{
	memcpy(s->report_data, data, sizeof(s->report_data));
}

static int load_target(struct device_file *f, const struct device_state *s)
{
	return give(f, &s->target, sizeof(s->target));
}

static void save_target(struct device_state *s, const uint8_t *data)
{
	memcpy(&s->target, data, sizeof(s->target));
}

/* Reserved bytes that are not zero would make EREPORT fault. */
static bool target_valid(const struct sgx_targetinfo *target)
{
	return target->cet_attributes == 0 && target->reserved1 == 0 &&
		bytes_zero(target->reserved2, sizeof(target->reserved2)) &&
		bytes_zero(target->reserved3, sizeof(target->reserved3));
}

static int load_report(struct device_file *f, const struct device_state *s)
{
	static const struct sgx_targetinfo none;
	struct sgx_targetinfo self;
	struct sgx_report r;

	if (!memcmp(&s->target, &none, sizeof(none))) {
		target_self(f->ops, &self);
		f->ops->report(&self, s->report_data, &r);
	} else if (target_valid(&s->target)) {
		f->ops->report(&s->target, s->report_data, &r);
	} else {
		return -EINVAL;
	}
	return give(f, &r, sizeof(r));
}

/* The report key that EGETKEY gives is of reports for this very enclave, its
 * attributes and CONFIGID included, on this processor. */
static int check_report(const struct device_ops *ops, const uint8_t *data)
{
	struct sgx_keyrequest request = {.keyname = SGX_KEY_REPORT};
	uint8_t key[SGX_KEY_SIZE], mac[SGX_MAC_SIZE];
	struct sgx_report r;
	int err;

	memcpy(&r, data, sizeof(r));
	memcpy(request.keyid, r.keyid, sizeof(request.keyid));
	ops->compute_begin();
	err = ops->key(NULL, &request, key);
	if (!err)
		cmac_aes128(key, &r.body, sizeof(r.body), mac);
	ops->compute_end();
	string_wipe(key, sizeof(key));
	if (err)
		return -EIO;
	return string_equal_const_time(mac, r.mac, sizeof(mac)) ? 0 : -EBADMSG;
}

/* ---- quotes ---- */

static uint32_t get_le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
		(uint32_t)p[3] << 24;
}

/* Versions 3 and 4 of a quote of an SGX enclave. */
enum {
	QUOTE_BODY = 48,
	QUOTE_SIGNATURE_SIZE = QUOTE_BODY + sizeof(struct sgx_report_body),
	QUOTE_SIGNATURE = QUOTE_SIGNATURE_SIZE + 4,
	QUOTE_SIGNATURE_MIN = 64 + 64, /* a signature and the key for it */
	QUOTE_KEY_TYPE_P256 = 2,
};

int64_t device_quote_check(
	const struct sgx_report_body *body, const uint8_t *quote, size_t size)
{
	uint32_t head, tee, signature;

	if (size < QUOTE_SIGNATURE + QUOTE_SIGNATURE_MIN)
		return -EPROTO;
	head = get_le32(quote); /* version, kind of attestation key */
	tee = get_le32(quote + 4);
	if ((head != (3 | QUOTE_KEY_TYPE_P256 << 16) &&
		    head != (4 | QUOTE_KEY_TYPE_P256 << 16)) ||
		tee)
		return -EPROTO;
	if (memcmp(quote + QUOTE_BODY, body, sizeof(*body)) != 0)
		return -EPROTO;
	signature = get_le32(quote + QUOTE_SIGNATURE_SIZE);
	if (signature < QUOTE_SIGNATURE_MIN ||
		signature > size - QUOTE_SIGNATURE)
		return -EPROTO;
	return QUOTE_SIGNATURE + (int64_t)signature;
}

/*
 * A report for whom the host says is the quoting enclave. Only those have keys
 * for provisioning: without this the host could have a report made for another
 * program's enclave, which would take it for local attestation (S-40).
 */
static int64_t report_for_quote(const struct device_ops *ops,
	const struct device_state *s, struct sgx_report *report)
{
	struct sgx_targetinfo target;
	uint8_t data[64];
	int64_t err;

	memcpy(data, s->report_data, sizeof(data));
	err = ops->quote_target(&target);
	if (err)
		return err;
	if (!target_valid(&target) ||
		!(target.attributes.flags & SGX_ATTR_PROVISIONKEY))
		return -EPROTO;
	ops->report(&target, data, report);
	return 0;
}

static int load_quote(struct device_file *f, const struct device_state *s)
{
	struct sgx_report report;
	int64_t n = make_out(f, DEVICE_QUOTE_MAX);

	if (n)
		return (int)n;
	for (int i = 0; i < QUOTE_TRIES; i++) {
		n = report_for_quote(f->ops, s, &report);
		if (!n)
			n = f->ops->quote(&report, f->out, DEVICE_QUOTE_MAX);
		if (n != -EAGAIN)
			break;
	}
	if (n >= 0)
		n = device_quote_check(&report.body, f->out, (size_t)n);
	if (n < 0)
		return (int)n;
	f->out_size = (size_t)n;
	return 0;
}

/* ---- sealing ---- */

static int raw_key(struct device_file *f, enum seal_policy policy)
{
	uint8_t key[SEAL_RAW_KEY_SIZE];
	struct sgx_report r;
	struct seal_self self = {.body = &r.body, .key = f->ops->key};
	int err;

	report_self(f->ops, &r);
	f->ops->compute_begin();
	err = seal_raw_key(&self, policy, key);
	f->ops->compute_end();
	if (!err)
		err = give(f, key, sizeof(key));
	string_wipe(key, sizeof(key));
	return err;
}

static int load_key_mrenclave(
	struct device_file *f, const struct device_state *s)
{
	return raw_key(f, SEAL_MRENCLAVE);
}

static int load_key_mrsigner(
	struct device_file *f, const struct device_state *s)
{
	return raw_key(f, SEAL_MRSIGNER);
}

static int seal(struct device_file *f, enum seal_policy policy)
{
	uint8_t fresh[SEAL_FRESH_SIZE];
	struct sgx_report r;
	struct seal_self self = {.body = &r.body, .key = f->ops->key};
	int err = make_out(f, SEAL_OVERHEAD + f->in_size);

	if (err)
		return err;
	report_self(f->ops, &r);
	f->ops->random(fresh, sizeof(fresh));
	f->ops->compute_begin();
	err = seal_make(
		&self, SEAL_PROGRAM, policy, fresh, f->in, f->in_size, f->out);
	f->ops->compute_end();
	return err;
}

static int transact_seal_mrenclave(struct device_file *f)
{
	return seal(f, SEAL_MRENCLAVE);
}

static int transact_seal_mrsigner(struct device_file *f)
{
	return seal(f, SEAL_MRSIGNER);
}

static int transact_unseal(struct device_file *f)
{
	struct sgx_report r;
	struct seal_self self = {.body = &r.body, .key = f->ops->key};
	int err;

	if (f->in_size < SEAL_OVERHEAD)
		return -EINVAL;
	err = make_out(f, f->in_size - SEAL_OVERHEAD);
	if (err)
		return err;
	report_self(f->ops, &r);
	f->ops->compute_begin();
	err = seal_open(&self, SEAL_PROGRAM, f->in, f->in_size, f->out, NULL);
	f->ops->compute_end();
	return err;
}

/* ---- files ---- */

const struct device_node device_nodes[] = {
	{"attestation_type", 0444, 0, 0, load_type, NULL, NULL, NULL},
	{"keys/_sgx_mrenclave", 0444, ATTESTATION_KEYS, 0, load_key_mrenclave,
		NULL, NULL, NULL},
	{"keys/_sgx_mrsigner", 0444, ATTESTATION_KEYS, 0, load_key_mrsigner,
		NULL, NULL, NULL},
	{"my_target_info", 0444, ATTESTATION_REPORT, 0, load_my_target, NULL,
		NULL, NULL},
	{"quote", 0444, ATTESTATION_QUOTE, 0, load_quote, NULL, NULL, NULL},
	{"report", 0444, ATTESTATION_REPORT, 0, load_report, NULL, NULL, NULL},
	{"seal/mrenclave", 0666, ATTESTATION_SEAL, DEVICE_DATA_MAX, NULL, NULL,
		NULL, transact_seal_mrenclave},
	{"seal/mrsigner", 0666, ATTESTATION_SEAL, DEVICE_DATA_MAX, NULL, NULL,
		NULL, transact_seal_mrsigner},
	{"target_info", 0666, ATTESTATION_REPORT, sizeof(struct sgx_targetinfo),
		load_target, save_target, NULL, NULL},
	{"unseal", 0666, ATTESTATION_SEAL, DEVICE_DATA_MAX + SEAL_OVERHEAD,
		NULL, NULL, NULL, transact_unseal},
	{"user_report_data", 0666, ATTESTATION_REPORT | ATTESTATION_QUOTE, 64,
		load_report_data, save_report_data, NULL, NULL},
	{"verify_report", 0222, ATTESTATION_REPORT, sizeof(struct sgx_report),
		NULL, NULL, check_report, NULL},
};
const size_t device_node_count = ARRAY_SIZE(device_nodes);

int device_open(struct device_file *f, const struct device_node *node,
	const struct device_ops *ops, const struct device_state *s)
{
	f->node = node;
	f->ops = ops;
	return node->load ? node->load(f, s) : 0;
}

void device_close(struct device_file *f)
{
	drop(f->ops, &f->in, &f->in_size);
	drop(f->ops, &f->out, &f->out_size);
}

/* More input of a transaction. */
static int append(struct device_file *f, const void *data, size_t size)
{
	uint8_t *in;

	if (f->done) {
		drop(f->ops, &f->in, &f->in_size);
		f->done = false;
	}
	if (size > f->node->in_max - f->in_size)
		return -EFBIG;
	in = f->ops->alloc(f->in_size + size + 1);
	if (!in)
		return -ENOMEM;
	if (f->in_size)
		memcpy(in, f->in, f->in_size);
	memcpy(in + f->in_size, data, size);
	size += f->in_size;
	drop(f->ops, &f->in, &f->in_size);
	f->in = in;
	f->in_size = size;
	return 0;
}

static int replace(struct device_file *f, struct device_state *s,
	const void *data, size_t size)
{
	uint8_t whole[sizeof(struct sgx_targetinfo)] = {0};

	memcpy(whole, data, u64_min(size, f->node->in_max));
	f->node->save(s, whole);
	return give(f, whole, f->node->in_max);
}

int64_t device_write(struct device_file *f, struct device_state *s,
	const void *data, size_t size)
{
	int err;

	if (f->node->save)
		err = replace(f, s, data, size);
	else if (f->node->check)
		err = size == f->node->in_max ? f->node->check(f->ops, data)
					      : -EINVAL;
	else if (f->node->transact)
		err = append(f, data, size);
	else
		err = -EACCES;
	return err ? err : (int64_t)size;
}

int device_prepare(struct device_file *f)
{
	int err;

	if (!f->node->transact || f->done)
		return 0;
	err = f->node->transact(f);
	if (err)
		drop(f->ops, &f->out, &f->out_size);
	else
		f->done = true;
	return err;
}
