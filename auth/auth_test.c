/* auth_test.c - who comes in under which configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/auth.h"
#include "core/rt/fault.h"
#include "core/rt/util.h"

#define HASH_SECRET "$2b$04$Oy507AkP9e8TZIW7xVvUauNHBlexipUVywgzRs7uocfel3/KDYo5a"
#define HASH_EMPTY  "$2b$04$EX9gIUwsq2WrniSkx57W5OLvgXROl47wQXNnmWChA5M3j29I/gFy6"

static const struct password_key key = {{1, 2, 3}};

static struct auth *
auth_of(const struct auth_conf *conf)
{
    struct auth *a;
    assert_int_equal(auth_new(conf, &key, &a), OK);
    return a;
}

static struct auth_view
view(const char *s)
{
    return (struct auth_view){.ptr = s, .len = strlen(s)};
}

/* A whole login, hashing where it has to be done. *ret_hashed: a hash was asked for. */
static enum auth_verdict
login_as(const struct auth *a, const char *user, const char *pass, const char *token, enum auth_conn_type type, struct auth_try *ret, bool *ret_hashed)
{
    struct auth_login l = {.user = view(user), .pass = view(pass), .token = view(token), .conn_type = type};
    enum auth_verdict v = auth_begin(a, &l, ret);
    struct password_given given;

    *ret_hashed = v == AUTH_HASHING;
    if (v != AUTH_HASHING)
        return v;
    password_give(ret->secret.ptr, ret->secret.len, &given);
    return auth_end(ret, password_bcrypt(ret->bcrypt, &given));
}

static enum auth_verdict
login(const struct auth *a, const char *user, const char *pass, const char *token)
{
    struct auth_try t;
    bool hashed;
    return login_as(a, user, pass, token, AUTH_CONN_STANDARD, &t, &hashed);
}

static bool
hashes(const struct auth *a, const char *user, const char *pass)
{
    struct auth_try t;
    bool hashed;
    (void)login_as(a, user, pass, "", AUTH_CONN_STANDARD, &t, &hashed); /* only the cost matters here */
    return hashed;
}

static void
nothing_configured_requires_nothing(void **state)
{
    struct auth *a = auth_of(&(struct auth_conf){.timeout_ns = 5});
    (void)state;

    assert_false(a->required);
    assert_int_equal(a->timeout_ns, 5);
    auth_free(a);
}

static void
a_single_user_needs_its_name_and_password(void **state)
{
    static const char *const passes[] = {"b", HASH_SECRET};
    static const char *const rights[] = {"b", "secret"};
    (void)state;

    for (uint32_t i = 0; i < 2; i++) {
        struct auth *a = auth_of(&(struct auth_conf){.user = "a", .pass = passes[i]});
        assert_true(a->required);
        assert_int_equal(a->any_plain, i == 0);
        assert_int_equal(login(a, "a", rights[i], ""), AUTH_OK);
        assert_int_equal(login(a, "a", "x", ""), AUTH_NO);
        assert_int_equal(login(a, "a", "", ""), AUTH_NO);
        assert_int_equal(login(a, "b", rights[i], ""), AUTH_NO);
        assert_int_equal(login(a, "", rights[i], ""), AUTH_NO);
        assert_int_equal(login(a, "", "", ""), AUTH_NO);
        assert_int_equal(login(a, "", "", rights[i]), AUTH_NO);
        auth_free(a);
    }
}

static void
a_token_is_compared_with_tokens_only(void **state)
{
    static const char *const tokens[] = {"tok", HASH_SECRET};
    static const char *const rights[] = {"tok", "secret"};
    (void)state;

    for (uint32_t i = 0; i < 2; i++) {
        struct auth *a = auth_of(&(struct auth_conf){.token = tokens[i]});
        assert_int_equal(login(a, "", "", rights[i]), AUTH_OK);
        assert_int_equal(login(a, "", "", "no"), AUTH_NO);
        assert_int_equal(login(a, rights[i], rights[i], ""), AUTH_NO);
        assert_int_equal(login(a, "", "", ""), AUTH_NO);
        auth_free(a);
    }
}

