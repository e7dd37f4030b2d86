/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sconce-audit: `sconce audit`. Verifies and shows exported logs of CAS
 * (doc/audit.md). It needs neither CAS nor the network.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/audit_cmd.h"
#include "cli/options.h"
#include "lib/string.h"

enum audit_option { CAS_KEY, KNOWN, KEY, JSON, OPTIONS };

static const struct option_row rows[] = {
	[CAS_KEY] = {"cas-key", 0, "HASH", false,
		"SHA-256 of CAS's public key (64 hex digits)"},
	[KNOWN] = {"known", 0, "FILE", false,
		"a checkpoint of it that you have seen: the log must contain "
		"that record"},
	[KEY] = {"key", 0, "FILE", false,
		"private X25519 key (PEM) that details are encrypted to"},
	[JSON] = {"json", 0, NULL, false, "for programs"},
};

_Static_assert(ARRAY_SIZE(rows) == OPTIONS, "a row for each");

/* ---- files ---- */
struct file {
	const char *data;
	size_t size;
};

static int map_file(const char *path, struct file *f, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int ret = 0;

	*f = (struct file){"", 0};
	if (fd < 0 || fstat(fd, &st) < 0) {
		ret = err_setf(e, -errno, "%s: cannot be read: %s", path,
			strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		ret = err_setf(e, -EINVAL, "%s: not a regular file", path);
	} else if (st.st_size) {
		void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE,
			fd, 0);

		if (p == MAP_FAILED)
			ret = err_setf(
				e, -errno, "%s: %s", path, strerror(errno));
		else
			*f = (struct file){p, (size_t)st.st_size};
	}
	if (fd >= 0)
		close(fd);
	return ret;
}

static void unmap_file(struct file *f)
{
	if (f->size)
		munmap((void *)(uintptr_t)f->data, f->size);
}

static int read_key(const char *path, uint8_t key[32], struct err *e)
{
	FILE *f = fopen(path, "re");
	EVP_PKEY *p;
	size_t size = 32;
	int ret = 0;

	if (!f)
		return err_setf(e, -errno, "%s: cannot be read: %s", path,
			strerror(errno));
	p = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	if (!p || !EVP_PKEY_is_a(p, "X25519") ||
		EVP_PKEY_get_raw_private_key(p, key, &size) != 1 || size != 32)
		ret = err_setf(e, -EINVAL,
			"%s: not a private X25519 key; wanted PEM as `openssl "
			"genpkey -algorithm X25519` makes it",
			path);
	EVP_PKEY_free(p);
	fclose(f);
	return ret;
}

/* What the user knows already. Its exit status, or -errno. */
static int read_known(
	const struct options *o, struct audit_known *known, struct err *e)
{
	const char *path = o->value[KNOWN];
	struct file f;
	int ret;

	*known = (struct audit_known){0};
	if (o->value[CAS_KEY] &&
		!string_from_hex(o->value[CAS_KEY], known->cas_key,
			sizeof(known->cas_key)))
		return err_setf(e, -EINVAL,
			"--cas-key %s: wanted 64 hexadecimal digits",
			o->value[CAS_KEY]);
	if (!path)
		return 0;
	ret = map_file(path, &f, e);
	if (ret)
		return ret;
	ret = (int)audit_known_read(f.data, f.size, known, e);
	if (ret)
		err_prefix(e, "%s", path);
	unmap_file(&f);
	return ret;
}

/* ---- commands ---- */
static int verify(const struct options *o, const struct file *f, bool quiet,
	struct err *e)
{
	struct audit_known known;
	struct audit_found found = {0};
	int ret = read_known(o, &known, e);

	if (ret < 0)
		return ret;
	if (!ret) {
		ret = (int)audit_verify(f->data, f->size, &known, &found, e);
		if (ret)
			err_prefix(e, "%s", o->path[0]);
	}
	if (!quiet)
		audit_print_found((enum audit_result)ret, &known, &found,
			o->value[JSON], e);
	return ret;
}

static int verify_command(struct options *o, struct err *e)
{
	struct file f;
	int ret = map_file(o->path[0], &f, e);

	if (!ret)
		ret = verify(o, &f, false, e);
	unmap_file(&f);
	return ret;
}

static int show_command(struct options *o, struct err *e)
{
	struct audit_print p = {.json = o->value[JSON]};
	struct err ignored;
	struct file f;
	int ret = map_file(o->path[0], &f, e);

	if (ret)
		return ret;
	if (o->value[KEY]) {
		ret = read_key(o->value[KEY], p.key, e);
		p.has_key = true;
	}
	if (!ret) {
		(void)!audit_each(
			f.data, f.size, audit_print_record, &p, &ignored);
		ret = verify(o, &f, true, e);
	}
	string_wipe(p.key, sizeof(p.key));
	unmap_file(&f);
	return ret;
}

#define BIT(name) OPTION_BIT(name)
#define GRADES                                                          \
	"Exit status: 0 genuine and complete, 2 not looked at, 14 "     \
	"truncated, 16 an older\nlog, 17 forked, 19 another CAS's, 20 " \
	"tampered with."

static const struct command commands[] = {
	{"audit verify", "[OPTIONS] FILE",
		"Says whether an exported log is genuine, complete, and that "
		"of your CAS.",
		BIT(CAS_KEY) | BIT(KNOWN) | BIT(JSON), 1, 1, verify_command,
		GRADES},
	{"audit show", "[OPTIONS] FILE",
		"Prints the events of an exported log, then verifies it: an "
		"event counts only if\nthe status is 0.",
		BIT(CAS_KEY) | BIT(KNOWN) | BIT(KEY) | BIT(JSON), 1, 1,
		show_command, GRADES},
	/* Of sconce-client: they need the network. */
	{"audit fetch", "[OPTIONS]",
		"Fetches the log of CAS, with a signed checkpoint.", 0, 0, 0,
		NULL, NULL},
	{"audit follow", "[OPTIONS] FILE",
		"Keeps a copy of the log that grows as CAS's does.", 0, 1, 1,
		NULL, NULL},
};

static int fail(const struct err *e, int status)
{
	fflush(stdout);
	fprintf(stderr, "sconce: %s\n", e->text);
	return status;
}

static int run(const struct command *c, int argc, char **argv)
{
	struct err e = {0};
	struct options o;
	int ret = options_parse(c, rows, ARRAY_SIZE(rows), argc, argv, &o, &e);

	if (ret == 1)
		return AUDIT_OK;
	if (!ret)
		ret = c->run(&o, &e);
	if (ret)
		return fail(&e, ret < 0 ? AUDIT_FAILED : ret);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		err_setf(&e, -EIO, "standard output: %s", strerror(errno));
		return fail(&e, AUDIT_FAILED);
	}
	return AUDIT_OK;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "help";
	struct err e;

	if (options_asks_help(name)) {
		options_help_all("audit", commands, ARRAY_SIZE(commands));
		return AUDIT_OK;
	}
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (commands[i].run &&
			strcmp(strchr(commands[i].name, ' ') + 1, name) == 0)
			return run(&commands[i], argc - 1, argv + 1);
	err_setf(&e, 0,
		"'%s' is not a command of audit; `sconce audit help` lists "
		"them",
		name);
	return fail(&e, AUDIT_FAILED);
}
