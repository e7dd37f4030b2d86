/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev/attestation through the kernel's file system code, on the emulator's
 * leaves; the host answers what the test says.
 */
#define _GNU_SOURCE
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "attest/device.h"
#include "kernel/boot.h"
#include "kernel/file.h"
#include "kernel/identity.h"
#include "kernel/process.h"
#include "kernel/syscall_fs.h"
#include "kernel/vfs.h"
#include "lib/config.h"
#include "test/unit/kernel_env.h"
#include "test/unit/sgx_model.h"

#define DEV "/dev/attestation/"

static struct sgx_model enclave, other;
static struct config config;

const struct config *boot_config(void)
{
	return &config;
}

void identity_report(const struct sgx_targetinfo *target,
	const uint8_t data[static 64], struct sgx_report *report)
{
	sgx_model_report(target, data, report);
}

int identity_key(void *ctx, const struct sgx_keyrequest *request,
	uint8_t key[static SGX_KEY_SIZE])
{
	return sgx_model_key(ctx, request, key);
}

/* ---- the host: kernel_env.c runs host/serve_quote.c, which asks these ---- */

static struct sgx_targetinfo host_target;
static int host_target_error, host_errors[4], host_calls;
static uint8_t quote_page[20000];
static int64_t quote_size;

enum { GOOD_SIGNATURE = 600, GOOD_QUOTE = 436 + GOOD_SIGNATURE };

static void put_le32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, 4);
}

static void make_quote(const struct sgx_report *report)
{
	memset(quote_page, 0, sizeof(quote_page));
	quote_page[0] = 3;
	quote_page[2] = 2;
	memcpy(quote_page + 48, &report->body, sizeof(report->body));
	put_le32(quote_page + 432, GOOD_SIGNATURE);
}

/* What a host does to a good quote, of GOOD_QUOTE bytes. */
static void (*host_lie)(void);

int __wrap_aesm_target(
	const char *path, struct sgx_targetinfo *target, struct err *e);
int __wrap_aesm_target(
	const char *path, struct sgx_targetinfo *target, struct err *e)
{
	*target = host_target;
	return err_setf(e, host_target_error, "the test says so");
}

int __wrap_aesm_quote(const char *path, const struct sgx_report *report,
	void *quote, size_t capacity, size_t *size, struct err *e);
int __wrap_aesm_quote(const char *path, const struct sgx_report *report,
	void *quote, size_t capacity, size_t *size, struct err *e)
{
	int err = host_errors[host_calls++ & 3];

	if (err)
		return err_setf(e, err, "the test says so");
	make_quote(report);
	quote_size = GOOD_QUOTE;
	if (host_lie)
		host_lie();
	assert_true((size_t)quote_size <= capacity);
	memcpy(quote, quote_page, (size_t)quote_size);
	*size = (size_t)quote_size;
	return 0;
}

static int setup(void **state)
{
	static bool done;

	if (!done) {
		env_init();
		assert_int_equal(vfs_mount("tmpfs", NULL, "/", false, 0), 0);
		assert_int_equal(vfs_mount("dev", NULL, "/dev", false, 0), 0);
		env_process.fs = fs_ctx_new();
	}
	done = true;
	sgx_model_init(&enclave);
	sgx_model_init(&other);
	sgx_model = &enclave;
	config.attestation = ATTESTATION_ALL;
	memset(&host_target, 0, sizeof(host_target));
	host_target.attributes.flags = SGX_ATTR_INIT | SGX_ATTR_PROVISIONKEY;
	memset(host_target.mrenclave, 0x9e, 32);
	host_target_error = host_calls = 0;
	memset(host_errors, 0, sizeof(host_errors));
	host_lie = NULL;
	free(env_process.attest);
	env_process.attest = NULL;
	return 0;
}

/* ---- a program ---- */

