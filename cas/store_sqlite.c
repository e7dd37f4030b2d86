/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The back end in a file of SQLite: WAL, synchronised with the disk at each
 * commit, locked for this process alone (which also keeps the WAL's index in
 * memory, so that no file has to be mapped shared).
 *
 *	row	name => sealed row
 *	log	number => sealed record
 *
 * One connection for both threads, each call under a lock; records are read in
 * portions, so that commits do not wait for an export.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cas/store.h"
#include "lib/string.h"

enum { PORTION = 256, VERSION = 1, APPLICATION_ID = 0x53434153 /* "SCAS" */ };

#define SQL_ROW "CREATE TABLE row(name BLOB PRIMARY KEY, data BLOB NOT NULL)"
#define SQL_LOG "CREATE TABLE log(seq INTEGER PRIMARY KEY, data BLOB NOT NULL)"

enum statement {
	BEGIN,
	COMMIT,
	ROLLBACK,
	PUT_ROW,
	DELETE_ROW,
	PUT_RECORD,
	ALL_ROWS,
	RECORDS,
	LAST,
	STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[PUT_ROW] = "INSERT INTO row(name, data) VALUES(?1, ?2) "
		    "ON CONFLICT(name) DO UPDATE SET data = excluded.data",
	[DELETE_ROW] = "DELETE FROM row WHERE name = ?1",
	[PUT_RECORD] = "INSERT OR REPLACE INTO log(seq, data) VALUES(?1, ?2)",
	[ALL_ROWS] = "SELECT name, data FROM row",
	[RECORDS] = "SELECT seq, data FROM log WHERE seq BETWEEN ?1 AND ?2 "
		    "ORDER BY seq LIMIT ?3",
	[LAST] = "SELECT max(seq) FROM log",
};

struct sqlite {
	sqlite3 *db;
	sqlite3_stmt *st[STATEMENTS];
	pthread_mutex_t lock;
};

/* What SQLite says, as -errno. */
static int fail(struct sqlite *b, int code, const char *what, struct err *e)
{
	int ret = -EIO;

	switch (code & 0xff) {
	case SQLITE_FULL:
		ret = -ENOSPC;
		break;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		ret = -EBUSY;
		break;
	case SQLITE_NOMEM:
		ret = -ENOMEM;
		break;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
		ret = -EBADMSG;
		break;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		ret = -EACCES;
		break;
	default:
		break;
	}
	return err_setf(e, ret, "%s: %s%s", what,
		b->db ? sqlite3_errmsg(b->db) : sqlite3_errstr(code),
		ret == -EBUSY ? "; is another CAS running on it?" : "");
}

/* One step of a statement that gives no row. */
static int run(struct sqlite *b, enum statement s, struct err *e)
{
	int code = sqlite3_step(b->st[s]), ret = 0;

	if (code != SQLITE_DONE)
		ret = fail(b, code, sql[s], e);
	sqlite3_reset(b->st[s]);
	return ret;
}

static int exec(struct sqlite *b, const char *text, struct err *e)
{
	int code = sqlite3_exec(b->db, text, NULL, NULL, NULL);

	return code == SQLITE_OK ? 0 : fail(b, code, text, e);
}

/* ---- opening ---- */
/* Nothing but the two tables: a trigger or a view would be run. */
static int check_schema(struct sqlite *b, struct err *e)
{
	sqlite3_stmt *st = NULL;
	unsigned seen = 0, others = 0;
	int code = sqlite3_prepare_v2(b->db,
		"SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL", -1, &st,
		NULL);

	while (code == SQLITE_OK || code == SQLITE_ROW) {
		const char *text;

		code = sqlite3_step(st);
		if (code != SQLITE_ROW)
			break;
		text = (const char *)sqlite3_column_text(st, 0);
		if (text && strcmp(text, SQL_ROW) == 0)
			seen |= 1;
		else if (text && strcmp(text, SQL_LOG) == 0)
			seen |= 2;
		else
			others++;
	}
	sqlite3_finalize(st);
	if (code != SQLITE_DONE)
		return fail(b, code, "the schema", e);
	if (seen != 3 || others)
		return err_setf(e, -EBADMSG,
			"not a store: tables, triggers or views are other "
			"than those of CAS");
	return 0;
}

