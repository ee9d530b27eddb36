/* list.h - a list through its members, both ways.
 *
 * Shape    circular, with the list's own node as the end: no special case for the first or last member.
 * Threads  the owner's. Memory  nodes are embedded in their owners (CONTAINER_OF gets back).
 */
#ifndef MIDGE_RT_LIST_H
#define MIDGE_RT_LIST_H

#include <stdbool.h>

struct list {
    struct list *next, *prev;
};

static inline void
list_init(struct list *head)
{
    head->next = head->prev = head;
}

static inline bool
list_empty(const struct list *head)
{
    return head->next == head;
}

static inline void
list_push_front(struct list *head, struct list *node)
{
    node->next = head->next;
    node->prev = head;
    head->next->prev = node;
    head->next = node;
}

static inline void
list_push_back(struct list *head, struct list *node)
{
    list_push_front(head->prev, node);
}

/* node is on some list. Its own words stay as they are. */
static inline void
list_remove(struct list *node)
{
    node->next->prev = node->prev;
    node->prev->next = node->next;
}

#endif
