/* SPDX-License-Identifier: Apache-2.0 */
/* cas/tpm.c and tpm_nv.c with swtpm. */
#include "test/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cas/tpm.h"
#include "cas/tpm_nv.h"
#include "lib/string.h"

struct bench {
	char dir[64], mark[80], old[80], tcti[64];
	uint16_t port;
	pid_t pid;
	struct tpm_options o;
};

static int bound(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Two ports in a row: libtss2 takes the second for control. */
static uint16_t find_ports(void)
{
	for (unsigned port = 20000 + (unsigned)getpid() % 20000; port < 60000;
		port += 2) {
		int a = bound((uint16_t)port);
		int b = bound((uint16_t)(port + 1));

		close(a);
		close(b);
		if (a >= 0 && b >= 0)
			return (uint16_t)port;
	}
	fail_msg("no ports");
	return 0;
}

static void wait_port(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	for (unsigned i = 0; i < 500; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int rc = connect(fd, (struct sockaddr *)&a, sizeof(a));

		close(fd);
		if (rc == 0)
			return;
		usleep(10000);
	}
	fail_msg("swtpm does not listen");
}

static void start_tpm(struct bench *b)
{
	char state[80], server[64], control[64];

	snprintf(state, sizeof(state), "dir=%s", b->dir);
	snprintf(
		server, sizeof(server), "type=tcp,port=%u,disconnect", b->port);
	snprintf(control, sizeof(control), "type=tcp,port=%u", b->port + 1);
	b->pid = fork();
	if (b->pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 1);
		dup2(null, 2);
		execlp("swtpm", "swtpm", "socket", "--tpm2", "--tpmstate",
			state, "--server", server, "--ctrl", control, "--flags",
			"not-need-init,startup-clear", (char *)NULL);
		_exit(127);
	}
	wait_port((uint16_t)(b->port + 1));
}

static void stop_tpm(struct bench *b)
{
	kill(b->pid, SIGTERM);
	waitpid(b->pid, NULL, 0);
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	snprintf(b->dir, sizeof(b->dir), "/tmp/unit-tpm-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->mark, sizeof(b->mark), "%s/mark", b->dir);
	snprintf(b->old, sizeof(b->old), "%s/old", b->dir);
	b->port = find_ports();
	snprintf(b->tcti, sizeof(b->tcti), "swtpm:host=127.0.0.1,port=%u",
		b->port);
	b->o = (struct tpm_options){
		.tcti = b->tcti, .mark = b->mark, .key = {1, 2, 3}};
	start_tpm(b);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;
	char command[128];

	stop_tpm(b);
	snprintf(command, sizeof(command), "rm -r %s", b->dir);
	assert_int_equal(system(command), 0);
	free(b);
	return 0;
}

/* ---- one CAS after the other ---- */

struct run {
	struct tpm *t;
	struct freshness *f;
	struct freshness_state s;
	bool exists;
	struct err e;
};

static int begin(struct bench *b, struct run *r)
{
	int rc;

	*r = (struct run){0};
	assert_int_equal(tpm_new(&b->o, &r->t, &r->e), 0);
	r->f = tpm_freshness(r->t);
	rc = r->f->ops->open(r->f, 1000, &r->s, &r->exists, &r->e);
	return rc;
}

static void append(struct run *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t head[32] = {(uint8_t)(r->s.seq + 1), 7};

		assert_int_equal(r->f->ops->append(r->f, r->s.seq, r->s.head,
					 r->s.seq + 1, head, 0, &r->e),
			0);
		r->s.seq++;
		memcpy(r->s.head, head, sizeof(head));
	}
}

static void crash(struct run *r)
{
	tpm_free(r->t);
}

static void stop(struct run *r)
{
	assert_int_equal(r->f->ops->stop(r->f, &r->e), 0);
	tpm_free(r->t);
}

static void copy(const char *from, const char *to)
{
	char command[256];

	snprintf(command, sizeof(command), "cp %s %s", from, to);
	assert_int_equal(system(command), 0);
}

