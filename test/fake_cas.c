/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake-cas [OPTIONS]: a CAS for tests of the other side, with one session and
 * no judgement but that of the binding and of CONFIGID. It prints what happens,
 * a line each, and takes orders on standard input.
 *
 *	--manifest FILE		YAML; keys of its `cas` volumes are made
 *	--file PATH=TEXT	injected, mode 0600
 *	--state FILE		keys, tags and the instance, kept between runs
 *	--template PATH		injected, of the file that is there
 *	--secret NAME=VALUE	for programs; those that begin with w may be put
 *	--session NAME --token T	as the enclave's manifest has them
 *	--lease S, --stop	of instances
 *	--config FILE		these bytes in place of a configuration
 *	--frame FILE		these bytes in place of the reply to HELLO
 *	--relay ADDRESS=KEY	asks another CAS what to say to HELLO
 *	--port N		where to listen; 0
 *
 * Orders: refuse ERRNO TEXT (HELLO), tags ERRNO (0: as usual), secrets
 * ERRNO, drop (all connections), hang (says nothing any more), drop-after N
 *(tags), go.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "abi/sgx.h"
#include "attest/measure.h"
#include "cas/link.h"
#include "cas/spki.h"
#include "cli/manifest_file.h"
#include "lib/bytes.h"
#include "lib/manifest_cas.h"
#include "lib/schema_encode.h"
#include "lib/service.h"
#include "lib/string.h"

enum {
	CONNECTIONS = 64,
	QUOTE_BODY = 48,
	BODY_CONFIG_ID = 192,
	BODY_DATA = 320
};

struct volume {
	char name[65];
	uint8_t key[32], tag[32];
	bool has_tag;
};

static struct {
	struct manifest_file manifest;
	char *secrets[16][2];
	size_t secrets_count;
	struct service_file files[16];
	size_t files_count;
	struct volume volumes[MANIFEST_VOLUMES_MAX];
	size_t volumes_count;
	const char *state, *session, *token, *config, *frame, *relay;
	uint64_t lease, on_expiry;
	uint8_t key[32];
	SSL_CTX *ctx;
	int sockets[CONNECTIONS];
	/* orders */
	int refuse, tag_error, secret_error;
	char refuse_text[200];
	bool hang;
	long drop_after;
	uint8_t instance[WIRE_INSTANCE_SIZE];
} cas = {.session = "s/a", .lease = 60, .drop_after = -1};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "fake-cas: %s\n", what);
	exit(1);
}

static struct volume *find_volume(const char *name)
{
	for (size_t i = 0; name && i < cas.volumes_count; i++)
		if (strcmp(cas.volumes[i].name, name) == 0)
			return &cas.volumes[i];
	return NULL;
}

/* As a whole or not at all: tests kill this program at any time. */
static void save_state(void)
{
	char path[1024];
	FILE *f;

	if (!cas.state)
		return;
	snprintf(path, sizeof(path), "%s.new", cas.state);
	f = fopen(path, "w");
	if (!f)
		die(path);
	fwrite(cas.instance, 1, sizeof(cas.instance), f);
	fwrite(cas.volumes, sizeof(cas.volumes[0]), cas.volumes_count, f);
	if (fclose(f) != 0 || rename(path, cas.state) < 0)
		die(path);
}

/* Keys of the manifest's volumes: those of the last run, or new ones. */
static void make_volumes(void)
{
	const struct volume_spec *v = cas.manifest.manifest.volumes.item;
	FILE *f = cas.state ? fopen(cas.state, "r") : NULL;

	if (f && fread(cas.instance, sizeof(cas.instance), 1, f) == 1)
		cas.volumes_count = fread(cas.volumes, sizeof(cas.volumes[0]),
			MANIFEST_VOLUMES_MAX, f);
	if (f)
		fclose(f);
	for (size_t i = 0; i < cas.manifest.manifest.volumes.count; i++) {
		if (v[i].key != VOLUME_KEY_CAS || find_volume(v[i].name))
			continue;
		struct volume *new = &cas.volumes[cas.volumes_count++];

		snprintf(new->name, sizeof(new->name), "%s", v[i].name);
		RAND_bytes(new->key, sizeof(new->key));
	}
	save_state();
}

