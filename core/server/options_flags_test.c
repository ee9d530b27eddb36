/* options_flags_test.c - the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/util.h"
#include "core/server/options_world.h"

static struct options_world world;

#define LOAD(...) world_load(&world, NULL, WORLD_FLAGS(__VA_ARGS__))

/* One and two dashes, a value behind or after "=", every alias: the same option. */
static void
aliases_and_dashes_are_equal(void **state)
{
    (void)state;

    assert_int_equal(LOAD("-p", "4333")->port, 4333);
    assert_int_equal(LOAD("--port=4334")->port, 4334);
    assert_int_equal(LOAD("--p", "-1")->port, -1);
    assert_int_equal(LOAD("-p", "0")->port, 4222);
    assert_int_equal(LOAD("-p", "0x1000")->port, 4096);
    assert_string_equal(LOAD("-net", "127.0.0.1")->host, "127.0.0.1");
    assert_string_equal(LOAD("--name", "n")->server_name, "n");
    assert_int_equal(LOAD("-p", "1", "-p", "2")->port, 2);
    assert_int_equal(world.v, OPTIONS_RUN);
}

/* Switches that are several; a boolean takes its value after "=" only. */
static void
booleans_take_no_next_word(void **state)
{
    (void)state;
    const struct options *o;

    o = LOAD("-DV");
    assert_true(o->debug && o->trace && !o->trace_verbose);
    o = LOAD("-DVV");
    assert_true(o->debug && o->trace && o->trace_verbose);
    o = LOAD("-VV");
    assert_true(!o->debug && o->trace && o->trace_verbose);
    o = LOAD("-D=false", "-V=true");
    assert_true(!o->debug && o->trace);
    o = LOAD("-DV", "-V=false");
    assert_true(o->debug && !o->trace);
    o = LOAD("-T=false");
    assert_false(o->logtime);
    LOAD("-D", "false");
    assert_int_equal(world.v, OPTIONS_BAD);
}

/* What is no flag, has no value, or a bad one, is named in Go's words, and ends with code 2; the first of them is told. */
static void
bad_words_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *flags[3];
        enum options_verdict v;
        const char *text;
    } cases[] = {
        {{"-nosuch"}, OPTIONS_USAGE, "flag provided but not defined: -nosuch\n"},
        {{"-nosuch", "--nor"}, OPTIONS_USAGE, "flag provided but not defined: -nosuch\n"},
        {{"---p"}, OPTIONS_USAGE, "bad flag syntax: ---p\n"},
        {{"-=5"}, OPTIONS_USAGE, "bad flag syntax: -=5\n"},
        {{"---pass=secret"}, OPTIONS_USAGE, "bad flag syntax: ---pass\n"},
        {{"-p"}, OPTIONS_USAGE, "flag needs an argument: -p\n"},
        {{"-p", "x"}, OPTIONS_USAGE, "invalid value \"x\" for flag -p: parse error\n"},
        {{"-p", ""}, OPTIONS_USAGE, "invalid value \"\" for flag -p: parse error\n"},
        {{"-p", "65536"}, OPTIONS_USAGE, "invalid value \"65536\" for flag -p: value out of range (-1 to 65535)\n"},
        {{"-p", "99999999999999999999"}, OPTIONS_USAGE, "invalid value \"99999999999999999999\" for flag -p: value out of range\n"},
        {{"-D=perhaps"}, OPTIONS_USAGE, "invalid boolean value \"perhaps\" for -D: parse error\n"},
        {{"--io", "kqueue"}, OPTIONS_USAGE, "invalid value \"kqueue\" for flag -io: it is auto|uring|epoll\n"},
        {{"--busy_poll", "often"}, OPTIONS_USAGE, "invalid value \"often\" for flag -busy_poll: it is auto, off or a duration\n"},
        {{"--ping_interval", "5"}, OPTIONS_USAGE, "invalid value \"5\" for flag -ping_interval: parse error\n"},
        {{"--max_sub_tokens", "256"}, OPTIONS_USAGE, "invalid value \"256\" for flag -max_sub_tokens: value out of range (0 to 255)\n"},
        {{"start"}, OPTIONS_BAD, "unrecognized command: \"start\"\n"},
        {{"-t"}, OPTIONS_BAD, "must specify [-c, --config] option to check configuration file syntax\n"},
        {{"-sd", "/x"}, OPTIONS_RUN, ""}, /* what async-nats's launcher gives to each server */
        {{"-js"}, OPTIONS_BAD, "flag -js is not supported: midge does not have JetStream yet\n"},
        {{"--profile", "1"}, OPTIONS_BAD, "flag -profile is not supported: there is no Go runtime whose profile could be served; use perf, and -D for the counters\n"},
        {{"--cluster", "nats://u:p@h:1"}, OPTIONS_BAD, "flag -cluster is not supported: midge does not have clustering yet\n"},
        {{"-js", "--tls"}, OPTIONS_BAD, "flag -js is not supported: midge does not have JetStream yet\nflag -tls is not supported: midge does not have TLS yet\n"},
        {{"-js=false", "--cluster", ""}, OPTIONS_RUN, ""},
        {{"-js", "--unsupported=warn"}, OPTIONS_RUN, "flag -js is not supported and does nothing: midge does not have JetStream yet\n"},
        {{"VERSION"}, OPTIONS_VERSION, ""},
        {{"-v", "start"}, OPTIONS_VERSION, ""},
        {{"-h"}, OPTIONS_HELP, ""},
        {{"help"}, OPTIONS_HELP, ""},
        {{"--help_tls"}, OPTIONS_HELP_TLS, ""},
        {{"--signal", "reload=5"}, OPTIONS_SIGNAL, ""},
        {{"--", "-p"}, OPTIONS_BAD, "unrecognized command: \"-p\"\n"},
    };
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        LOAD(cases[i].flags[0], cases[i].flags[1], cases[i].flags[2]);
        assert_string_equal(world.text, cases[i].text);
        assert_int_equal(world.v, cases[i].v);
    }
}

