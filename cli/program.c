/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_MAX = 1 << 20, SEGMENTS_MAX = 1024 };

/* 0, -ENOENT or -EACCES for one candidate. */
static int try_file(const char *file, struct err *e)
{
	struct stat st;

	if (stat(file, &st) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return -ENOENT;
		return err_setf(e, -EACCES, "%s: %s", file, strerror(errno));
	}
	if (S_ISDIR(st.st_mode))
		return err_set(
			e, -EACCES, file, "is a directory", "a program", NULL);
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EACCES, file, "is not a regular file",
			"a program", NULL);
	if (access(file, X_OK) < 0)
		return err_setf(e, -EACCES,
			"%s: not executable (mode %o); chmod +x it", file,
			(unsigned)(st.st_mode & 07777));
	return 0;
}

/* An absolute name without resolving links: argv[0] tricks depend on them. */
static char *make_absolute(const char *file)
{
	char *cwd, *full = NULL;

	if (file[0] == '/')
		return strdup(file);
	cwd = getcwd(NULL, 0);
	if (cwd == NULL)
		return NULL;
	if (asprintf(&full, "%s/%s", strcmp(cwd, "/") == 0 ? "" : cwd, file) <
		0)
		full = NULL;
	free(cwd);
	return full;
}

static int found_at(const char *file, char **found, struct err *e)
{
	*found = make_absolute(file);
	if (*found == NULL)
		return err_setf(e, -ENOMEM, "%s: %s", file, strerror(errno));
	return 0;
}

int program_find(
	const char *name, const char *path, char **found, struct err *e)
{
	int ret = -ENOENT;

	if (strchr(name, '/') != NULL) {
		ret = try_file(name, e);
		if (ret == 0)
			return found_at(name, found, e);
		if (ret == -ENOENT)
			err_set(e, ret, name, "no such file", NULL, NULL);
		return ret;
	}
	if (path == NULL)
		path = "/usr/local/bin:/usr/bin:/bin";
	while (name[0] != '\0') {
		size_t len = strcspn(path, ":");
		char *file;
		int one;

		if (asprintf(&file, "%.*s%s%s", (int)len, path,
			    len > 0 ? "/" : "./", name) < 0)
			return err_setf(e, -ENOMEM, "no memory");
		one = try_file(file, e);
		if (one == 0)
			one = found_at(file, found, e);
		free(file);
		if (one == 0)
			return 0;
		if (one != -ENOENT)
			ret = one; /* a later directory may still have it */
		if (path[len] == '\0')
			break;
		path += len + 1;
	}
	if (ret == -ENOENT)
		err_set(e, ret, name[0] != '\0' ? name : "''",
			"not found along PATH", NULL,
			"give its path, or set PATH");
	return ret;
}

static int bad_elf(const char *name, struct err *e, const char *what)
{
	return err_setf(e, -ENOEXEC, "%s: damaged ELF file: %s", name, what);
}

static int check_ident(
	const char *name, const Elf64_Ehdr *h, size_t size, struct err *e)
{
	if (size <= EI_CLASS || h->e_ident[EI_CLASS] != ELFCLASS64)
		return size <= EI_CLASS
			? bad_elf(name, e, "cut off")
			: err_set(e, -ENOEXEC, name, "not a 64-bit ELF file",
				  "ELF for x86-64", "use a 64-bit build of it");
	if (size < sizeof(*h))
		return bad_elf(name, e, "cut off within the ELF header");
	if (h->e_ident[EI_DATA] != ELFDATA2LSB || h->e_machine != EM_X86_64)
		return err_setf(e, -ENOEXEC,
			"%s: built for machine %u; wanted %u (x86-64); use a "
			"build for this machine",
			name, h->e_machine, EM_X86_64);
	if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
		return err_setf(e, -ENOEXEC,
			"%s: ELF type %u; wanted an executable (2 or 3)", name,
			h->e_type);
	if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum == 0 ||
		h->e_phnum > SEGMENTS_MAX)
		return bad_elf(name, e, "no sensible program headers");
	return 0;
}

static int check_load(const char *name, const Elf64_Phdr *p, uint64_t file_size,
	uint64_t *last, struct err *e)
{
	uint64_t end;

	if (!range_within(p->p_offset, p->p_filesz, 0, file_size))
		return bad_elf(name, e, "a segment lies outside the file");
	if (p->p_filesz > p->p_memsz)
		return bad_elf(name, e,
			"a segment is larger in the file than in memory");
	if (add_overflows(p->p_vaddr, p->p_memsz, &end) || end > 1ull << 47)
		return bad_elf(name, e, "a segment beyond the address space");
	if (!is_aligned(p->p_vaddr - p->p_offset, 4096))
		return bad_elf(name, e, "a segment is not page aligned");
	if (p->p_vaddr < *last)
		return bad_elf(name, e, "segments overlap or are not in order");
	*last = end;
	return 0;
}

static int check_elf(const char *name, const uint8_t *head, size_t head_size,
	uint64_t file_size, struct err *e)
{
	Elf64_Ehdr h = {0};
	uint64_t last = 0;
	int loads = 0, ret;

	memcpy(&h, head, head_size < sizeof(h) ? head_size : sizeof(h));
	ret = check_ident(name, &h, head_size, e);
	if (ret < 0)
		return ret;
	if (!range_within(h.e_phoff, (uint64_t)h.e_phnum * sizeof(Elf64_Phdr),
		    0, head_size))
		return bad_elf(name, e, "program headers lie outside the file");
	for (unsigned i = 0; i < h.e_phnum; i++) {
		Elf64_Phdr p;

		memcpy(&p, head + h.e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_type == PT_INTERP &&
			(p.p_filesz < 2 || p.p_filesz > 4096 ||
				!range_within(
					p.p_offset, p.p_filesz, 0, file_size)))
			return bad_elf(name, e, "no sensible interpreter");
		if (p.p_type != PT_LOAD)
			continue;
		ret = check_load(name, &p, file_size, &last, e);
		if (ret < 0)
			return ret;
		loads++;
	}
	return loads > 0 ? 0 : bad_elf(name, e, "nothing to load");
}

int program_check(const char *name, const void *head, size_t head_size,
	uint64_t file_size, struct err *e)
{
	if (head_size == 0)
		return err_set(e, -ENOEXEC, name, "is empty",
			"an ELF file or a script that begins with #!", NULL);
	if (head_size >= 2 && memcmp(head, "#!", 2) == 0)
		return 0;
	if (head_size >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0)
		return check_elf(name, head, head_size, file_size, e);
	return err_set(e, -ENOEXEC, name, "neither ELF nor script",
		"an ELF file or a script that begins with #!", NULL);
}

int program_check_file(const char *file, struct err *e)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC), ret;
	uint8_t *head = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0) {
		ret = -errno;
		err_setf(e, ret, "%s: %s; it must be readable to be run", file,
			strerror(errno));
		return ret;
	}
	head = malloc(HEAD_MAX);
	n = head != NULL && fstat(fd, &st) == 0 ? read(fd, head, HEAD_MAX) : -1;
	if (n < 0)
		ret = err_setf(e, -EIO, "%s: cannot be read: %s", file,
			strerror(errno));
	else
		ret = program_check(
			file, head, (size_t)n, (uint64_t)st.st_size, e);
	free(head);
	close(fd);
	return ret;
}