static void make_config(struct buf *out)
{
	struct service_volume v[MANIFEST_VOLUMES_MAX];
	struct service_config c = {
		.version = SERVICE_VERSION,
		.manifest = {cas.manifest.canonical,
			cas.manifest.canonical_size},
		.files = {cas.files, cas.files_count},
		.volumes = {v, 0},
	};
	const struct volume_spec *spec = cas.manifest.manifest.volumes.item;
	struct cbor_writer w;
	uint8_t *bytes;

	for (size_t i = 0; i < cas.manifest.manifest.volumes.count; i++) {
		const struct volume *have = find_volume(spec[i].name);

		if (spec[i].key != VOLUME_KEY_CAS)
			continue;
		v[c.volumes.count] = (struct service_volume){
			.name = have->name,
			.key = {have->key, 32},
		};
		if (have->has_tag)
			v[c.volumes.count].tag = (struct bytes){have->tag, 32};
		c.volumes.count++;
	}
	cbor_writer_init(&w, NULL, 0);
	schema_encode(&service_config_schema, &c, &w);
	bytes = malloc(w.len);
	cbor_writer_init(&w, bytes, w.len);
	schema_encode(&service_config_schema, &c, &w);
	buf_add(out, bytes, w.len);
	free(bytes);
}

static void read_file(const char *path, struct buf *out)
{
	char chunk[65536];
	FILE *f = fopen(path, "r");
	size_t n;

	if (!f)
		die(path);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(out, chunk, n);
	fclose(f);
}

/* What of the evidence is not as it must be; NULL: nothing. */
static const char *judge(
	const struct wire_request *r, const uint8_t binding[64])
{
	const uint8_t *body = r->evidence.data + QUOTE_BODY;
	uint8_t manifest[MANIFEST_CAS_MAX], id[64] = {0};
	struct err e = {0};
	size_t size;

	if (!r->session || strcmp(r->session, cas.session) != 0)
		return "no such session";
	if (r->evidence.size == 0)
		return NULL;
	if (r->evidence.size < QUOTE_BODY + 384)
		return "evidence is no quote";
	if (memcmp(body + BODY_DATA, binding, 64) != 0)
		return "evidence is of another connection";
	if (manifest_for_cas(
		    cas.key, cas.session, cas.token, manifest, &size, &e) < 0)
		return "no manifest";
	measure_hash(manifest, size, id);
	if (memcmp(body + BODY_CONFIG_ID, id, sizeof(id)) != 0)
		return "CONFIGID is of another session";
	return NULL;
}

static void on_hello(const struct wire_request *r, const uint8_t binding[64],
	struct wire_reply *a, struct buf *config)
{
	const char *wrong = judge(r, binding);

	printf("hello %s %s evidence %zu%s%s%s%s\n", r->session,
		r->instance.size ? "again" : "new", r->evidence.size,
		r->otp ? " otp " : "", r->otp ? r->otp : "", wrong ? ": " : "",
		wrong ? wrong : "");
	if (wrong || cas.refuse) {
		a->status = wrong ? EKEYREJECTED : (uint64_t)cas.refuse;
		a->error = wrong ? wrong : cas.refuse_text;
		return;
	}
	if (r->instance.size &&
		memcmp(r->instance.data, cas.instance, WIRE_INSTANCE_SIZE)) {
		a->status = EACCES;
		a->error = "no such instance";
		return;
	}
	if (!r->instance.size) {
		RAND_bytes(cas.instance, sizeof(cas.instance));
		save_state();
		if (cas.config)
			read_file(cas.config, config);
		else
			make_config(config);
		a->config = (struct bytes){config->data, config->size};
	}
	a->instance = (struct bytes){cas.instance, sizeof(cas.instance)};
	a->lease = cas.lease;
	a->on_expiry = cas.on_expiry;
}