static void
users_have_passwords_kinds_of_connections_and_permissions(void **state)
{
    static const char *const subjects[] = {"x"};
    struct auth_perms own = {.pub_allow = {subjects, 1}}, same = {.pub_allow = {subjects, 1}}, defaults = {.sub_deny = {subjects, 1}};
    struct auth_user_conf users[] = {
        {.name = "plain", .pass = "p", .perms = &own},
        {.name = "hashed", .pass = HASH_SECRET, .perms = &same},
        {.name = "open"},
        {.name = "ws", .pass = "w", .conn_types = AUTH_CONN_WEBSOCKET},
        {.name = "proxy", .pass = "p", .proxy_required = true},
    };
    struct auth *a = auth_of(&(struct auth_conf){.users = users, .n_users = N_ELEMS(users), .defaults = &defaults});
    struct auth_try t;
    bool hashed;
    (void)state;

    assert_int_equal(login(a, "plain", "p", ""), AUTH_OK);
    assert_int_equal(login(a, "plain", "q", ""), AUTH_NO);
    assert_int_equal(login(a, "hashed", "secret", ""), AUTH_OK);
    assert_int_equal(login(a, "hashed", "p", ""), AUTH_NO);
    assert_int_equal(login(a, "open", "", ""), AUTH_OK);
    assert_int_equal(login(a, "open", "x", ""), AUTH_NO);
    assert_int_equal(login(a, "ws", "w", ""), AUTH_NO);
    assert_int_equal(login_as(a, "ws", "w", "", AUTH_CONN_WEBSOCKET, &t, &hashed), AUTH_OK);
    assert_int_equal(login(a, "proxy", "p", ""), AUTH_PROXY_REQUIRED);
    assert_int_equal(login(a, "proxy", "q", ""), AUTH_NO);
    assert_int_equal(login(a, "nobody", "p", ""), AUTH_NO);
    assert_int_equal(login(a, "", "", ""), AUTH_NO);
    assert_int_equal(a->n_perms, 2); /* own and same say the same */
    assert_ptr_equal(auth_find(a, "plain", 5)->perms, auth_find(a, "hashed", 6)->perms);
    assert_ptr_equal(auth_find(a, "open", 4)->perms, auth_find(a, "ws", 2)->perms);
    assert_null(auth_find(a, "plai", 4));
    auth_free(a);
}

static void
who_says_nothing_is_no_auth_user(void **state)
{
    struct auth_user_conf users[] = {{.name = "n", .pass = "secret"}, {.name = "o", .pass = "p"}};
    struct auth *a = auth_of(&(struct auth_conf){.users = users, .n_users = 2, .no_auth_user = "n"});
    struct auth_try t;
    bool hashed;
    (void)state;

    assert_int_equal(login_as(a, "", "", "", AUTH_CONN_STANDARD, &t, &hashed), AUTH_OK);
    assert_string_equal(t.user->name, "n");
    assert_int_equal(login(a, "n", "", ""), AUTH_NO);
    assert_int_equal(login(a, "", "x", ""), AUTH_NO);
    assert_int_equal(login(a, "", "", "x"), AUTH_NO);
    auth_free(a);
    /* A40: the rest of the pipeline holds for it, too. */
    users[0].conn_types = AUTH_CONN_WEBSOCKET;
    a = auth_of(&(struct auth_conf){.users = users, .n_users = 2, .no_auth_user = "n"});
    assert_int_equal(login(a, "", "", ""), AUTH_NO);
    auth_free(a);
    users[0].conn_types = 0;
    users[0].proxy_required = true;
    a = auth_of(&(struct auth_conf){.users = users, .n_users = 2, .no_auth_user = "n"});
    assert_int_equal(login(a, "", "", ""), AUTH_PROXY_REQUIRED);
    auth_free(a);
}