static void test_clean_stops(void **state)
{
	struct bench *b = *state;
	struct run r;
	uint64_t term = 0;

	assert_int_equal(begin(b, &r), 0);
	assert_false(r.exists);
	append(&r, 3);
	stop(&r);
	for (unsigned i = 1; i < 5; i++) {
		if (i == 3) { /* power off */
			stop_tpm(b);
			start_tpm(b);
		}
		assert_int_equal(begin(b, &r), 0);
		assert_true(r.exists);
		assert_int_equal(r.s.seq, 3 * i);
		assert_int_equal(r.s.head[0], 3 * i);
		assert_true(r.s.term > term);
		term = r.s.term;
		append(&r, 3);
		stop(&r);
	}
	/* Appends that do not follow are somebody's mistake. */
	assert_int_equal(begin(b, &r), 0);
	assert_int_equal(r.f->ops->append(r.f, 15, (uint8_t[32]){1}, 16,
				 (uint8_t[32]){2}, 0, &r.e),
		-ESTALE);
	stop(&r);
}

static void test_old_mark(void **state)
{
	struct bench *b = *state;
	struct run r;

	assert_int_equal(begin(b, &r), 0);
	append(&r, 1);
	stop(&r);
	copy(b->mark, b->old);
	assert_int_equal(begin(b, &r), 0);
	append(&r, 1);
	stop(&r);
	copy(b->old, b->mark);
	assert_int_equal(begin(b, &r), -ESTALE);
	assert_non_null(strstr(r.e.text, "its files are old"));
	crash(&r);
	unlink(b->mark);
	assert_int_equal(begin(b, &r), -ESTALE);
	crash(&r);
}

/* A refused start moves nothing: with the right files CAS starts. */
static void test_refusal_is_harmless(void **state)
{
	struct bench *b = *state;
	struct run r;

	assert_int_equal(begin(b, &r), 0);
	append(&r, 1);
	stop(&r);
	rename(b->mark, b->old);
	assert_int_equal(begin(b, &r), -ESTALE);
	crash(&r);
	rename(b->old, b->mark);
	assert_int_equal(begin(b, &r), 0);
	stop(&r);
}

static void test_crash_needs_a_permit(void **state)
{
	struct bench *b = *state;
	struct tpm_permit p = {.seq = 2, .head = {2, 7}};
	struct run r;
	char text[256];
	uint64_t held;

	assert_int_equal(begin(b, &r), 0);
	append(&r, 2);
	held = r.s.term;
	crash(&r);
	assert_int_equal(begin(b, &r), -ESTALE);
	crash(&r);
	b->o.permit = &p;
	p.counter = held + 1; /* not the present value */
	assert_int_equal(begin(b, &r), -ESTALE);
	crash(&r);
	p.counter = held;
	assert_int_equal(tpm_permit_text(&p, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "seq 2\nhead 0207"));
	assert_int_equal(tpm_permit_text(&p, text, 40), -ENOSPC);
	assert_int_equal(begin(b, &r), 0);
	assert_int_equal(r.s.seq, 2);
	append(&r, 1);
	crash(&r);
	/* It works once. */
	assert_int_equal(begin(b, &r), -ESTALE);
	crash(&r);
	p.counter = held + 1;
	assert_int_equal(begin(b, &r), 0);
	stop(&r);
	b->o.permit = NULL;
	assert_int_equal(begin(b, &r), 0);
	stop(&r);
}

/* Two from one clean stop: the second finds no mark for the counter; and the
 * first, once a second was permitted, stops without a mark. */
static void test_two_instances(void **state)
{
	struct bench *b = *state;
	struct tpm_permit p = {.seq = 1, .head = {1, 7}};
	struct run first, second;

	assert_int_equal(begin(b, &first), 0);
	append(&first, 1);
	stop(&first);
	assert_int_equal(begin(b, &first), 0);
	assert_int_equal(begin(b, &second), -ESTALE);
	crash(&second);
	p.counter = first.s.term;
	b->o.permit = &p;
	assert_int_equal(begin(b, &second), 0);
	assert_int_equal(first.f->ops->stop(first.f, &first.e), -ESTALE);
	assert_non_null(strstr(first.e.text, "another one started"));
	crash(&first);
	stop(&second);
	b->o.permit = NULL;
	assert_int_equal(begin(b, &first), 0);
	stop(&first);
}

