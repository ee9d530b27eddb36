/* The disks of the simulated world.
 *
 * A file has its bytes twice: in the cache, as processes see them, and on the disk, as they would be after a crash. Sectors that
 * differ are dirty: a sync writes them. A sync that fails leaves them doomed: clean, but not on the disk, as Linux does it;
 * only a new write makes such a sector dirty again.
 *
 * Names are kept twice too. What happened to them since the last sync of their folder stands in a journal, and a crash keeps
 * a random beginning of it (journaling file systems do not reorder it). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/rt/sim_priv.h"

enum { SECTOR_CLEAN, SECTOR_DIRTY, SECTOR_DOOMED };

struct sim_inode {
    uint32_t n_refs;
    uint8_t *cache, *disk; /* both of cap bytes; zero behind their lengths */
    uint8_t *sectors;      /* SECTOR_*, cap / SIM_SECTOR_LEN of them */
    uint64_t cache_len, disk_len, cap;
    bool cut_dirty;        /* truncated to nothing since the last sync */
};

struct sim_name {
    struct list node;
    char *path;
    struct sim_inode *ino;
};

/* A change of names that a crash may undo: `to` names ino now; `from`, if any, names nothing. */
struct sim_change {
    struct list node;
    char *from, *to;
    struct sim_inode *ino;
};

struct sim_disk {
    struct list names, names_durable, journal;
};

/* ---- inodes ---- */

static struct sim_inode *
sim_inode_ref(struct sim_inode *ino)
{
    ino->n_refs++;
    return ino;
}

void
sim_inode_unref(struct sim_inode *ino)
{
    if (--ino->n_refs > 0)
        return;
    free(ino->cache);
    free(ino->disk);
    free(ino->sectors);
    free(ino);
}

static void
sim_inode_grow(struct sim_inode *ino, uint64_t len)
{
    uint64_t cap = ino->cap == 0 ? 16 * SIM_SECTOR_LEN : ino->cap;

    while (cap < len)
        cap *= 2;
    if (cap == ino->cap)
        return;
    struct sim_inode old = *ino;
    ino->cache = sim_alloc(cap);
    ino->disk = sim_alloc(cap);
    ino->sectors = sim_alloc(cap / SIM_SECTOR_LEN);
    ino->cap = cap;
    if (old.cap > 0) {
        memcpy(ino->cache, old.cache, old.cap);
        memcpy(ino->disk, old.disk, old.cap);
        memcpy(ino->sectors, old.sectors, old.cap / SIM_SECTOR_LEN);
    }
    free(old.cache);
    free(old.disk);
    free(old.sectors);
}

static void
sim_inode_cut(struct sim_inode *ino)
{
    memset(ino->cache, 0, ino->cache_len);
    if (ino->cap > 0)
        memset(ino->sectors, SECTOR_CLEAN, ino->cap / SIM_SECTOR_LEN);
    ino->cache_len = 0;
    ino->cut_dirty = true;
}

static void
sim_inode_write(struct sim_inode *ino, const void *from, uint64_t off, uint32_t len)
{
    sim_inode_grow(ino, off + len);
    memcpy(ino->cache + off, from, len);
    if (off + len > ino->cache_len)
        ino->cache_len = off + len;
    for (uint64_t i = off / SIM_SECTOR_LEN; i * SIM_SECTOR_LEN < off + len; i++)
        ino->sectors[i] = SECTOR_DIRTY;
}

/* The truncation reaches the disk. */
static void
sim_inode_cut_disk(struct sim_inode *ino)
{
    if (!ino->cut_dirty)
        return;
    memset(ino->disk, 0, ino->disk_len);
    ino->disk_len = 0;
    ino->cut_dirty = false;
}

static void
sim_inode_write_sector(struct sim_inode *ino, uint64_t i)
{
    uint64_t end = min_u64((i + 1) * SIM_SECTOR_LEN, ino->cache_len);

    memcpy(ino->disk + i * SIM_SECTOR_LEN, ino->cache + i * SIM_SECTOR_LEN, SIM_SECTOR_LEN);
    ino->disk_len = max_u64(ino->disk_len, end);
    ino->sectors[i] = SECTOR_CLEAN;
}

