/* fuzz_main.c - replays a corpus through a fuzz entry where there is no libFuzzer: NAME FILE_OR_DIRECTORY...
 * Prints how many inputs it fed; feeding none is a failure. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { FUZZ_FILE_MAX = 1 << 20 };

static size_t n_fed;

static void
fuzz_file(const char *path)
{
    static uint8_t buf[FUZZ_FILE_MAX];
    FILE          *f = fopen(path, "rb");

    if (f == NULL) {
        perror(path);
        exit(1);
    }
    size_t   len = fread(buf, 1, sizeof(buf), f);
    uint8_t *copy = malloc(len + (len == 0)); /* of its length: a read behind it is seen */
    (void)fclose(f);                          /* it was only read */
    if (copy == NULL)
        exit(1);
    memcpy(copy, buf, len);
    (void)LLVMFuzzerTestOneInput(copy, len); /* 0, or it does not return */
    free(copy);
    n_fed++;
}

int
main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) != 0) {
            perror(argv[i]);
            return 1;
        }
        if (!S_ISDIR(st.st_mode)) {
            fuzz_file(argv[i]);
            continue;
        }
        DIR *dir = opendir(argv[i]);
        if (dir == NULL) {
            perror(argv[i]);
            return 1;
        }
        for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
            char path[4096];
            if (e->d_name[0] == '.')
                continue;
            if (snprintf(path, sizeof(path), "%s/%s", argv[i], e->d_name) < (int)sizeof(path))
                fuzz_file(path);
        }
        (void)closedir(dir); /* it was only read */
    }
    printf("%zu inputs\n", n_fed);
    return n_fed > 0 ? 0 : 1;
}
