/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intrusive doubly linked circular lists.
 *
 * A struct list is both the head and the link inside an element. A removed
 * link is initialised again, so removing twice is harmless and
 * list_is_linked() tells whether an element is on some list.
 */
#pragma once

#include "lib/types.h"

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(name)          \
	{                        \
		&(name), &(name) \
	}

static inline void list_init(struct list *l)
{
	l->next = l;
	l->prev = l;
}

static inline bool list_is_empty(const struct list *head)
{
	return head->next == head;
}

static inline bool list_is_linked(const struct list *link)
{
	return link->next != link;
}

static inline void list_insert_between(
	struct list *link, struct list *prev, struct list *next)
{
	link->prev = prev;
	link->next = next;
	prev->next = link;
	next->prev = link;
}

/* Makes @link the first element (or puts it behind the element @head). */
static inline void list_add(struct list *head, struct list *link)
{
	list_insert_between(link, head, head->next);
}

/* Makes @link the last element (or puts it before the element @head). */
static inline void list_add_tail(struct list *head, struct list *link)
{
	list_insert_between(link, head->prev, head);
}

static inline void list_del(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

/* Moves all elements of @from behind the last of @head; @from is then empty. */
static inline void list_splice_tail(struct list *head, struct list *from)
{
	if (list_is_empty(from))
		return;
	from->next->prev = head->prev;
	head->prev->next = from->next;
	from->prev->next = head;
	head->prev = from->prev;
	list_init(from);
}

static inline size_t list_count(const struct list *head)
{
	size_t n = 0;

	for (const struct list *l = head->next; l != head; l = l->next)
		n++;
	return n;
}

#define list_entry(link, type, field) container_of(link, type, field)

/* The first or last element, or NULL if the list is empty. */
#define list_first(head, type, field) \
	(list_is_empty(head) ? NULL : list_entry((head)->next, type, field))
#define list_last(head, type, field) \
	(list_is_empty(head) ? NULL : list_entry((head)->prev, type, field))

#define list_for_each(link, head) \
	for ((link) = (head)->next; (link) != (head); (link) = (link)->next)

#define list_for_each_entry(pos, head, field)                                  \
	for ((pos) = list_entry((head)->next, __typeof__(*(pos)), field);      \
		&(pos)->field != (head); (pos) = list_entry((pos)->field.next, \
						 __typeof__(*(pos)), field))

/* As above; the body may remove (and free) @pos. @tmp is a second cursor. */
#define list_for_each_entry_safe(pos, tmp, head, field)                       \
	for ((pos) = list_entry((head)->next, __typeof__(*(pos)), field),     \
	    (tmp) = list_entry((pos)->field.next, __typeof__(*(pos)), field); \
		&(pos)->field != (head); (pos) = (tmp),                       \
	    (tmp) = list_entry((tmp)->field.next, __typeof__(*(tmp)), field))