/* TOB-NATS-3: where hashes are configured, whoever fails pays for one: unknown names too, and always the same one. */
static void
every_failure_costs_a_hash_where_there_are_hashes(void **state)
{
    struct auth_user_conf users[] = {{.name = "plain", .pass = "p"}, {.name = "h1", .pass = HASH_SECRET}, {.name = "h2", .pass = HASH_EMPTY},
                                     {.name = "ws", .pass = "w", .conn_types = AUTH_CONN_WEBSOCKET}};
    struct auth *a = auth_of(&(struct auth_conf){.users = users, .n_users = 4});
    struct auth_login l = {.user = view("nobody"), .pass = view("x"), .token = view(""), .conn_type = AUTH_CONN_STANDARD};
    struct auth_try t, again;
    bool seen[2] = {false, false};
    (void)state;

    assert_true(hashes(a, "nobody", "x"));
    assert_true(hashes(a, "plain", "x"));
    assert_false(hashes(a, "plain", "p"));
    assert_true(hashes(a, "h1", "x"));
    assert_true(hashes(a, "ws", "w"));
    assert_true(hashes(a, "", "x"));
    for (uint32_t i = 0; i < 50; i++) {
        char name[8] = {'n', (char)('a' + i % 26), (char)('a' + i / 26)};
        l.user = view(name);
        assert_int_equal(auth_begin(a, &l, &t), AUTH_HASHING);
        assert_int_equal(auth_begin(a, &l, &again), AUTH_HASHING);
        assert_ptr_equal(t.bcrypt, again.bcrypt);
        assert_int_equal(t.if_matched, AUTH_NO); /* even if it happens to be the right password of that other user */
        seen[strcmp(t.bcrypt, HASH_EMPTY) == 0] = true;
    }
    assert_true(seen[0] && seen[1]);
    auth_free(a);
    a = auth_of(&(struct auth_conf){.users = users, .n_users = 1});
    assert_false(hashes(a, "nobody", "x"));
    auth_free(a);
}

/* ---- reloads ---- */

static enum auth_again
again(const struct auth *a, const struct auth *before, const char *name, const struct password_hash *known, bool anonymous)
{
    const struct auth_user *u, *by = name != NULL ? auth_find(before, name, strlen(name)) : NULL;
    enum auth_again r = auth_again(a, before, by, known, anonymous, AUTH_CONN_STANDARD, &u);

    if (r == AUTH_AGAIN_OK && name != NULL)
        assert_string_equal(u->name, name);
    return r;
}

static void
who_is_in_stays_in_while_its_secret_is_right(void **state)
{
    struct auth_user_conf one[] = {{.name = "same", .pass = "s"}, {.name = "gone", .pass = "g"}, {.name = "pass", .pass = "p"}, {.name = "h", .pass = HASH_SECRET},
                                   {.name = "kind", .pass = "k"}, {.name = "hashed", .pass = "secret"}, {.name = "moved", .pass = "m", .account = "$G"}};
    struct auth_user_conf two[] = {{.name = "same", .pass = "s"}, {.name = "pass", .pass = "P"}, {.name = "h", .pass = HASH_SECRET},
                                   {.name = "kind", .pass = "k", .conn_types = AUTH_CONN_MQTT}, {.name = "hashed", .pass = HASH_SECRET},
                                   {.name = "moved", .pass = "m", .account = "X"}};
    struct auth *a = auth_of(&(struct auth_conf){.users = one, .n_users = N_ELEMS(one)});
    struct auth *b = auth_of(&(struct auth_conf){.users = two, .n_users = N_ELEMS(two)});
    struct password_hash known;
    (void)state;

    assert_int_equal(again(b, a, "same", NULL, false), AUTH_AGAIN_OK);
    assert_int_equal(again(b, a, "gone", NULL, false), AUTH_AGAIN_GONE);
    assert_int_equal(again(b, a, "moved", NULL, false), AUTH_AGAIN_GONE);
    assert_int_equal(again(b, a, "h", NULL, false), AUTH_AGAIN_OK);
    assert_int_equal(again(b, a, "kind", NULL, false), AUTH_AGAIN_NO);
    password_hash(&key, "p", 1, &known);
    assert_int_equal(again(b, a, "pass", &known, false), AUTH_AGAIN_NO);
    password_hash(&key, "P", 1, &known);
    assert_int_equal(again(b, a, "pass", &known, false), AUTH_AGAIN_OK);
    assert_int_equal(again(b, a, "hashed", NULL, false), AUTH_AGAIN_NO);
    auth_free(a);
    auth_free(b);
}