/* Passes HELLO on: evidence for us becomes evidence for somebody else. */
static void on_relay(const struct wire_request *r, struct wire_reply *a)
{
	char *address = strdup(cas.relay), *hex = strchr(address, '=');
	static char text[512];
	struct wire_reply from;
	struct link *l;
	struct err e = {0};
	uint8_t key[32];

	*hex++ = '\0';
	if (!string_from_hex(hex, key, sizeof(key)) ||
		link_new(address, key, &l, &e) < 0)
		die("relay");
	if (link_wait(l, 5000, &e) < 0 || link_call(l, r, 5000, &from, &e) < 0)
		die(e.text);
	a->status = from.status;
	snprintf(text, sizeof(text), "%s", from.error ? from.error : "taken");
	printf("relayed %s\n", text);
	a->error = from.error ? text : NULL;
	link_free(l);
	free(address);
}

static void on_tag(const struct wire_request *r, struct wire_reply *a)
{
	struct volume *v = find_volume(r->volume);
	char hex[65] = "";

	if (!v || r->to.size != 32) {
		a->status = ENOENT;
		a->error = "no such volume";
		return;
	}
	bytes_to_hex(r->to.data, 32, hex);
	if (cas.tag_error) {
		a->status = (uint64_t)cas.tag_error;
		a->error = "as ordered";
	} else if (!(v->has_tag && memcmp(v->tag, r->to.data, 32) == 0) &&
		(v->has_tag != (r->from.size == 32) ||
			(v->has_tag && memcmp(v->tag, r->from.data, 32)))) {
		a->status = ESTALE;
		a->error = "the volume has another tag";
	} else {
		memcpy(v->tag, r->to.data, 32);
		v->has_tag = true;
		save_state();
	}
	printf("tag %s %.16s %llu\n", v->name, hex,
		(unsigned long long)a->status);
}

static void on_secret(const struct wire_request *r, struct wire_reply *a)
{
	bool put = r->op == WIRE_SECRET_PUT;
	char **found = NULL;

	for (size_t i = 0; r->secret && i < cas.secrets_count; i++)
		if (strcmp(cas.secrets[i][0], r->secret) == 0)
			found = cas.secrets[i];
	printf("%s %s %s %.*s\n", put ? "put" : "get", r->secret,
		r->format ? r->format : "-", (int)r->value.size,
		(const char *)r->value.data);
	if (cas.secret_error || !found || (put && found[0][0] != 'w')) {
		a->status = cas.secret_error ? (uint64_t)cas.secret_error
					     : EPERM;
		a->error = "not in the policy";
	} else if (put) {
		found[1] = strndup((const char *)r->value.data, r->value.size);
	} else {
		a->value = (struct bytes){
			(uint8_t *)found[1], strlen(found[1])};
	}
}

static void reply_to(const struct wire_request *r, const uint8_t binding[64],
	struct buf *out)
{
	struct wire_reply a = {.id = r->id};
	struct buf config = {0};
	struct err e = {0};

	if (r->op == WIRE_HELLO && cas.frame) {
		read_file(cas.frame, out);
		return;
	}
	if (r->op == WIRE_HELLO && cas.relay)
		on_relay(r, &a);
	else if (r->op == WIRE_HELLO)
		on_hello(r, binding, &a, &config);
	else if (r->op == WIRE_TAG)
		on_tag(r, &a);
	else if (r->op == WIRE_SECRET_GET || r->op == WIRE_SECRET_PUT)
		on_secret(r, &a);
	else if (r->op == WIRE_TOKEN && cas.token) {
		a.value = (struct bytes){
			(const uint8_t *)cas.token, strlen(cas.token)};
		printf("token %s\n", r->session);
	} else if (r->op == WIRE_EXIT)
		printf("exit %llu %s\n", (unsigned long long)r->code,
			r->reason ? r->reason : "");
	else if (r->op == WIRE_RENEW) {
		a.lease = cas.lease;
		a.on_expiry = cas.on_expiry;
		printf("renew\n");
	}
	fflush(stdout);
	if (wire_put_reply(&a, out, &e) < 0)
		die(e.text);
	buf_fini(&config);
}