static int configure(struct sqlite *b, struct err *e)
{
	static const int on[] = {SQLITE_DBCONFIG_DEFENSIVE},
			 off[] = {SQLITE_DBCONFIG_ENABLE_TRIGGER,
				 SQLITE_DBCONFIG_ENABLE_VIEW,
				 SQLITE_DBCONFIG_TRUSTED_SCHEMA};
	int code = SQLITE_OK;

	for (size_t i = 0; i < ARRAY_SIZE(on); i++)
		code |= sqlite3_db_config(b->db, on[i], 1, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(off); i++)
		code |= sqlite3_db_config(b->db, off[i], 0, NULL);
	if (code != SQLITE_OK)
		return fail(b, SQLITE_ERROR, "the settings", e);
	return exec(b,
		"PRAGMA locking_mode=EXCLUSIVE; PRAGMA page_size=4096;"
		"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
		"PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0;"
		"PRAGMA cell_size_check=ON; PRAGMA cache_size=-16384;"
		"PRAGMA wal_autocheckpoint=4000;",
		e);
}

/* Is there a row of this? 1, 0, or -errno. */
static int any(struct sqlite *b, const char *query, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int code = sqlite3_prepare_v2(b->db, query, -1, &st, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(st);
	sqlite3_finalize(st);
	if (code == SQLITE_ROW || code == SQLITE_DONE)
		return code == SQLITE_ROW;
	return fail(b, code, query, e);
}

/* Whoever was killed while it made a store may have left empty tables. */
static int make_tables(struct sqlite *b, struct err *e)
{
	int ret = any(b, "SELECT 1 FROM sqlite_schema", e);

	if (!ret)
		return exec(
			b, "BEGIN IMMEDIATE;" SQL_ROW ";" SQL_LOG ";COMMIT", e);
	if (ret > 0)
		ret = check_schema(b, e);
	if (!ret)
		ret = any(
			b, "SELECT 1 FROM log UNION ALL SELECT 1 FROM row", e);
	return ret > 0 ? err_setf(e, -EEXIST, "there is a store already") : ret;
}

static int prepare(struct sqlite *b, bool create, struct err *e)
{
	int ret = configure(b, e);

	if (!ret && create)
		ret = make_tables(b, e);
	else if (!ret)
		ret = any(b, "SELECT 1 FROM sqlite_schema", e);
	if (!ret && !create)
		ret = err_setf(e, -ENOENT, "empty: it was never finished");
	if (ret > 0)
		ret = 0;
	if (!ret)
		ret = check_schema(b, e);
	for (int i = 0; i < STATEMENTS && !ret; i++) {
		int code = sqlite3_prepare_v3(b->db, sql[i], -1,
			SQLITE_PREPARE_PERSISTENT, &b->st[i], NULL);

		if (code != SQLITE_OK)
			ret = fail(b, code, sql[i], e);
	}
	/* Takes the lock, which then stays. */
	if (!ret)
		ret = run(b, BEGIN, e);
	if (!ret)
		ret = run(b, COMMIT, e);
	return ret;
}

static void sqlite_close(void *arg)
{
	struct sqlite *b = arg;

	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(b->st[i]);
	sqlite3_close(b->db);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

/* The file's directory entry must be durable before anything is promised. */
static int sync_directory(const char *path)
{
	char *copy = strdup(path), *slash = copy ? strrchr(copy, '/') : NULL;
	int fd, ret = 0;

	if (!copy)
		return -ENOMEM;
	if (slash)
		slash[slash == copy] = '\0';
	fd = open(slash ? copy : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		ret = -errno;
	if (fd >= 0)
		close(fd);
	free(copy);
	return ret;
}

static int make_file(const char *path, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_setf(
			e, -errno, "cannot be made: %s", strerror(errno));
	close(fd);
	return 0;
}

static int sqlite_open(
	void *arg, const char *path, bool create, void **out, struct err *e)
{
	struct sqlite *b;
	struct stat st;
	int code, ret = 0;

	if (create)
		ret = make_file(path, e);
	else if (stat(path, &st) < 0)
		ret = err_setf(
			e, -errno, "cannot be opened: %s", strerror(errno));
	else if (st.st_size == 0)
		ret = err_setf(e, -ENOENT, "empty: it was never finished");
	if (ret)
		return ret;
	b = calloc(1, sizeof(*b));
	if (!b)
		return err_setf(e, -ENOMEM, "no memory");
	pthread_mutex_init(&b->lock, NULL);
	code = sqlite3_open_v2(path, &b->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
			SQLITE_OPEN_NOFOLLOW,
		NULL);
	if (code != SQLITE_OK)
		ret = fail(b, code, "cannot be opened", e);
	if (!ret)
		ret = prepare(b, create, e);
	if (!ret && create)
		ret = sync_directory(path);
	if (ret) {
		sqlite_close(b);
		return ret;
	}
	*out = b;
	return 0;
}

/* ---- reading ---- */
static int sqlite_rows(
	void *arg, store_row_fn *each, void *each_arg, struct err *e)
{
	struct sqlite *b = arg;
	sqlite3_stmt *st = b->st[ALL_ROWS];
	int code, ret = 0;

	pthread_mutex_lock(&b->lock);
	while ((code = sqlite3_step(st)) == SQLITE_ROW && !ret) {
		/* Texts and numbers are read as blobs, too: judged above. */
		const void *name = sqlite3_column_blob(st, 0);
		const void *data = sqlite3_column_blob(st, 1);

		ret = each(each_arg, name, (size_t)sqlite3_column_bytes(st, 0),
			data, (size_t)sqlite3_column_bytes(st, 1));
		if (ret)
			break;
	}
	if (!ret && code != SQLITE_DONE)
		ret = fail(b, code, "reading rows", e);
	sqlite3_reset(st);
	pthread_mutex_unlock(&b->lock);
	return ret;
}

/* A copy of a portion: each() is called without the lock. */
struct portion {
	struct buf data;
	uint64_t seq[PORTION];
	size_t size[PORTION], count;
};

static int read_portion(struct sqlite *b, uint64_t from, uint64_t until,
	struct portion *p, struct err *e)
{
	sqlite3_stmt *st = b->st[RECORDS];
	int code, ret = 0;

	p->count = 0;
	p->data.size = 0;
	pthread_mutex_lock(&b->lock);
	sqlite3_bind_int64(st, 1, (sqlite3_int64)from);
	sqlite3_bind_int64(st, 2, (sqlite3_int64)until);
	sqlite3_bind_int64(st, 3, PORTION);
	while ((code = sqlite3_step(st)) == SQLITE_ROW && p->count < PORTION) {
		const void *data = sqlite3_column_blob(st, 1);
		size_t size = (size_t)sqlite3_column_bytes(st, 1);

		p->seq[p->count] = (uint64_t)sqlite3_column_int64(st, 0);
		p->size[p->count++] = size;
		buf_add(&p->data, data, size);
	}
	if (code != SQLITE_DONE && code != SQLITE_ROW)
		ret = fail(b, code, "reading records", e);
	sqlite3_reset(st);
	pthread_mutex_unlock(&b->lock);
	if (!ret && buf_check(&p->data))
		ret = err_setf(e, -ENOMEM, "no memory for records");
	return ret;
}

static int sqlite_records(void *arg, uint64_t from, uint64_t until,
	store_blob_fn *each, void *each_arg, struct err *e)
{
	struct portion *p = calloc(1, sizeof(*p));
	int ret = 0;

	if (!p)
		return err_setf(e, -ENOMEM, "no memory");
	if (until > INT64_MAX)
		until = INT64_MAX;
	do {
		const uint8_t *at;

		ret = read_portion(arg, from, until, p, e);
		at = p->data.data;
		for (size_t i = 0; i < p->count && !ret; i++) {
			ret = each(each_arg, p->seq[i], at, p->size[i]);
			at += p->size[i];
			from = p->seq[i] + 1;
		}
	} while (!ret && p->count == PORTION && from <= until);
	buf_fini(&p->data);
	free(p);
	return ret;
}

static int sqlite_last(void *arg, uint64_t *seq, struct err *e)
{
	struct sqlite *b = arg;
	sqlite3_stmt *st = b->st[LAST];
	sqlite3_int64 last = 0;
	int code, ret = 0;

	pthread_mutex_lock(&b->lock);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW)
		last = sqlite3_column_int64(st, 0);
	else
		ret = fail(b, code, "reading the last record", e);
	sqlite3_reset(st);
	pthread_mutex_unlock(&b->lock);
	*seq = last > 0 ? (uint64_t)last : 0;
	return ret;
}

/* ---- writing ---- */
static int write_row(
	struct sqlite *b, const struct store_write *w, struct err *e)
{
	enum statement s = w->size ? PUT_ROW : DELETE_ROW;

	sqlite3_bind_blob64(
		b->st[s], 1, w->name, sizeof(w->name), SQLITE_STATIC);
	if (w->size)
		sqlite3_bind_blob64(
			b->st[s], 2, w->data, w->size, SQLITE_STATIC);
	return run(b, s, e);
}

static int sqlite_write(void *arg, const struct store_group *g, struct err *e)
{
	struct sqlite *b = arg;
	struct err ignored, text = {0};
	int ret;

	pthread_mutex_lock(&b->lock);
	ret = run(b, BEGIN, &text);
	for (size_t i = 0; i < g->count && !ret; i++)
		ret = write_row(b, &g->writes[i], &text);
	if (!ret) {
		sqlite3_bind_int64(b->st[PUT_RECORD], 1, (sqlite3_int64)g->seq);
		sqlite3_bind_blob64(b->st[PUT_RECORD], 2, g->record,
			g->record_size, SQLITE_STATIC);
		ret = run(b, PUT_RECORD, &text);
	}
	if (!ret)
		ret = run(b, COMMIT, &text);
	if (ret && !sqlite3_get_autocommit(b->db))
		(void)run(b, ROLLBACK, &ignored);
	pthread_mutex_unlock(&b->lock);
	if (ret && e)
		*e = text;
	return ret;
}

/* ---- copying ---- */
/* Page by page; no SQL of the file is run. */
static int copy_pages(struct sqlite *b, struct sqlite *to, struct err *e)
{
	sqlite3_backup *copy = sqlite3_backup_init(
		to->db, "main", b->db, "main");
	int code;

	if (!copy)
		return fail(to, sqlite3_errcode(to->db), "copying", e);
	code = sqlite3_backup_step(copy, -1);
	sqlite3_backup_finish(copy);
	return code == SQLITE_DONE ? 0 : fail(to, code, "copying", e);
}

static int sqlite_copy(void *arg, const char *path, struct err *e)
{
	struct sqlite *b = arg, to = {0};
	int code, ret = 0;

	if (unlink(path) && errno != ENOENT)
		ret = err_setf(e, -errno, "%s: %s", path, strerror(errno));
	if (!ret)
		ret = make_file(path, e);
	if (ret)
		return ret;
	code = sqlite3_open_v2(path, &to.db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
			SQLITE_OPEN_NOFOLLOW,
		NULL);
	if (code != SQLITE_OK)
		ret = fail(&to, code, "cannot be opened", e);
	pthread_mutex_lock(&b->lock);
	if (!ret)
		ret = copy_pages(b, &to, e);
	pthread_mutex_unlock(&b->lock);
	sqlite3_close(to.db);
	if (ret) {
		err_prefix(e, "%s", path);
		unlink(path);
	}
	return ret;
}

const struct store_backend store_sqlite = {
	.open = sqlite_open,
	.close = sqlite_close,
	.rows = sqlite_rows,
	.records = sqlite_records,
	.last = sqlite_last,
	.write = sqlite_write,
	.copy = sqlite_copy,
};
