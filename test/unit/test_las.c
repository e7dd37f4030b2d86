/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of the quoting service, with a back end that ticks and fails.
 * test/system/test_las.py has the rest.
 */
#include "host/las.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/aesm.h"
#include "test/unit/unit.h"

static char dir[] = "/tmp/sconce-las-XXXXXX", path[sizeof(dir) + 8];
static unsigned ticks, answers;

static int answer(void *ctx, const struct aesm_msg *request, uint8_t **frame,
	size_t *size)
{
	(void)ctx, (void)frame, (void)size;
	answers++;
	/* One that goes well, then none. */
	return answers == 1
		? las_error(request->message, AESM_BUSY, frame, size)
		: -ENOMEM;
}

static void tick(void *ctx)
{
	(void)ctx;
	if (++ticks == 3)
		kill(getpid(), SIGTERM);
}

static void *ask_twice(void *arg)
{
	struct sgx_targetinfo target;
	int *ret = arg;

	for (int i = 0; i < 2; i++)
		ret[i] = aesm_target(path, &target, NULL);
	return NULL;
}

static void test_ticks(void **state)
{
	const struct las_backend backend = {
		.answer = answer, .tick = tick, .tick_ms = 100};
	struct err e = {0};
	pthread_t thread;
	struct las *las;
	int ret[2];

	if (las_new(&las, path, 0600, &backend, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(pthread_create(&thread, NULL, ask_twice, ret), 0);
	assert_int_equal(las_serve(las, &e), 0);
	las_free(las);
	pthread_join(thread, NULL);
	assert_int_equal(ticks, 3);
	/* Who has no number of keys for us is asked for a target; then no
	 * answer can be made, and we are hung up on. */
	assert_int_equal(ret[0], -EPROTO);
	assert_int_equal(ret[1], -EPROTO);
	assert_int_equal(answers, 3);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_paths(void **state)
{
	const struct las_backend backend = {.answer = answer};
	char longest[120];
	struct err e = {0};
	struct las *las, *second;

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(las_new(&las, longest, 0600, &backend, &e), -EINVAL);
	assert_int_equal(las_new(&las, "@name", 0600, &backend, &e), -EINVAL);
	assert_int_equal(las_new(&las, "", 0600, &backend, &e), -EINVAL);
	assert_null(las);
	assert_int_equal(las_new(&las, path, 0600, &backend, &e), 0);
	assert_int_equal(
		las_new(&second, path, 0600, &backend, &e), -EADDRINUSE);
	assert_null(second);
	las_free(las);
	assert_int_equal(las_new(&las, path, 0600, &backend, &e), 0);
	las_free(las);
	las_free(NULL);
}

static void test_errors(void **state)
{
	uint8_t *frame;
	size_t size;

	assert_int_equal(
		las_error(AESM_GET_QUOTE_EX, AESM_BUSY, &frame, &size), 0);
	assert_memory_equal(frame, "\5\0\0\0\x8a\1\2\x08\x12", 9);
	assert_int_equal(size, 9);
	free(frame);
	assert_int_equal(las_error(3, AESM_BUSY, &frame, &size), -EINVAL);
	assert_null(frame);
}

static int set_up(void **state)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/s", dir);
	return 0;
}

static int tear_down(void **state)
{
	char lock[sizeof(path) + 8];

	snprintf(lock, sizeof(lock), "%s.lock", path);
	unlink(lock);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_ticks),
	};

	return cmocka_run_group_tests_name("las", tests, set_up, tear_down);
}
