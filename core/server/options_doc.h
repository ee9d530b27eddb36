/* options_doc.h - the table of options as a page. For docs/operating.md, and the test that holds it to the table. */
#ifndef MIDGE_SERVER_OPTIONS_DOC_H
#define MIDGE_SERVER_OPTIONS_DOC_H

#include <stdio.h>

/* The tables in Markdown. */
void options_doc(FILE *f);

#endif
