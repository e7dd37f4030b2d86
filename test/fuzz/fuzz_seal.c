/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target: sealed blobs, and the files of /dev/attestation.
 *
 * The first byte chooses: any bytes as a blob; a real blob with bytes changed
 * (and its sum made good); any bytes as a quote; a program and a host on all
 * the files at once. Nothing but what was sealed opens, nothing but a quote of
 * the report is taken for one, and what is read is never more than there is.
 */
#include <stdlib.h>

#include "attest/device.c"
#include "attest/seal.c"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the enclave ---- */

static struct sgx_report_body self_body = {
	.attributes = {SGX_ATTR_INIT | SGX_ATTR_MODE64BIT | SGX_ATTR_KSS, 7},
	.miscselect = SGX_MISC_EXINFO,
	.mrenclave = {1},
	.mrsigner = {2},
	.configid = {3},
	.isvsvn = 4,
	.configsvn = 5,
	.cpusvn = {6, 6},
};

static int egetkey(void *ctx, const struct sgx_keyrequest *request,
	uint8_t key[SGX_KEY_SIZE])
{
	uint8_t digest[SHA256_SIZE];

	CHECK(!request->reserved1);
	for (size_t i = 0; i < sizeof(request->cpusvn); i++)
		if (request->cpusvn[i] > self_body.cpusvn[i])
			return SGX_INVALID_CPUSVN;
	sha256(request, sizeof(*request), digest);
	memcpy(key, digest, SGX_KEY_SIZE);
	return 0;
}

static const struct seal_self self = {.body = &self_body, .key = egetkey};

static void ereport(const struct sgx_targetinfo *target, const uint8_t user[64],
	struct sgx_report *report)
{
	CHECK(target_valid(target)); /* the processor would fault */
	memset(report, 0, sizeof(*report));
	report->body = self_body;
	memcpy(report->body.reportdata, user, 64);
}

/* ---- blobs ---- */

static uint8_t *copy_of(const void *data, size_t size)
{
	uint8_t *p = malloc(size + 1);

	CHECK(p);
	if (size)
		memcpy(p, data, size);
	return realloc(p, size ? size : 1);
}

static void any_blob(const uint8_t *data, size_t size)
{
	uint8_t *blob = copy_of(data, size), *out = copy_of(data, size);
	struct err e;

	CHECK(seal_open(&self, SEAL_PROGRAM, blob, size, out, &e) < 0);
	CHECK(e.code < 0 && strnlen(e.text, sizeof(e.text)) < sizeof(e.text));
	free(blob);
	free(out);
}

static void changed_blob(const uint8_t *data, size_t size)
{
	static const uint8_t fresh[SEAL_FRESH_SIZE] = {9};
	uint8_t plain[50] = {1, 2, 3}, out[sizeof(plain)];
	uint8_t real[SEAL_OVERHEAD + sizeof(plain)], blob[sizeof(real)];
	bool same;
	int err;

	CHECK(!seal_make(&self, SEAL_PROGRAM, SEAL_MRSIGNER, fresh, plain,
		sizeof(plain), real));
	memcpy(blob, real, sizeof(real));
	for (; size >= 3; data += 3, size -= 3)
		blob[(data[0] | data[1] << 8) % sizeof(blob)] = data[2];
	if (size) {
		struct seal_header h;

		memcpy(&h, blob, sizeof(h));
		sum(&h, h.sum);
		memcpy(blob, &h, sizeof(h));
	}
	same = !memcmp(blob, real, sizeof(blob));
	err = seal_open(&self, SEAL_PROGRAM, blob, sizeof(blob), out, NULL);
	CHECK(same == !err);
	CHECK(err || !memcmp(out, plain, sizeof(plain)));
}

/* ---- quotes ---- */

