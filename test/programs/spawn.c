/* SPDX-License-Identifier: Apache-2.0 */
/* Processes without fork: prints the same inside an enclave as outside. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static volatile sig_atomic_t children;
static volatile int child_code;

static void on_child(int signo, siginfo_t *info, void *uc)
{
	(void)signo;
	(void)uc;
	children++;
	child_code = info->si_code;
}

static void show(const char *what, int status)
{
	if (WIFEXITED(status))
		printf("%s: exit %d\n", what, WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		printf("%s: signal %d\n", what, WTERMSIG(status));
	else if (WIFSTOPPED(status))
		printf("%s: stopped %d\n", what, WSTOPSIG(status));
	else if (WIFCONTINUED(status))
		printf("%s: continued\n", what);
}

static pid_t spawn(char **argv, posix_spawn_file_actions_t *fa)
{
	pid_t pid = -1;
	int r = posix_spawn(&pid, argv[0], fa, NULL, argv, environ);

	if (r)
		printf("posix_spawn %s: %s\n", argv[0], strerror(r));
	return pid;
}

static void statuses(void)
{
	char *ok[] = {(char *)"/bin/true", NULL};
	char *bad[] = {(char *)"/bin/false", NULL};
	char *none[] = {(char *)"/no/such/program", NULL};
	int status;
	pid_t pid;

	pid = spawn(ok, NULL);
	printf("wait: %d\n", waitpid(pid, &status, 0) == pid);
	show("true", status);
	waitpid(spawn(bad, NULL), &status, 0);
	show("false", status);
	spawn(none, NULL);
	pid = waitpid(-1, NULL, 0);
	printf("no child: %d %s\n", pid, strerror(errno));
}

static void through_pipe(void)
{
	char *echo[] = {(char *)"/bin/echo", (char *)"through a pipe", NULL};
	posix_spawn_file_actions_t fa;
	char buf[64] = "";
	ssize_t n, total = 0;
	int fd[2];

	if (pipe2(fd, O_CLOEXEC))
		perror("pipe2");
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, fd[1], 1);
	spawn(echo, &fa);
	close(fd[1]);
	while ((n = read(fd[0], buf + total, sizeof(buf) - 1 - (size_t)total)) >
		0)
		total += n;
	close(fd[0]);
	wait(NULL);
	printf("pipe: %s", buf);
}

static void control(void)
{
	char *cat[] = {(char *)"/bin/cat", NULL};
	posix_spawn_file_actions_t fa;
	siginfo_t info;
	int status, fd[2];
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC))
		perror("pipe2");
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, fd[0], 0);
	pid = spawn(cat, &fa);
	printf("running: %d\n", waitpid(pid, &status, WNOHANG));
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	show("cat", status);
	kill(pid, SIGCONT);
	waitpid(pid, &status, WCONTINUED);
	show("cat", status);
	kill(pid, SIGTERM);
	memset(&info, 0, sizeof(info));
	printf("waitid: %d",
		waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
	printf(" signo %d code %d status %d pid %d\n", info.si_signo,
		info.si_code, info.si_status, info.si_pid == pid);
	waitpid(pid, &status, 0);
	show("cat", status);
	close(fd[0]);
	close(fd[1]);
}

static void notice(void)
{
	char *ok[] = {(char *)"/bin/true", NULL};
	struct sigaction sa;
	pid_t pid;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_child;
	sa.sa_flags = SA_SIGINFO | SA_RESTART;
	sigaction(SIGCHLD, &sa, NULL);
	spawn(ok, NULL);
	wait(NULL);
	printf("SIGCHLD: %d code %d\n", children, child_code);
	signal(SIGCHLD, SIG_IGN);
	spawn(ok, NULL);
	pid = wait(NULL);
	printf("ignored: %d %s\n", pid, strerror(errno));
	signal(SIGCHLD, SIG_DFL);
}

static void with_vfork(void)
{
	volatile int shared = 1;
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		shared = 2;
		_exit(33);
	}
	waitpid(pid, &status, 0);
	show("vfork", status);
	printf("shared: %d\n", shared);
	pid = vfork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "exit 44", (char *)NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	show("sh", status);
}

static void groups(void)
{
	char *sleep_[] = {(char *)"/bin/sleep", (char *)"20", NULL};
	posix_spawnattr_t at;
	pid_t a, b;
	int status;

	posix_spawnattr_init(&at);
	posix_spawnattr_setflags(&at, POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setpgroup(&at, 0);
	posix_spawn(&a, sleep_[0], NULL, &at, sleep_, environ);
	posix_spawnattr_setpgroup(&at, a);
	posix_spawn(&b, sleep_[0], NULL, &at, sleep_, environ);
	printf("groups: %d %d\n", getpgid(a) == a, getpgid(b) == a);
	kill(-a, SIGINT);
	printf("group wait: %d\n", waitpid(-a, &status, 0) > 0);
	show("sleep", status);
	printf("group wait: %d\n", waitpid(-a, &status, 0) > 0);
	printf("parent: %d\n", getppid() > 0);
}

static void many(void)
{
	char *ok[] = {(char *)"/bin/true", NULL};
	int good = 0;

	for (int i = 0; i < 50; i++) {
		int status;

		waitpid(spawn(ok, NULL), &status, 0);
		good += WIFEXITED(status) && !WEXITSTATUS(status);
	}
	printf("many: %d\n", good);
}

static void *exec_here(void *arg)
{
	execl("/bin/sh", "sh", "-c", "exit 55", (char *)NULL);
	return arg;
}

static void *exit_later(void *arg)
{
	usleep(20000);
	exit(66);
	return arg;
}

static void *never_ends(void *arg)
{
	for (;;)
		pause();
	return arg;
}

/* What the children of with_threads() do. */
static void as_child(const char *what)
{
	pthread_t t;

	for (int i = 0; i < 3; i++)
		pthread_create(&t, NULL, never_ends, NULL);
	if (!strcmp(what, "exec-in-thread"))
		pthread_create(&t, NULL, exec_here, NULL);
	else if (!strcmp(what, "main-ends"))
		pthread_create(&t, NULL, exit_later, NULL);
	else
		_exit(77);
	pthread_exit(NULL);
}

static void with_threads(char *self)
{
	static const char *const what[] = {
		"exec-in-thread", "main-ends", "exit-group"};

	for (int i = 0; i < 3; i++) {
		char *argv[] = {self, (char *)"child", (char *)what[i], NULL};
		int status;

		waitpid(spawn(argv, NULL), &status, 0);
		show(what[i], status);
	}
}

static void descriptor(void)
{
	char *sleep_[] = {(char *)"/bin/sleep", (char *)"20", NULL};
	pid_t pid = spawn(sleep_, NULL);
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	printf("pidfd: %d", poll(&p, 1, 10));
	printf(" %ld", syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0));
	printf(" %d", poll(&p, 1, 5000));
	printf(" %d\n", waitpid(pid, NULL, 0) == pid);
	close(fd);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGINT, SIG_DFL); /* a job in the background ignores it */
	if (argc > 2 && !strcmp(argv[1], "child"))
		as_child(argv[2]);
	if (argc > 2 && !strcmp(argv[1], "exec"))
		execv(argv[2], argv + 2);
	if (argc > 1 && !strcmp(argv[1], "kill"))
		raise(SIGKILL);
	statuses();
	through_pipe();
	control();
	notice();
	with_vfork();
	groups();
#ifdef __PIE__
	with_threads(argv[0]);
#else
	(void)with_threads;
#endif
	descriptor();
	many();
	return 0;
}
