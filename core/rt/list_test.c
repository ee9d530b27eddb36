/* The list keeps its members in order, both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/rt/list.h"
#include "core/rt/util.h"

struct item {
    int n;
    struct list node;
};

/* The members' numbers, forwards and backwards, are want[0..n). */
static void
holds(const struct list *head, const int *want, uint32_t n)
{
    const struct list *l = head->next, *back = head->prev;

    for (uint32_t i = 0; i < n; i++, l = l->next, back = back->prev) {
        assert_ptr_not_equal(l, head);
        assert_int_equal(CONTAINER_OF(l, struct item, node)->n, want[i]);
        assert_int_equal(CONTAINER_OF(back, struct item, node)->n, want[n - 1 - i]);
    }
    assert_ptr_equal(l, head);
    assert_ptr_equal(back, head);
    assert_int_equal(list_empty(head), n == 0);
}

static void
members_keep_their_order(void **state)
{
    struct list head;
    struct item it[4] = {{.n = 0}, {.n = 1}, {.n = 2}, {.n = 3}};
    (void)state;

    list_init(&head);
    holds(&head, NULL, 0);
    list_push_back(&head, &it[1].node);
    list_push_back(&head, &it[2].node);
    list_push_front(&head, &it[0].node);
    list_push_back(&head, &it[3].node);
    holds(&head, (const int[]){0, 1, 2, 3}, 4);
    list_remove(&it[2].node);
    holds(&head, (const int[]){0, 1, 3}, 3);
    list_remove(&it[0].node);
    list_remove(&it[3].node);
    holds(&head, (const int[]){1}, 1);
    list_remove(&it[1].node);
    holds(&head, NULL, 0);
}

/* Its own words stay as they are when it is removed, so a walk may remove where it stands. */
static void
a_walk_may_remove_where_it_stands(void **state)
{
    struct list head;
    struct item it[6];
    (void)state;

    list_init(&head);
    for (int i = 0; i < 6; i++) {
        it[i].n = i;
        list_push_back(&head, &it[i].node);
    }
    for (struct list *l = head.next; l != &head; l = l->next) {
        if (CONTAINER_OF(l, struct item, node)->n % 2 == 0)
            list_remove(l);
    }
    holds(&head, (const int[]){1, 3, 5}, 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_keep_their_order),
        cmocka_unit_test(a_walk_may_remove_where_it_stands),
    };
    return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