/* Dirty sectors in [from, to) reach the disk. */
static void
sim_inode_sync(struct sim_inode *ino, uint64_t from, uint64_t to)
{
    sim_inode_cut_disk(ino);
    for (uint64_t i = from / SIM_SECTOR_LEN; i * SIM_SECTOR_LEN < min_u64(to, ino->cache_len); i++) {
        if (ino->sectors[i] == SECTOR_DIRTY)
            sim_inode_write_sector(ino, i);
    }
}

static void
sim_inode_doom(struct sim_inode *ino)
{
    for (uint64_t i = 0; i * SIM_SECTOR_LEN < ino->cache_len; i++) {
        if (ino->sectors[i] == SECTOR_DIRTY)
            ino->sectors[i] = SECTOR_DOOMED;
    }
}

/* The power fails: dirty sectors have reached the disk all, or none, or some of them. */
static void
sim_inode_crash(struct sim *sim, struct sim_inode *ino)
{
    uint64_t how = rng_below(&sim->rng, 3);

    if (how == 0 || (how == 2 && sim_pct(sim, 50)))
        sim_inode_cut_disk(ino);
    for (uint64_t i = 0; i * SIM_SECTOR_LEN < ino->cache_len && how != 1; i++) {
        if (ino->sectors[i] == SECTOR_DIRTY && (how == 0 || sim_pct(sim, 50)))
            sim_inode_write_sector(ino, i);
    }
    if (ino->cap > 0) {
        memcpy(ino->cache, ino->disk, ino->cap);
        memset(ino->sectors, SECTOR_CLEAN, ino->cap / SIM_SECTOR_LEN);
    }
    ino->cache_len = ino->disk_len;
    ino->cut_dirty = false;
}

static void
sim_inode_flip(struct sim_inode *ino, uint64_t bit)
{
    ino->cache[bit / 8] ^= (uint8_t)BIT(bit % 8);
    if (ino->sectors[bit / 8 / SIM_SECTOR_LEN] == SECTOR_CLEAN)
        ino->disk[bit / 8] ^= (uint8_t)BIT(bit % 8);
}

/* ---- names ---- */

static char *
sim_copy(const char *s)
{
    return s == NULL ? NULL : memcpy(sim_alloc(strlen(s) + 1), s, strlen(s) + 1);
}

static struct sim_name *
sim_name_find(struct list *names, const char *path)
{
    for (struct list *l = names->next; l != names; l = l->next) {
        struct sim_name *n = CONTAINER_OF(l, struct sim_name, node);
        if (strcmp(n->path, path) == 0)
            return n;
    }
    return NULL;
}

static void
sim_name_drop(struct list *names, const char *path)
{
    struct sim_name *n = sim_name_find(names, path);

    if (n == NULL)
        return;
    list_remove(&n->node);
    sim_inode_unref(n->ino);
    free(n->path);
    free(n);
}

static void
sim_name_set(struct list *names, const char *path, struct sim_inode *ino)
{
    (void)sim_inode_ref(ino); /* before the old name lets go of it, perhaps */
    sim_name_drop(names, path);
    struct sim_name *n = sim_alloc(sizeof(*n));
    n->path = sim_copy(path);
    n->ino = ino;
    list_push_back(names, &n->node);
}

static void
sim_change_apply(struct sim_disk *d, struct sim_change *ch, bool keep)
{
    if (keep) {
        sim_name_set(&d->names_durable, ch->to, ch->ino);
        if (ch->from != NULL)
            sim_name_drop(&d->names_durable, ch->from);
    }
    list_remove(&ch->node);
    sim_inode_unref(ch->ino);
    free(ch->from);
    free(ch->to);
    free(ch);
}

static void
sim_change_push(struct sim_disk *d, const char *from, const char *to, struct sim_inode *ino)
{
    struct sim_change *ch = sim_alloc(sizeof(*ch));

    ch->from = sim_copy(from);
    ch->to = sim_copy(to);
    ch->ino = sim_inode_ref(ino);
    list_push_back(&d->journal, &ch->node);
}

static bool
sim_path_in(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    if (path == NULL)
        return false;
    while (len > 0 && folder[len - 1] == '/')
        len--;
    return strncmp(path, folder, len) == 0 && path[len] == '/' && strchr(path + len + 1, '/') == NULL;
}