/* False: the connection is to end. */
static bool serve_frames(SSL *ssl, struct buf *in, const uint8_t binding[64])
{
	struct bytes payload;

	while (wire_frame(in->data, in->size, WIRE_REQUEST_MAX, &payload) ==
		1) {
		size_t room = WIRE_ARENA_SIZE(payload.size);
		struct buf out = {0};
		struct wire_request r;
		struct arena arena;
		struct err e = {0};
		void *memory = malloc(room);
		bool good;

		arena_init(&arena, memory, room);
		if (wire_get_request(
			    &r, payload.data, payload.size, &arena, &e) < 0)
			die(e.text);
		pthread_mutex_lock(&lock);
		good = r.op != WIRE_TAG || cas.drop_after != 0;
		if (good && r.op == WIRE_TAG && cas.drop_after > 0)
			cas.drop_after--;
		if (!cas.hang)
			reply_to(&r, binding, &out);
		if (!good)
			cas.drop_after = -1;
		pthread_mutex_unlock(&lock);
		if (good && out.size)
			good = SSL_write(ssl, out.data, (int)out.size) > 0;
		buf_fini(&out);
		free(memory);
		in->size -= WIRE_HEAD_SIZE + payload.size;
		memmove(in->data, payload.data + payload.size, in->size);
		if (!good)
			return false;
	}
	return true;
}

static void *serve(void *arg)
{
	int slot = (int)(intptr_t)arg, fd = cas.sockets[slot], n;
	uint8_t exporter[WIRE_EXPORTER_SIZE], binding[64];
	static _Thread_local char chunk[65536];
	struct buf in = {0};
	SSL *ssl = SSL_new(cas.ctx);

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1 &&
		SSL_export_keying_material(ssl, exporter, sizeof(exporter),
			WIRE_EXPORTER_LABEL, strlen(WIRE_EXPORTER_LABEL), NULL,
			0, 0) == 1 &&
		wire_binding(exporter, binding) == 0) {
		while ((n = SSL_read(ssl, chunk, sizeof(chunk))) > 0) {
			buf_add(&in, chunk, (size_t)n);
			if (!serve_frames(ssl, &in, binding))
				break;
		}
	} else {
		printf("handshake failed\n");
		fflush(stdout);
	}
	buf_fini(&in);
	pthread_mutex_lock(&lock);
	cas.sockets[slot] = -1;
	close(fd);
	pthread_mutex_unlock(&lock);
	SSL_free(ssl);
	return NULL;
}

static void obey(char *line)
{
	line[strcspn(line, "\n")] = '\0';
	pthread_mutex_lock(&lock);
	if (sscanf(line, "refuse %d %199[^\n]", &cas.refuse, cas.refuse_text) >=
		1)
		;
	else if (sscanf(line, "tags %d", &cas.tag_error) == 1)
		;
	else if (sscanf(line, "secrets %d", &cas.secret_error) == 1)
		;
	else if (sscanf(line, "drop-after %ld", &cas.drop_after) == 1)
		;
	else if (strcmp(line, "hang") == 0)
		cas.hang = true;
	else if (strcmp(line, "go") == 0)
		cas.hang = false;
	else if (strcmp(line, "drop") != 0)
		die("an order that is none");
	if (strcmp(line, "drop") == 0)
		for (int i = 0; i < CONNECTIONS; i++)
			if (cas.sockets[i] >= 0)
				shutdown(cas.sockets[i], SHUT_RDWR);
	printf("did %s\n", line);
	fflush(stdout);
	pthread_mutex_unlock(&lock);
}

static void *take_orders(void *arg)
{
	char line[256];

	(void)arg;
	while (fgets(line, sizeof(line), stdin))
		obey(line);
	exit(0);
}