static int64_t open_at(const char *name, int flags)
{
	char path[100];

	snprintf(path, sizeof(path), DEV "%s", name);
	return CALL(openat, ENV_CWD, P(path), (uint64_t)flags, 0666);
}

static void close_fd(int64_t fd)
{
	assert_int_equal(CALL(close, (uint64_t)fd), 0);
}

static int64_t read_all(int64_t fd, void *buf, size_t size)
{
	size_t done = 0;
	int64_t n;

	/* In odd pieces. */
	while ((n = CALL(read, (uint64_t)fd, P((char *)buf + done),
			size - done < 999 ? size - done : 999)) > 0)
		done += (size_t)n;
	return n < 0 ? n : (int64_t)done;
}

/* Its size or -errno. */
static int64_t get(const char *name, void *buf, size_t size)
{
	int64_t fd = open_at(name, O_RDONLY), n;

	if (fd < 0)
		return fd;
	n = read_all(fd, buf, size);
	close_fd(fd);
	return n;
}

static int64_t put(const char *name, const void *data, size_t size)
{
	/* As fopen(name, "wb") does it. */
	int64_t fd = open_at(name, O_WRONLY | O_CREAT | O_TRUNC), n;

	if (fd < 0)
		return fd;
	n = CALL(write, (uint64_t)fd, P(data), size);
	close_fd(fd);
	return n;
}

static int64_t transact(const char *name, const void *in, size_t in_size,
	void *out, size_t out_size)
{
	int64_t fd = open_at(name, O_RDWR), n;

	if (fd < 0)
		return fd;
	n = CALL(write, (uint64_t)fd, P(in), in_size);
	if (n == (int64_t)in_size)
		n = read_all(fd, out, out_size);
	close_fd(fd);
	return n;
}

static void test_files(void **state)
{
	char type[20] = "";
	struct stat st;

	assert_int_equal(get("attestation_type", type, sizeof(type)), 8);
	assert_string_equal(type, "emulated");
	enclave.cpusvn[0] = 5;
	assert_int_equal(get("attestation_type", type, sizeof(type)), 4);
	assert_memory_equal(type, "dcap", 4);
	assert_int_equal(
		CALL(newfstatat, ENV_CWD, P(DEV "quote"), P(&st), 0), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0444);
	assert_int_equal(
		CALL(newfstatat, ENV_CWD, P(DEV "keys"), P(&st), 0), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(open_at("nothing", O_RDONLY), -ENOENT);
	assert_int_equal(put("report", "x", 1), -EACCES);
	assert_int_equal(put("keys/_sgx_mrenclave", "x", 1), -EACCES);
}

static void test_report_data(void **state)
{
	uint8_t in[100], out[100];
	int64_t fd;

	memset(in, 0xab, sizeof(in));
	assert_int_equal(get("user_report_data", out, sizeof(out)), 64);
	/* Shorter is padded, longer is cut; what was there before goes. */
	assert_int_equal(put("user_report_data", in, 100), 100);
	assert_int_equal(get("user_report_data", out, sizeof(out)), 64);
	assert_memory_equal(out, in, 64);
	assert_int_equal(put("user_report_data", "hello", 5), 5);
	assert_int_equal(get("user_report_data", out, sizeof(out)), 64);
	assert_memory_equal(out, "hello\0\0\0", 8);
	assert_int_equal(out[63], 0);
	/* Each write of an open file replaces; it can be sought. */
	fd = open_at("user_report_data", O_RDWR);
	assert_int_equal(CALL(write, (uint64_t)fd, P("one"), 3), 3);
	assert_int_equal(CALL(write, (uint64_t)fd, P("two"), 3), 3);
	assert_int_equal(CALL(lseek, (uint64_t)fd, 0, SEEK_SET), 0);
	assert_int_equal(read_all(fd, out, sizeof(out)), 64);
	assert_memory_equal(out, "two\0", 4);
	assert_int_equal(CALL(lseek, (uint64_t)fd, 0, SEEK_END), 64);
	close_fd(fd);
}

static void test_report(void **state)
{
	struct sgx_targetinfo mine;
	struct sgx_report r;

	assert_int_equal(put("user_report_data", "abc", 3), 3);
	assert_int_equal(get("my_target_info", &mine, sizeof(mine)), 512);
	assert_memory_equal(mine.mrenclave, enclave.secs.mrenclave, 32);
	assert_memory_equal(mine.configid, enclave.secs.configid, 64);
	assert_int_equal(mine.configsvn, 7);
	assert_int_equal(mine.attributes.flags, enclave.secs.attributes.flags);
	/* Nobody named: for itself. */
	assert_int_equal(get("report", &r, sizeof(r)), 432);
	assert_memory_equal(r.body.reportdata, "abc\0", 4);
	assert_int_equal(put("verify_report", &r, sizeof(r)), 432);
	assert_int_equal(put("target_info", &mine, sizeof(mine)), 512);
	assert_int_equal(get("report", &r, sizeof(r)), 432);
	assert_int_equal(put("verify_report", &r, sizeof(r)), 432);
}

/* EREPORT would fault. */
static void test_reserved_target(void **state)
{
	static const size_t reserved[] = {
		offsetof(struct sgx_targetinfo, cet_attributes),
		offsetof(struct sgx_targetinfo, reserved1),
		offsetof(struct sgx_targetinfo, reserved2),
		offsetof(struct sgx_targetinfo, reserved2) + 7,
		offsetof(struct sgx_targetinfo, reserved3),
		offsetof(struct sgx_targetinfo, reserved3) + 383,
	};
	struct sgx_targetinfo mine, target;
	struct sgx_report r;

	assert_int_equal(get("my_target_info", &mine, sizeof(mine)), 512);
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		target = mine;
		((uint8_t *)&target)[reserved[i]] = 0x80;
		assert_int_equal(
			put("target_info", &target, sizeof(target)), 512);
		assert_int_equal(get("report", &r, sizeof(r)), -EINVAL);
	}
}