static void
sim_folder_sync(struct sim_disk *d, const char *folder)
{
    for (struct list *l = d->journal.next, *next; l != &d->journal; l = next) {
        struct sim_change *ch = CONTAINER_OF(l, struct sim_change, node);
        next = l->next;
        if (sim_path_in(ch->to, folder) || sim_path_in(ch->from, folder))
            sim_change_apply(d, ch, true);
    }
}

/* ---- disks ---- */

struct sim_disk *
sim_disk_new(void)
{
    struct sim_disk *d = sim_alloc(sizeof(*d));

    list_init(&d->names);
    list_init(&d->names_durable);
    list_init(&d->journal);
    return d;
}

static void
sim_names_clear(struct list *names)
{
    while (!list_empty(names))
        sim_name_drop(names, CONTAINER_OF(names->next, struct sim_name, node)->path);
}

void
sim_disk_free(struct sim_disk *d)
{
    if (d == NULL)
        return;
    while (!list_empty(&d->journal))
        sim_change_apply(d, CONTAINER_OF(d->journal.next, struct sim_change, node), false);
    sim_names_clear(&d->names);
    sim_names_clear(&d->names_durable);
    free(d);
}

void
sim_disk_crash(struct sim *sim, struct sim_disk *d)
{
    bool keep = true;

    while (!list_empty(&d->journal)) {
        keep = keep && !sim_pct(sim, 30);
        sim_change_apply(d, CONTAINER_OF(d->journal.next, struct sim_change, node), keep);
    }
    sim_names_clear(&d->names);
    for (struct list *l = d->names_durable.next; l != &d->names_durable; l = l->next) {
        struct sim_name *n = CONTAINER_OF(l, struct sim_name, node);
        sim_inode_crash(sim, n->ino);
        sim_name_set(&d->names, n->path, n->ino);
    }
}

static uint64_t
sim_disk_used(struct sim_disk *d)
{
    uint64_t sum = 0;

    for (struct list *l = d->names.next; l != &d->names; l = l->next)
        sum += CONTAINER_OF(l, struct sim_name, node)->ino->cache_len;
    return sum;
}

/* ---- requests ---- */