static void
tokens_and_single_users_are_looked_at_again(void **state)
{
    struct auth *tok = auth_of(&(struct auth_conf){.token = "t"}), *tok2 = auth_of(&(struct auth_conf){.token = "u"});
    struct auth *one = auth_of(&(struct auth_conf){.user = "a", .pass = "b"}), *two = auth_of(&(struct auth_conf){.user = "a", .pass = "c"});
    struct auth *none = auth_of(&(struct auth_conf){.timeout_ns = 1});
    struct auth *same = auth_of(&(struct auth_conf){.token = "t"});
    struct password_hash known;
    (void)state;

    password_hash(&key, "t", 1, &known);
    assert_int_equal(again(same, tok, NULL, &known, false), AUTH_AGAIN_OK);
    assert_int_equal(again(tok2, tok, NULL, &known, false), AUTH_AGAIN_NO);
    assert_int_equal(again(one, tok, NULL, &known, false), AUTH_AGAIN_NO);
    assert_int_equal(again(none, tok, NULL, &known, false), AUTH_AGAIN_OK);
    assert_int_equal(again(tok, NULL, NULL, &known, false), AUTH_AGAIN_OK);
    assert_int_equal(again(tok2, NULL, NULL, &known, false), AUTH_AGAIN_NO);
    assert_int_equal(again(one, one, "a", NULL, false), AUTH_AGAIN_OK);
    assert_int_equal(again(two, one, "a", NULL, false), AUTH_AGAIN_GONE);
    assert_int_equal(again(tok, one, "a", NULL, false), AUTH_AGAIN_GONE);
    auth_free(tok);
    auth_free(tok2);
    auth_free(one);
    auth_free(two);
    auth_free(none);
    auth_free(same);
}

static void
without_memory_there_is_none(void **state)
{
    static const char *const subjects[] = {"x"};
    struct auth_perms own = {.pub_allow = {subjects, 1}};
    struct auth_user_conf users[] = {{.name = "plain", .pass = "p", .perms = &own}, {.name = "hashed", .pass = HASH_SECRET}};
    struct auth_conf conf = {.users = users, .n_users = 2};
    (void)state;

    if (!fault_armed_builds)
        skip();
    for (int64_t n = 0;; n++) {
        struct auth *a = NULL;
        fault_arm(n);
        enum err e = auth_new(&conf, &key, &a);
        if (!fault_disarm()) {
            assert_int_equal(e, OK);
            auth_free(a);
            return;
        }
        assert_int_equal(e, ERR_NOMEM);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_configured_requires_nothing),
        cmocka_unit_test(a_single_user_needs_its_name_and_password),
        cmocka_unit_test(a_token_is_compared_with_tokens_only),
        cmocka_unit_test(users_have_passwords_kinds_of_connections_and_permissions),
        cmocka_unit_test(who_says_nothing_is_no_auth_user),
        cmocka_unit_test(every_failure_costs_a_hash_where_there_are_hashes),
        cmocka_unit_test(who_is_in_stays_in_while_its_secret_is_right),
        cmocka_unit_test(tokens_and_single_users_are_looked_at_again),
        cmocka_unit_test(without_memory_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