/* Who does not know the key can neither read nor advance, nor take the place
 * of the counter with one of his own. */
static void test_wrong_secret(void **state)
{
	struct bench *b = *state;
	uint8_t other[TPM_NV_AUTH_SIZE] = {9};
	uint64_t value;
	struct tpm_nv n;
	struct run r;
	struct err e;

	assert_int_equal(begin(b, &r), 0);
	append(&r, 1);
	stop(&r);
	assert_int_equal(tpm_nv_open(&n, b->tcti, TPM_INDEX, other, &e), 0);
	assert_int_equal(tpm_nv_read(&n, &value, &e), -EKEYREJECTED);
	assert_int_equal(tpm_nv_increment(&n, &e), -EKEYREJECTED);
	/* The owner of the platform removes it and makes another. */
	assert_int_equal(
		Esys_NV_UndefineSpace(n.esys, ESYS_TR_RH_OWNER, n.handle,
			ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE),
		TSS2_RC_SUCCESS);
	n.handle = ESYS_TR_NONE;
	assert_int_equal(tpm_nv_define(&n, &e), 0);
	assert_int_equal(tpm_nv_read(&n, &value, &e), 0);
	tpm_nv_close(&n);
	assert_int_equal(begin(b, &r), -EKEYREJECTED);
	crash(&r);
	b->o.key[0] ^= 1;
	assert_int_equal(begin(b, &r), -EKEYREJECTED);
	crash(&r);
}

/* The counter is gone: as after TPM2_Clear. It does not begin from nothing, and
 * a new counter is higher than the old one was. */
static void test_removed(void **state)
{
	struct bench *b = *state;
	uint8_t other[TPM_NV_AUTH_SIZE] = {0};
	struct tpm_permit p = {.seq = 1, .head = {1, 7}};
	struct tpm_nv n;
	uint64_t value;
	struct run r;
	struct err e;

	assert_int_equal(begin(b, &r), 0);
	append(&r, 1);
	stop(&r);
	assert_int_equal(tpm_nv_open(&n, b->tcti, TPM_INDEX, other, &e), 0);
	assert_int_equal(tpm_nv_read(&n, &value, &e), -EKEYREJECTED);
	assert_int_equal(
		Esys_NV_UndefineSpace(n.esys, ESYS_TR_RH_OWNER, n.handle,
			ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE),
		TSS2_RC_SUCCESS);
	tpm_nv_close(&n);
	assert_int_equal(begin(b, &r), -ESTALE);
	assert_non_null(strstr(r.e.text, "another TPM, or it was cleared"));
	crash(&r);
	value = r.s.term;
	b->o.permit = &p; /* counter 0 */
	assert_int_equal(begin(b, &r), 0);
	assert_true(r.exists && r.s.seq == 1 && r.s.term > value);
	stop(&r);
}

static void test_altered_mark(void **state)
{
	struct bench *b = *state;
	struct run r;

	assert_int_equal(begin(b, &r), 0);
	append(&r, 1);
	stop(&r);
	for (off_t at = 0; at < 88; at += 9) {
		uint8_t byte;
		int fd = open(b->mark, O_RDWR);

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 4;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		assert_int_equal(begin(b, &r), -ESTALE);
		crash(&r);
		byte ^= 4;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		close(fd);
	}
	assert_int_equal(begin(b, &r), 0);
	stop(&r);
}

#define TPM_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TPM_TEST(test_clean_stops),
		TPM_TEST(test_old_mark),
		TPM_TEST(test_refusal_is_harmless),
		TPM_TEST(test_crash_needs_a_permit),
		TPM_TEST(test_two_instances),
		TPM_TEST(test_wrong_secret),
		TPM_TEST(test_removed),
		TPM_TEST(test_altered_mark),
	};

	/* Refusals are what is tested; libtss2 prints each of them. */
	setenv("TSS2_LOG", "all+NONE", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