/* Two enclaves of one machine, and of two. */
static void test_local_attestation(void **state)
{
	struct sgx_targetinfo target;
	struct sgx_report r, altered;

	other.secs.mrenclave[0] = 1;
	sgx_model = &other;
	assert_int_equal(get("my_target_info", &target, sizeof(target)), 512);
	sgx_model = &enclave;
	assert_int_equal(put("target_info", &target, sizeof(target)), 512);
	assert_int_equal(put("user_report_data", "key of one", 10), 10);
	assert_int_equal(get("report", &r, sizeof(r)), 432);
	/* Not for the one that made it. */
	assert_int_equal(put("verify_report", &r, sizeof(r)), -EBADMSG);
	sgx_model = &other;
	assert_int_equal(put("verify_report", &r, sizeof(r)), 432);
	for (size_t bit = 0; bit < 8 * sizeof(r); bit++) {
		altered = r;
		((uint8_t *)&altered)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(
			put("verify_report", &altered, sizeof(r)), -EBADMSG);
	}
	for (size_t n = 0; n < sizeof(r); n += 13)
		assert_int_equal(put("verify_report", &r, n), -EINVAL);
	/* Two writes are not one report. */
	int64_t fd = open_at("verify_report", O_WRONLY);
	assert_int_equal(CALL(write, (uint64_t)fd, P(&r), 216), -EINVAL);
	close_fd(fd);
	/* Other manifest, other machine. */
	other.secs.configid[7] ^= 1;
	assert_int_equal(put("verify_report", &r, sizeof(r)), -EBADMSG);
	other.secs.configid[7] ^= 1;
	other.machine = 1;
	assert_int_equal(put("verify_report", &r, sizeof(r)), -EBADMSG);
}

/* ---- sealing ---- */

