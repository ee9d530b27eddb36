/* options_blocks_jetstream.c - jetstream, read for its form: it does not exist yet. Source: sheet 02, section 3.9. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/rt/go_text.h"
#include "core/rt/util.h"
#include "core/server/options_auth.h"

#define BLOCK(rows_, ...) {.rows = (rows_), .n = N_ELEMS(rows_), __VA_ARGS__}

static bool
js_word(const struct conf_value *v, const char *words)
{
    char low[16];

    if (v->type != CONF_STR || v->str.len >= sizeof(low))
        return false;
    for (uint32_t i = 0; i < v->str.len; i++)
        low[i] = (char)(v->str.bytes[i] >= 'A' && v->str.bytes[i] <= 'Z' ? v->str.bytes[i] + 32 : v->str.bytes[i]);
    return v->str.len > 0 && option_is_in(words, low, v->str.len);
}

bool
option_asks_jetstream(const struct conf_value *v)
{
    if (v->type == CONF_BOOL)
        return v->b;
    if (v->type == CONF_MAP) { /* a map is meant, even an empty one */
        const struct conf_value *on = conf_get(v, "enabled");
        on = on != NULL ? on : conf_get(v, "enable");
        return on == NULL || on->type != CONF_BOOL || on->b;
    }
    return !js_word(v, "disabled disable");
}

bool
option_asks_no_jetstream(const struct conf_value *v)
{
    (void)v;
    return false;
}

static void
js_read_cipher(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    char shown[OPTION_SHOWN_LEN];
    if (option_is(r, v, CONF_STR) && !js_word(v, "chacha chachapoly aes"))
        option_fail_at(r, v, "Unknown cipher type: %s", option_quote(&v->str, shown));
}

static void
js_read_sync(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    static const struct option_row dur = {.keys = "sync", .type = OPT_DUR};
    static const struct option_row dur_long = {.keys = "sync_interval", .type = OPT_DUR};
    (void)row;
    int64_t ns;

    if (!js_word(v, "always"))
        (void)option_read_dur(r, v->key.len == 4 ? &dur : &dur_long, v, &ns);
}

static void
js_read_bool_word(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    if (v->type != CONF_BOOL && !js_word(v, "true false"))
        option_fail_at(r, v, "Expected 'true' or 'false' for bool value, got %s", conf_type_name(v->type));
}

/* A size that cannot be negative. */
static void
js_read_absolute(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    const struct option_row size = {.keys = row->keys, .type = OPT_STORE_SIZE};
    if (v->type == CONF_INT && row->max > 0 && (v->i < row->min || v->i > row->max))
        option_fail_at(r, v, "Expected an absolute size for \"%s\" between %lld and %lld, got %lld", row->keys, (long long)row->min,
                       (long long)row->max, (long long)v->i);
    else if (v->type == CONF_INT && v->i < 0)
        option_fail_at(r, v, "Expected an absolute size for \"%s\", got %lld", row->keys, (long long)v->i);
    else
        option_read(r, &size, v);
}

static void
js_read_count(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    if (v->type != CONF_INT)
        option_fail_at(r, v, "Expected a parseable size for \"%.*s\", got %s", OPTION_FIRST(row->keys), conf_type_name(v->type));
}

static const struct option_row rows_batch[] = {
    {.keys = "max_inflight_per_stream", .type = OPT_INT},
    {.keys = "max_inflight_total", .type = OPT_INT},
    {.keys = "max_msgs", .type = OPT_INT},
    {.keys = "timeout", .type = OPT_DUR},
};
static const struct option_block block_batch = BLOCK(rows_batch);
static const struct option_row rows_limits[] = {
    {.keys = "max_ack_pending", .type = OPT_INT},
    {.keys = "max_ha_assets", .type = OPT_INT},
    {.keys = "max_request_batch", .type = OPT_INT},
    {.keys = "duplicate_window", .type = OPT_DUR_STR},
    {.keys = "batch", .type = OPT_MAP, .block = &block_batch, .wrong = "Expected a map to define batch limits, got "},
};
static const struct option_block block_limits = BLOCK(rows_limits);
static const struct option_row rows_tpm[] = {
    {.keys = "keys_file", .type = OPT_STR},
    {.keys = "encryption_password", .type = OPT_STR},
    {.keys = "srk_password", .type = OPT_STR},
    {.keys = "pcr", .type = OPT_INT},
    {.keys = "cipher", .type = OPT_OWN, .read = js_read_cipher},
};
static const struct option_block block_tpm = BLOCK(rows_tpm);

