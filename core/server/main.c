/* midge: the server. Reads the command line, then server.h. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/server/control.h"
#include "core/server/server.h"

int
main(int argc, char **argv)
{
    static struct server s = {.signals = {-1, -1}};
    struct options opts = {0};
    struct options_args *args = NULL;
    struct options_report *report = NULL;
    int code = EXIT_FAILURE;

    if (sodium_init() < 0) {
        fprintf(stderr, "nats-server: the system gives no random numbers\n");
        return EXIT_FAILURE;
    }
    args = options_args_new(argc, argv);
    report = options_report_new();
    if (args == NULL || report == NULL) {
        fprintf(stderr, "nats-server: out of memory\n");
        goto out;
    }
    enum options_verdict verdict = options_load(args, &opts, report);
    code = options_act(verdict, &opts, report);
    if (verdict == OPTIONS_SIGNAL)
        code = control_signal(opts.signal);
    if (code >= 0)
        goto out;
    s.args = args;
    code = server_start(&s, &opts);
    opts = (struct options){0}; /* the server has them */
    if (code == EXIT_SUCCESS)
        server_wait(&s);
    server_stop(&s);
out:
    options_free(&opts);
    options_report_free(report);
    options_args_free(args);
    return code;
}