static void any_quote(const uint8_t *data, size_t size)
{
	uint8_t *quote = copy_of(data, size);
	int64_t n;

	/* A body that fits, or nothing gets further. */
	if (size > 48 + sizeof(self_body) && data[0] & 1)
		memcpy(quote + 48, &self_body, sizeof(self_body));
	n = device_quote_check(&self_body, quote, size);
	CHECK(n == -EPROTO || (n >= 436 + 128 && (size_t)n <= size));
	CHECK(n < 0 || !memcmp(quote + 48, &self_body, sizeof(self_body)));
	free(quote);
}

/* ---- the files ---- */

static const uint8_t *next, *end;

static size_t take(void *to, size_t size)
{
	size = u64_min(size, (size_t)(end - next));
	if (size)
		memcpy(to, next, size);
	next += size;
	return size;
}

static unsigned take_number(void)
{
	uint8_t b[2] = {0};

	take(b, sizeof(b));
	return b[0] | b[1] << 8;
}

static void nothing(void)
{
}

static void some_random(void *buf, size_t size)
{
	memset(buf, 0x77, size);
	take(buf, size);
}

/* Now and then there is no memory. */
static void *some_memory(size_t size)
{
	return take_number() % 64 == 63 ? NULL : malloc(size);
}

static int64_t ask_target(struct sgx_targetinfo *target)
{
	memset(target, 0, sizeof(*target));
	take(target, take_number() % 64);
	return take_number() & 7 ? 0 : -EAGAIN;
}

static int64_t ask_quote(
	const struct sgx_report *report, void *quote, size_t capacity)
{
	unsigned how = take_number();
	size_t n = u64_min(take_number(), capacity);

	CHECK(capacity <= DEVICE_QUOTE_MAX);
	memset(quote, 0, n);
	n = u64_min(n, 48 + take(quote, u64_min(n, 48)));
	if (n >= 48 + sizeof(report->body) && how & 1)
		memcpy((uint8_t *)quote + 48, &report->body,
			sizeof(report->body));
	return how & 30 ? (int64_t)n : -EAGAIN;
}

static const struct device_ops device_ops = {
	.alloc = some_memory,
	.free = free,
	.compute_begin = nothing,
	.compute_end = nothing,
	.random = some_random,
	.report = ereport,
	.key = egetkey,
	.quote_target = ask_target,
	.quote = ask_quote,
};

enum { OPEN_MAX = 4, STEPS_MAX = 100 };

static void use(struct device_file *f, struct device_state *state)
{
	static uint8_t in[DEVICE_DATA_MAX + 400];
	size_t size;
	int64_t n;

	if (take_number() & 1) {
		size = take_number() % sizeof(in);
		take(in, size);
		n = device_write(f, state, in, size);
		CHECK(n == (int64_t)size || n < 0);
		CHECK(f->in_size <= f->node->in_max);
	} else {
		n = device_prepare(f);
		CHECK(n <= 0);
		CHECK(!n || !f->node->transact || !f->out_size);
		for (size_t i = 0; i < f->out_size; i++)
			*(volatile uint8_t *)&f->out[i];
	}
}

static void all_files(void)
{
	struct device_file files[OPEN_MAX] = {0};
	struct device_state state = {0};

	for (int i = 0; i < STEPS_MAX && next < end; i++) {
		struct device_file *f = &files[take_number() % OPEN_MAX];

		if (!f->node) {
			const struct device_node *node =
				&device_nodes[take_number() %
					device_node_count];

			if (device_open(f, node, &device_ops, &state)) {
				device_close(f);
				memset(f, 0, sizeof(*f));
			}
		} else if (take_number() % 8 == 0) {
			device_close(f);
			memset(f, 0, sizeof(*f));
		} else {
			use(f, &state);
		}
	}
	for (int i = 0; i < OPEN_MAX; i++)
		if (files[i].node)
			device_close(&files[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	next = data + 1;
	end = data + size;
	switch (data[0] & 3) {
	case 0:
		any_blob(next, size - 1);
		break;
	case 1:
		changed_blob(next, size - 1);
		break;
	case 2:
		any_quote(next, size - 1);
		break;
	default:
		all_files();
	}
	return 0;
}