static const struct option_row rows_jetstream[] = {
    {.keys = "enabled enable", .type = OPT_BOOL},
    {.keys = "store_dir store storedir", .type = OPT_STR},
    {.keys = "max_mem_store max_memory_store max_mem", .type = OPT_STORE_SIZE},
    {.keys = "max_file_store max_file", .type = OPT_STORE_SIZE},
    {.keys = "domain", .type = OPT_STR},
    {.keys = "key ek encryption_key", .type = OPT_STR},
    {.keys = "prev_key prev_ek prev_encryption_key", .type = OPT_STR},
    {.keys = "cipher", .type = OPT_OWN, .read = js_read_cipher},
    {.keys = "sync_interval sync", .type = OPT_OWN, .read = js_read_sync},
    {.keys = "strict", .type = OPT_OWN, .read = js_read_bool_word},
    {.keys = "extension_hint", .type = OPT_STR},
    {.keys = "unique_tag", .type = OPT_STR},
    {.keys = "max_outstanding_catchup", .type = OPT_STORE_SIZE},
    {.keys = "max_buffered_size", .type = OPT_STORE_SIZE},
    {.keys = "max_buffered_msgs", .type = OPT_OWN, .read = js_read_count},
    {.keys = "request_queue_limit", .type = OPT_OWN, .read = js_read_count},
    {.keys = "info_queue_limit", .type = OPT_OWN, .read = js_read_count},
    {.keys = "meta_compact", .type = OPT_OWN, .read = js_read_absolute},
    {.keys = "meta_compact_size", .type = OPT_OWN, .read = js_read_absolute},
    {.keys = "meta_compact_sync", .type = OPT_BOOL},
    {.keys = "max_concurrent_io", .type = OPT_OWN, .read = js_read_absolute, .min = 4, .max = 8192},
    {.keys = "limits", .type = OPT_MAP, .block = &block_limits, .wrong = "Expected a map to define JetStreamLimits, got "},
    {.keys = "tpm", .type = OPT_MAP, .block = &block_tpm, .wrong = "Expected a map to define JetStreamLimits, got "},
};
const struct option_block options_jetstream = BLOCK(rows_jetstream);

void
option_read_jetstream(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    if (v->type == CONF_MAP)
        option_read_block(r, &options_jetstream, v);
    else if (v->type == CONF_STR && !js_word(v, "enabled enable disabled disable"))
        option_fail_at(r, v, "Expected 'enabled' or 'disabled' for string value, got '%.100s'", v->str.bytes);
    else if (v->type != CONF_STR && v->type != CONF_BOOL)
        option_fail_at(r, v, "Expected map, bool or string to define JetStream, got %s", conf_type_name(v->type));
}

/* ---- an account's share of it */

static const struct option_row rows_tier[] = {
    {.keys = "max_memory max_mem mem memory", .type = OPT_OWN, .read = js_read_count},
    {.keys = "max_store max_file max_disk store disk", .type = OPT_OWN, .read = js_read_count},
    {.keys = "max_streams streams", .type = OPT_OWN, .read = js_read_count},
    {.keys = "max_consumers consumers", .type = OPT_OWN, .read = js_read_count},
    {.keys = "max_bytes_required max_stream_bytes max_bytes", .type = OPT_BOOL},
    {.keys = "mem_max_stream_bytes memory_max_stream_bytes", .type = OPT_OWN, .read = js_read_count},
    {.keys = "disk_max_stream_bytes store_max_stream_bytes", .type = OPT_OWN, .read = js_read_count},
    {.keys = "max_ack_pending", .type = OPT_OWN, .read = js_read_count},
    {.keys = "cluster_traffic", .type = OPT_STR},
};
static const struct option_block block_tier = BLOCK(rows_tier);

void
option_read_account_jetstream(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    if (v->type == CONF_MAP) {
        const struct conf_value *traffic = conf_get(v, "cluster_traffic");
        option_read_block(r, &block_tier, v);
        if (traffic != NULL && traffic->type == CONF_STR && !js_word(traffic, "system owner"))
            option_fail_at(r, traffic, "Expected 'system' or 'owner' string value for \"cluster_traffic\", got %.100s", traffic->str.bytes);
    } else if (v->type == CONF_STR && !js_word(v, "enabled enable disabled disable")) {
        option_fail_at(r, v, "Expected 'enabled' or 'disabled' for string value, got '%.100s'", v->str.bytes);
    } else if (v->type != CONF_STR && v->type != CONF_BOOL) {
        option_fail_at(r, v, "Expected map, bool or string to define JetStream, got %s", conf_type_name(v->type));
    }
}