static void test_seal(void **state)
{
	static uint8_t in[DEVICE_DATA_MAX + 1], sealed[70000], out[70000];
	int64_t n;

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 11);
	for (int p = 0; p < 2; p++) {
		const char *name = p ? "seal/mrsigner" : "seal/mrenclave";

		n = transact(name, in, 1000, sealed, sizeof(sealed));
		assert_int_equal(n, 1000 + SEAL_OVERHEAD);
		assert_int_equal(
			transact("unseal", sealed, (size_t)n, out, sizeof(out)),
			1000);
		assert_memory_equal(out, in, 1000);
		sgx_model = &other;
		other.secs.mrenclave[0] = 1;
		assert_int_equal(
			transact("unseal", sealed, (size_t)n, out, sizeof(out)),
			p ? 1000 : -EKEYREJECTED);
		sgx_model = &enclave;
	}
	n = transact(
		"seal/mrsigner", in, DEVICE_DATA_MAX, sealed, sizeof(sealed));
	assert_int_equal(n, DEVICE_DATA_MAX + SEAL_OVERHEAD);
	assert_int_equal(
		transact("unseal", sealed, (size_t)n, out, sizeof(out)),
		DEVICE_DATA_MAX);
	assert_memory_equal(in, out, DEVICE_DATA_MAX);
	assert_int_equal(transact("seal/mrsigner", in, DEVICE_DATA_MAX + 1,
				 sealed, sizeof(sealed)),
		-EFBIG);
	assert_int_equal(
		transact("unseal", in, 1000, out, sizeof(out)), -EINVAL);
	assert_int_equal(transact("unseal", in, 10, out, sizeof(out)), -EINVAL);
	sealed[300] ^= 1;
	assert_int_equal(
		transact("unseal", sealed, (size_t)n, out, sizeof(out)),
		-EBADMSG);
	enclave.machine = 1;
	sealed[300] ^= 1;
	assert_int_equal(
		transact("unseal", sealed, (size_t)n, out, sizeof(out)),
		-EXDEV);
}

/* Written in pieces; read twice; used again. */
static void test_transaction(void **state)
{
	int64_t fd = open_at("seal/mrenclave", O_RDWR);
	uint8_t a[1000], b[1000], out[100];

	assert_int_equal(CALL(write, (uint64_t)fd, P("hello, "), 7), 7);
	assert_int_equal(CALL(write, (uint64_t)fd, P("world"), 5), 5);
	assert_int_equal(read_all(fd, a, sizeof(a)), 12 + SEAL_OVERHEAD);
	assert_int_equal(read_all(fd, b, sizeof(b)), 0);
	assert_int_equal(
		transact("unseal", a, 12 + SEAL_OVERHEAD, out, 100), 12);
	assert_memory_equal(out, "hello, world", 12);
	assert_int_equal(CALL(write, (uint64_t)fd, P("again"), 5), 5);
	assert_int_equal(read_all(fd, b, sizeof(b)), 5 + SEAL_OVERHEAD);
	assert_int_equal(transact("unseal", b, 5 + SEAL_OVERHEAD, out, 100), 5);
	assert_memory_equal(out, "again", 5);
	/* It has no places. */
	assert_int_equal(CALL(lseek, (uint64_t)fd, 0, SEEK_SET), -ESPIPE);
	close_fd(fd);
	/* Nothing can be sealed, too. */
	fd = open_at("seal/mrenclave", O_RDWR);
	assert_int_equal(read_all(fd, a, sizeof(a)), SEAL_OVERHEAD);
	close_fd(fd);
	assert_int_equal(transact("unseal", a, SEAL_OVERHEAD, out, 100), 0);
}

static void test_keys(void **state)
{
	uint8_t a[20], b[20];

	assert_int_equal(get("keys/_sgx_mrenclave", a, sizeof(a)), 16);
	assert_int_equal(get("keys/_sgx_mrenclave", b, sizeof(b)), 16);
	assert_memory_equal(a, b, 16);
	assert_int_equal(get("keys/_sgx_mrsigner", b, sizeof(b)), 16);
	assert_memory_not_equal(a, b, 16);
	enclave.secs.configid[0] ^= 1;
	assert_int_equal(get("keys/_sgx_mrenclave", b, sizeof(b)), 16);
	assert_memory_not_equal(a, b, 16);
}