/* A flag counts more than the file, in any order of loading, and what the flag leaves open the file says. */
static void
flags_count_more_than_the_file(void **state)
{
    (void)state;
    const struct options *o = world_load(&world, "port: 5000\nmax_payload: 2000\ndebug: true\ntrace: true\nhttp_port: 7\nauthorization: {user: a, pass: b}\n",
                                         WORLD_FLAGS("-p", "4000", "-D=false", "-m", "8", "--pass", "c"));

    assert_int_equal(world.v, OPTIONS_RUN);
    assert_int_equal(o->port, 4000);
    assert_int_equal(o->max_payload, 2000);
    assert_true(!o->debug && o->trace);
    assert_int_equal(o->http_port, 8);
    assert_string_equal(o->auth.user, "a");
    assert_string_equal(o->auth.pass, "c");
}

/* Loading again gives the same, because the words were kept: also those that argv does not show any more. */
static void
secrets_go_from_argv_and_stay_with_us(void **state)
{
    (void)state;
    char pass[] = "s3cret", eq[] = "--auth=t0ken", routes[] = "nats://u:pw@h:1,nats://h2:2", port[] = "4000", user[] = "bob";
    char *argv[] = {(char *)(uintptr_t)"midge", (char *)(uintptr_t)"--user", user, (char *)(uintptr_t)"-pass", pass, eq, (char *)(uintptr_t)"--routes", routes,
                    (char *)(uintptr_t)"-p", port, (char *)(uintptr_t)"--unsupported=warn"};
    struct options_args *args = options_args_new((int)N_ELEMS(argv), argv);
    struct options_report *rep = options_report_new();
    struct options o;

    assert_string_equal(pass, "xxxxxx");
    assert_string_equal(user, "xxx");
    assert_string_equal(eq, "--auth=xxxxx");
    assert_string_equal(routes, "nats://xxxx@h:1,nats://h2:2");
    assert_string_equal(port, "4000");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(options_load(args, &o, rep), OPTIONS_RUN);
        assert_string_equal(o.auth.user, "bob");
        assert_string_equal(o.auth.pass, "s3cret");
        assert_string_equal(o.auth.token, "t0ken");
        assert_true(o.auth_plain);
        options_free(&o);
    }
    assert_null(strstr(options_report_text(rep), "pw"));
    options_report_free(rep);
    options_args_free(args);
}

static int
close_world(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aliases_and_dashes_are_equal),
        cmocka_unit_test(booleans_take_no_next_word),
        cmocka_unit_test(bad_words_are_refused),
        cmocka_unit_test(flags_count_more_than_the_file),
        cmocka_unit_test(secrets_go_from_argv_and_stay_with_us),
    };
    return cmocka_run_group_tests(tests, NULL, close_world);
}