/* A key for this run, or that of $FAKE_CAS_KEY. */
static void make_identity(void)
{
	const char *path = getenv("FAKE_CAS_KEY");
	FILE *f = path ? fopen(path, "r") : NULL;
	EVP_PKEY *key = f ? d2i_PrivateKey_fp(f, NULL) : EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	if (f)
		fclose(f);
	if (path && !f && (f = fopen(path, "w"))) {
		i2d_PrivateKey_fp(f, key);
		fclose(f);
	}
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	/* Long ago: nothing but the key counts. */
	X509_gmtime_adj(X509_getm_notAfter(cert), -3600);
	X509_set_pubkey(cert, key);
	X509_sign(cert, key, EVP_sha256());
	if (spki_hash(key, cas.key))
		die("no key");
	cas.ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_min_proto_version(cas.ctx, TLS1_3_VERSION);
	SSL_CTX_set_num_tickets(cas.ctx, 0);
	if (SSL_CTX_use_certificate(cas.ctx, cert) != 1 ||
		SSL_CTX_use_PrivateKey(cas.ctx, key) != 1)
		die("no identity");
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void add_file(char *text)
{
	char *equals = strchr(text, '=');

	if (!equals)
		die("--file PATH=TEXT");
	*equals = '\0';
	cas.files[cas.files_count++] = (struct service_file){
		.path = text,
		.mode = 0600,
		.data = {(const uint8_t *)equals + 1, strlen(equals + 1)},
	};
}

static void add_template(char *path)
{
	cas.files[cas.files_count++] = (struct service_file){
		.path = path, .mode = 0640, .template = true};
}

static void add_secret(char *text)
{
	char *equals = strchr(text, '=');

	if (!equals)
		die("--secret NAME=VALUE");
	*equals = '\0';
	cas.secrets[cas.secrets_count][0] = text;
	cas.secrets[cas.secrets_count++][1] = equals + 1;
}

static int parse(int argc, char **argv)
{
	struct err e = {0};
	int port = 0;

	for (int i = 1; i < argc; i++) {
		char *o = argv[i];

		if (strcmp(o, "--stop") == 0) {
			cas.on_expiry = 1;
			continue;
		}
		if (++i == argc)
			die("an option without its value");
		if (strcmp(o, "--manifest") == 0) {
			if (manifest_file_load(&cas.manifest, argv[i], &e) < 0)
				die(e.text);
		} else if (strcmp(o, "--file") == 0)
			add_file(argv[i]);
		else if (strcmp(o, "--template") == 0)
			add_template(argv[i]);
		else if (strcmp(o, "--secret") == 0)
			add_secret(argv[i]);
		else if (strcmp(o, "--state") == 0)
			cas.state = argv[i];
		else if (strcmp(o, "--session") == 0)
			cas.session = argv[i];
		else if (strcmp(o, "--token") == 0)
			cas.token = argv[i];
		else if (strcmp(o, "--lease") == 0)
			cas.lease = strtoull(argv[i], NULL, 10);
		else if (strcmp(o, "--config") == 0)
			cas.config = argv[i];
		else if (strcmp(o, "--frame") == 0)
			cas.frame = argv[i];
		else if (strcmp(o, "--relay") == 0)
			cas.relay = argv[i];
		else if (strcmp(o, "--port") == 0)
			port = atoi(argv[i]);
		else
			die(o);
	}
	return port;
}

static int start_listening(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_addr = {htonl(INADDR_LOOPBACK)},
		.sin_port = htons((uint16_t)port)};
	socklen_t size = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
	char hex[65];

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *)&a, size) < 0 || listen(fd, 64) < 0 ||
		getsockname(fd, (struct sockaddr *)&a, &size) < 0)
		die("cannot listen");
	bytes_to_hex(cas.key, 32, hex);
	printf("listening %d %s\n", ntohs(a.sin_port), hex);
	fflush(stdout);
	return fd;
}

int main(int argc, char **argv)
{
	int port = parse(argc, argv), listener, yes = 1;
	pthread_t t;

	signal(SIGPIPE, SIG_IGN);
	make_volumes();
	make_identity();
	for (int i = 0; i < CONNECTIONS; i++)
		cas.sockets[i] = -1;
	listener = start_listening(port);
	pthread_create(&t, NULL, take_orders, NULL);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), slot = 0;

		if (fd < 0)
			continue;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
		pthread_mutex_lock(&lock);
		while (slot < CONNECTIONS && cas.sockets[slot] >= 0)
			slot++;
		if (slot == CONNECTIONS)
			die("too many connections");
		cas.sockets[slot] = fd;
		pthread_mutex_unlock(&lock);
		pthread_create(&t, NULL, serve, (void *)(intptr_t)slot);
		pthread_detach(t);
	}
}