/* ---- quotes ---- */

static void test_quote(void **state)
{
	uint8_t quote[20000];

	assert_int_equal(put("user_report_data", "nonce", 5), 5);
	assert_int_equal(get("quote", quote, sizeof(quote)), GOOD_QUOTE);
	assert_memory_equal(quote + 48 + 320, "nonce\0", 6);
	assert_memory_equal(quote + 48 + 64, enclave.secs.mrenclave, 32);
}

static void padded(void)
{
	quote_size = DEVICE_QUOTE_MAX;
}

static void version_4(void)
{
	quote_page[0] = 4;
}

static void other_body(void)
{
	quote_page[48 + 64] ^= 1; /* MRENCLAVE */
}

static void other_data(void)
{
	quote_page[48 + 383] ^= 1;
}

static void other_svn(void)
{
	quote_page[48] ^= 1;
}

static void garbage(void)
{
	for (size_t i = 0; i < GOOD_QUOTE; i++)
		quote_page[i] = (uint8_t)random();
}

static void empty(void)
{
	quote_size = 0;
}

static void cut(void)
{
	quote_size = GOOD_QUOTE - 1;
}

static void head_only(void)
{
	quote_size = 436;
}

static void longer_than_it_is(void)
{
	put_le32(quote_page + 432, GOOD_SIGNATURE + 1);
}

static void enormous(void)
{
	put_le32(quote_page + 432, UINT32_MAX - 400);
}

static void no_signature(void)
{
	put_le32(quote_page + 432, 0);
}

static void version_9(void)
{
	quote_page[0] = 9;
}

static void tdx(void)
{
	quote_page[0] = 4;
	quote_page[4] = 0x81;
}

static const struct {
	const char *name;
	void (*lie)(void);
	int64_t want;
} lies[] = {
	{"padded", padded, GOOD_QUOTE},
	{"version 4", version_4, GOOD_QUOTE},
	{"other body", other_body, -EPROTO},
	{"other REPORTDATA", other_data, -EPROTO},
	{"other CPUSVN", other_svn, -EPROTO},
	{"garbage", garbage, -EPROTO},
	{"empty", empty, -EPROTO},
	{"cut", cut, -EPROTO},
	{"head only", head_only, -EPROTO},
	{"longer than it is", longer_than_it_is, -EPROTO},
	{"enormous", enormous, -EPROTO},
	{"no signature", no_signature, -EPROTO},
	{"version 9", version_9, -EPROTO},
	{"TDX", tdx, -EPROTO},
};

static void test_lying_host(void **state)
{
	uint8_t quote[20000];

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		int64_t n;

		host_lie = lies[i].lie;
		n = get("quote", quote, sizeof(quote));
		if (n != lies[i].want)
			fail_msg("%s: %ld; wanted %ld", lies[i].name, (long)n,
				(long)lies[i].want);
	}
}

/* A report for another program's enclave is not for the host to have. */
static void test_target_of_host(void **state)
{
	uint8_t quote[20000];

	host_target.attributes.flags = SGX_ATTR_INIT;
	assert_int_equal(get("quote", quote, sizeof(quote)), -EPROTO);
	assert_int_equal(host_calls, 0);
	host_target.attributes.flags |= SGX_ATTR_PROVISIONKEY;
	host_target.reserved3[383] = 1;
	assert_int_equal(get("quote", quote, sizeof(quote)), -EPROTO);
	assert_int_equal(host_calls, 0);
}

