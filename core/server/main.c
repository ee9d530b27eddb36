/* midge: the server. Reads the command line, then server.h. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/server/server.h"

enum { EXIT_USAGE = 2 };

int
main(int argc, char **argv)
{
    static struct server s = {.signals = {-1, -1}};
    struct options opts;

    options_defaults(&opts);
    switch (options_parse(&opts, argc, argv)) {
    case OPTIONS_RUN: break;
    case OPTIONS_HELP: options_usage(); return EXIT_SUCCESS;
    case OPTIONS_VERSION: printf("nats-server: v%s\nmidge: v%s\n", SERVER_VERSION, MIDGE_VERSION); return EXIT_SUCCESS;
    default: options_usage(); return EXIT_USAGE;
    }
    if (sodium_init() < 0) {
        fprintf(stderr, "nats-server: the system gives no random numbers\n");
        return EXIT_FAILURE;
    }
    int code = server_start(&s, &opts);
    if (code == EXIT_SUCCESS)
        server_wait(&s);
    server_stop(&s);
    return code;
}
