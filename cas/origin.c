/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/origin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cas/join.h"
#include "cas/recovery.h"
#include "lib/string.h"

enum { PATH_SIZE = 1024, BLOCK = 1 << 16 };

struct paths {
	char key[PATH_SIZE], database[PATH_SIZE], fresh[PATH_SIZE];
};

static int make_paths(const char *state, struct paths *p, struct err *e)
{
	int n = snprintf(p->key, PATH_SIZE, "%s/cluster.key", state);
	int m = snprintf(p->database, PATH_SIZE, "%s/cas.db", state);
	int k = snprintf(p->fresh, PATH_SIZE, "%s/cas.db.new", state);

	return n > 0 && n < PATH_SIZE && m > 0 && m < PATH_SIZE && k > 0 &&
			k < PATH_SIZE
		? 0
		: err_setf(e, -ENAMETOOLONG, "--state: the path is too long");
}

static int copy_data(int from, int to)
{
	static uint8_t block[BLOCK];
	ssize_t n;

	while ((n = read(from, block, sizeof(block))) > 0)
		if (write(to, block, (size_t)n) != n)
			return -EIO;
	return n < 0 || fsync(to) ? -errno : 0;
}

/* The copy of the store that the operator brought, as it is: the key and the
 * witnesses judge it. Never in the place of one that is there. */
static int restore(const struct paths *p, const char *from, struct err *e)
{
	int in, out, ret;

	if (access(p->database, F_OK) == 0)
		return err_setf(e, -EEXIST,
			"--restore: %s is there already; recovery takes an "
			"empty --state, or that database without --restore",
			p->database);
	in = open(from, O_RDONLY | O_CLOEXEC);
	out = open(p->fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ret = in < 0 || out < 0 ? -errno : copy_data(in, out);
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	if (!ret && rename(p->fresh, p->database))
		ret = -errno;
	return ret ? err_setf(e, ret, "--restore %s: %s", from, strerror(-ret))
		   : 0;
}

static int recover(struct server *s, const struct server_options *o,
	const struct key_sealer *sealer, const struct paths *p,
	struct origin *out, struct err *e)
{
	struct recovering_result r = {0};
	int ret = 0;

	if (access(p->database, F_OK) && !o->restore)
		return err_setf(e, -ENOENT,
			"--recover: no database; --restore names a copy that "
			"`sconce cas backup` made");
	if (o->restore)
		ret = restore(p, o->restore, e);
	if (!ret)
		ret = recovering_run(s, o->listen, p->database, &r, e);
	if (!ret)
		ret = keys_cluster_save(sealer, p->key, r.key, e);
	if (!ret) {
		memcpy(out->key, r.key, sizeof(out->key));
		memcpy(out->how, r.how, sizeof(out->how));
		out->what = "cas.recover";
		s->given = true;
	}
	string_wipe(&r, sizeof(r));
	return ret;
}

static int join(struct server *s, const struct server_options *o,
	const struct key_sealer *sealer, const struct paths *p,
	struct origin *out, struct err *e)
{
	int ret;

	if (access(p->database, F_OK) == 0)
		return err_setf(e, -EEXIST,
			"--join: %s is there already; a successor begins in an "
			"empty --state",
			p->database);
	ret = join_run(s, o, o->join, p->fresh, out->key, e);
	/* The key first: a database without it would want recovery, a key
	 * without a database is what a first start is stopped by. */
	if (!ret)
		ret = keys_cluster_save(sealer, p->key, out->key, e);
	if (!ret && rename(p->fresh, p->database))
		ret = err_setf(
			e, -errno, "%s: %s", p->database, strerror(errno));
	if (!ret) {
		out->what = "cas.join";
		s->given = true;
	}
	return ret;
}

static int first(struct server *s, const struct server_options *o,
	const struct key_sealer *sealer, const struct paths *p,
	struct origin *out, struct err *e)
{
	if (o->recover)
		return recover(s, o, sealer, p, out, e);
	if (o->join)
		return join(s, o, sealer, p, out, e);
	if (o->restore)
		return err_setf(e, -EINVAL,
			"--restore: its key has to come from somewhere; wanted "
			"--recover, too");
	/* Rows of a lost key must not be mistaken for a first start. */
	if (access(p->database, F_OK) == 0)
		return err_setf(e, -ENOKEY,
			"%s is there, but not the key that opens it "
			"(cluster.key); --recover waits for recovery shares, "
			"which bring it back",
			p->database);
	return keys_cluster_make(sealer, p->key, out->key, e);
}

int origin_find(struct server *s, const struct server_options *o,
	struct origin *out, struct err *e)
{
	struct key_sealer sealer;
	static struct paths p;
	int ret = keys_sealer_find(&sealer, o->native, e);

	if (!ret && mkdir(o->state, 0700) && errno != EEXIST)
		ret = err_setf(
			e, -errno, "--state %s: %s", o->state, strerror(errno));
	if (!ret)
		ret = make_paths(o->state, &p, e);
	if (ret)
		return ret;
	if (sealer.warning)
		server_say("%s", sealer.warning);
	s->in_enclave = !sealer.warning;
	ret = keys_cluster_load(&sealer, p.key, out->key, &s->given, e);
	if (ret == -ENOENT)
		ret = first(s, o, &sealer, &p, out, e);
	else if (!ret && o->recover)
		server_say("--recover: not needed, the key is here");
	if (!ret)
		keys_cluster_id(out->key, s->cluster);
	return ret;
}