static void test_host_errors(void **state)
{
	uint8_t quote[20000];

	host_target_error = -ENOENT;
	assert_int_equal(get("quote", quote, sizeof(quote)), -ECONNREFUSED);
	host_target_error = -ETIMEDOUT;
	assert_int_equal(get("quote", quote, sizeof(quote)), -ETIMEDOUT);
	host_target_error = 0;
	host_errors[0] = -EACCES;
	assert_int_equal(get("quote", quote, sizeof(quote)), -EACCES);
	/* A new quoting enclave: once more, but not for ever. */
	host_calls = 0;
	host_errors[0] = -EAGAIN;
	assert_int_equal(get("quote", quote, sizeof(quote)), GOOD_QUOTE);
	assert_int_equal(host_calls, 2);
	host_calls = 0;
	host_errors[1] = host_errors[2] = -EAGAIN;
	assert_int_equal(get("quote", quote, sizeof(quote)), -EAGAIN);
	assert_int_equal(host_calls, 3);
}

/* ---- who may ---- */

static void test_manifest(void **state)
{
	static const struct {
		const char *name;
		uint64_t right;
	} cases[] = {
		{"attestation_type", 0},
		{"report", ATTESTATION_REPORT},
		{"my_target_info", ATTESTATION_REPORT},
		{"target_info", ATTESTATION_REPORT},
		{"quote", ATTESTATION_QUOTE},
		{"user_report_data", ATTESTATION_REPORT | ATTESTATION_QUOTE},
		{"seal/mrenclave", ATTESTATION_SEAL},
		{"seal/mrsigner", ATTESTATION_SEAL},
		{"unseal", ATTESTATION_SEAL},
		{"keys/_sgx_mrenclave", ATTESTATION_KEYS},
		{"keys/_sgx_mrsigner", ATTESTATION_KEYS},
	};
	struct process *init = init_process;

	for (uint64_t have = 0; have <= ATTESTATION_ALL; have++) {
		config.attestation = have;
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			bool may = !cases[i].right || (cases[i].right & have);
			int64_t fd;

			init_process = NULL;
			fd = open_at(cases[i].name, O_RDONLY);
			if (may)
				close_fd(fd);
			else
				assert_int_equal(fd, -EACCES);
			/* Process 1 is the system's. */
			init_process = init;
			fd = open_at(cases[i].name, O_RDONLY);
			close_fd(fd);
		}
	}
	config.attestation = 0;
	init_process = NULL;
	assert_int_equal(put("verify_report", "x", 1), -EACCES);
	init_process = init;
}

/* What is written is of the process; the next one begins with zeros. */
static void test_processes(void **state)
{
	struct device_state *first;
	uint8_t out[64];

	assert_int_equal(put("user_report_data", "mine", 4), 4);
	first = env_process.attest;
	env_process.attest = NULL;
	assert_int_equal(get("user_report_data", out, sizeof(out)), 64);
	assert_memory_equal(out, "\0\0\0\0", 4);
	free(env_process.attest);
	env_process.attest = first;
	assert_int_equal(get("user_report_data", out, sizeof(out)), 64);
	assert_memory_equal(out, "mine", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_files, setup),
		cmocka_unit_test_setup(test_report_data, setup),
		cmocka_unit_test_setup(test_report, setup),
		cmocka_unit_test_setup(test_reserved_target, setup),
		cmocka_unit_test_setup(test_local_attestation, setup),
		cmocka_unit_test_setup(test_seal, setup),
		cmocka_unit_test_setup(test_transaction, setup),
		cmocka_unit_test_setup(test_keys, setup),
		cmocka_unit_test_setup(test_quote, setup),
		cmocka_unit_test_setup(test_lying_host, setup),
		cmocka_unit_test_setup(test_target_of_host, setup),
		cmocka_unit_test_setup(test_host_errors, setup),
		cmocka_unit_test_setup(test_manifest, setup),
		cmocka_unit_test_setup(test_processes, setup),
	};

	return cmocka_run_group_tests_name("attestfs", tests, NULL, NULL);
}