static int64_t
sim_disk_open(struct sim *sim, uint32_t host, const struct sim_req *q)
{
    struct sim_disk *d = sim->disks[host];
    struct sim_inode *ino;

    if ((q->flags & O_DIRECTORY) != 0)
        return sim_fd_new(sim, SIM_FD_FOLDER, sim_copy(q->path), 0, host);
    struct sim_name *n = sim_name_find(&d->names, q->path);
    if (n != NULL && (q->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
        return -EEXIST;
    if (n == NULL && (q->flags & O_CREAT) == 0)
        return -ENOENT;
    if (n != NULL) {
        ino = n->ino;
        if ((q->flags & O_TRUNC) != 0 && ino->cache_len > 0)
            sim_inode_cut(ino);
    } else {
        ino = sim_alloc(sizeof(*ino));
        sim_name_set(&d->names, q->path, ino);
        sim_change_push(d, NULL, q->path, ino);
    }
    return sim_fd_new(sim, SIM_FD_FILE, sim_inode_ref(ino), (uint8_t)(q->flags & O_ACCMODE), host);
}

/* How much of len a request does: all of it, mostly. */
static uint32_t
sim_disk_cut_short(struct sim *sim, uint32_t len)
{
    if (len <= SIM_DISK_WHOLE_LEN || !sim_pct(sim, sim->cfg.disk_short_pct))
        return len;
    return 1 + (uint32_t)rng_below(&sim->rng, len);
}

static int64_t
sim_disk_read(struct sim *sim, const struct sim_fd *f, const struct sim_req *q)
{
    struct sim_inode *ino = f->ptr;

    if (f->side == O_WRONLY)
        return -EBADF;
    if (q->off >= ino->cache_len || q->len == 0)
        return 0;
    uint32_t len = sim_disk_cut_short(sim, (uint32_t)min_u64(q->len, ino->cache_len - q->off));
    if (sim_chance(sim, sim->cfg.flip_ppm))
        sim_inode_flip(ino, q->off * 8 + rng_below(&sim->rng, len * UINT64_C(8)));
    memcpy(q->ptr, ino->cache + q->off, len);
    return len;
}

static int64_t
sim_disk_write(struct sim *sim, const struct sim_fd *f, const struct sim_req *q)
{
    struct sim_inode *ino = f->ptr;
    uint32_t len = sim_disk_cut_short(sim, q->len);

    if (f->side == O_RDONLY)
        return -EBADF;
    if (q->off + len > ino->cache_len && sim_disk_used(sim->disks[f->host]) + (q->off + len - ino->cache_len) > sim->cfg.disk_bytes_max)
        return -ENOSPC;
    sim_inode_write(ino, q->ptr, q->off, len);
    if (!q->dsync)
        return len;
    if (sim_chance(sim, sim->cfg.sync_fail_ppm)) {
        sim_inode_doom(ino);
        return -EIO;
    }
    sim_inode_sync(ino, q->off, q->off + len);
    return len;
}

static int64_t
sim_disk_sync(struct sim *sim, const struct sim_fd *f)
{
    if (sim_chance(sim, sim->cfg.sync_fail_ppm)) {
        if (f->kind == SIM_FD_FILE)
            sim_inode_doom(f->ptr);
        return -EIO;
    }
    if (f->kind == SIM_FD_FOLDER)
        sim_folder_sync(sim->disks[f->host], f->ptr);
    else
        sim_inode_sync(f->ptr, 0, UINT64_MAX);
    return 0;
}

static int64_t
sim_disk_rename(struct sim *sim, uint32_t host, const struct sim_req *q)
{
    struct sim_disk *d = sim->disks[host];
    struct sim_name *n = sim_name_find(&d->names, q->path);

    if (n == NULL)
        return -ENOENT;
    if (strcmp(q->path, q->to) == 0)
        return 0;
    sim_change_push(d, q->path, q->to, n->ino);
    sim_name_set(&d->names, q->to, n->ino);
    sim_name_drop(&d->names, q->path);
    return 0;
}

int64_t
sim_disk_run(struct sim *sim, uint32_t host, struct sim_req *q)
{
    if (sim->disks[host] == NULL)
        sim->disks[host] = sim_disk_new();
    if (q->op == SIM_OPEN)
        return sim_disk_open(sim, host, q);
    if (q->op == SIM_RENAME)
        return sim_disk_rename(sim, host, q);
    struct sim_fd *f = sim_fd_find(sim, q->fd, SIM_FD_FILE);
    if (f == NULL && (q->op == SIM_SYNC || q->op == SIM_CLOSE))
        f = sim_fd_find(sim, q->fd, SIM_FD_FOLDER);
    if (f == NULL || f->host != host)
        return -EBADF;
    if ((q->op == SIM_READ || q->op == SIM_WRITE) && sim_chance(sim, sim->cfg.disk_fail_ppm))
        return -EIO;
    if (q->op == SIM_READ)
        return sim_disk_read(sim, f, q);
    if (q->op == SIM_WRITE)
        return sim_disk_write(sim, f, q);
    if (q->op == SIM_SYNC)
        return sim_disk_sync(sim, f);
    ASSERT(q->op == SIM_CLOSE);
    sim_fd_free(sim, q->fd);
    return 0;
}

/* ---- for tests ---- */

static struct sim_inode *
sim_file_find(struct sim *sim, uint32_t host, const char *path)
{
    struct sim_name *n = sim->disks[host] != NULL ? sim_name_find(&sim->disks[host]->names, path) : NULL;
    return n != NULL ? n->ino : NULL;
}

int64_t
sim_file_len(struct sim *sim, uint32_t host, const char *path)
{
    const struct sim_inode *ino = sim_file_find(sim, host, path);
    return ino != NULL ? (int64_t)ino->cache_len : -1;
}

void
sim_file_flip(struct sim *sim, uint32_t host, const char *path, uint64_t bit)
{
    struct sim_inode *ino = sim_file_find(sim, host, path);
    ASSERT(ino != NULL && bit < ino->cache_len * 8);
    sim_inode_flip(ino, bit);
}
