/* control.h - `--signal`: one run of the program tells another one what to do.
 *
 *     --signal reload            the one other process that runs a file of our name
 *     --signal reload=4711       that process
 *     --signal reload=/run/x.pid the process whose number stands there
 *     --signal reload=47*        all of ours whose number begins so; *: all
 *
 * Ours are those whose executable's file has the name of our own (/proc/PID/exe): installed as nats-server, processes called nats-server.
 *
 * Threads  main, before anything else runs.
 * Source   sheet 02, section 7; nats-server 2.14.5's texts.
 */
#ifndef MIDGE_SERVER_CONTROL_H
#define MIDGE_SERVER_CONTROL_H

/* Do what the value of --signal says. Returns the exit code; the reason is on stderr. */
int control_signal(const char *value);

#endif
