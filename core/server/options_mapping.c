/* options_mapping.c - subject mappings, as struct mapping_conf. Source: sheet 01, section 16; texts are nats-server's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/broker/mapping.h"
#include "core/broker/subject.h"
#include "core/rt/go_text.h"
#include "core/server/options_priv.h"

/* 0 to 100, as a number or as "50%". False: reported. */
static bool
mapping_read_weight(struct option_reader *r, const struct conf_value *v, uint32_t *ret)
{
    char shown[OPTION_SHOWN_LEN];
    int64_t n = -1;

    if (v->type == CONF_INT) {
        n = v->i;
    } else if (v->type == CONF_STR) {
        size_t len = v->str.len > 0 && v->str.bytes[v->str.len - 1] == '%' ? v->str.len - 1 : v->str.len;
        char *end = NULL;
        n = strtoll(v->str.bytes, &end, 10); /* what overflows ends at a limit, and is too much */
        if (len == 0 || end != v->str.bytes + len || v->str.bytes[0] == ' ') {
            option_fail_at(r, v, "Invalid weight %s for mapping destination", option_quote(&(struct conf_str){v->str.bytes, (uint32_t)len}, shown));
            return false;
        }
    } else {
        option_fail_at(r, v, "Unknown entry type for weight of type %s", conf_type_name(v->type));
        return false;
    }
    if (n < 0 || n > MAPPING_WEIGHT_MAX) {
        option_fail_at(r, v, "Invalid weight %lld for mapping destination", (long long)n);
        return false;
    }
    *ret = (uint32_t)n;
    return true;
}

static bool
mapping_key_is(const struct conf_value *v, const char *name)
{
    return v->key.len == strlen(name) && strncasecmp(v->key.bytes, name, v->key.len) == 0;
}

/* {dest, weight, cluster}. at: where a missing weight is reported. False: reported. */
static bool
mapping_read_dest(struct option_reader *r, const struct conf_value *at, const struct conf_value *map, struct mapping_dest_conf *ret)
{
    char shown[OPTION_SHOWN_LEN];
    bool weighed = false, good = true;

    *ret = (struct mapping_dest_conf){.dest = ""};
    option_mark_replaced(r, map);
    for (uint32_t i = 0; i < map->list.n; i++) {
        const struct conf_value *v = &map->list.items[i];
        if (v->flags & OPTION_REPLACED)
            continue;
        if (mapping_key_is(v, "dest") || mapping_key_is(v, "destination")) {
            good &= option_read_text(r, v, &ret->dest);
        } else if (mapping_key_is(v, "weight")) {
            weighed = true;
            good &= mapping_read_weight(r, v, &ret->weight);
        } else if (mapping_key_is(v, "cluster")) {
            good &= option_read_text(r, v, &ret->cluster);
        } else if (!(v->flags & CONF_USED_AS_VARIABLE)) {
            option_fail_at(r, v, "Unknown field %s for mapping destination", option_quote(&v->key, shown));
            good = false;
        }
    }
    if (good && !weighed) {
        option_fail_at(r, at, "Missing weight for mapping destination %s", go_quote(ret->dest, strlen(ret->dest), shown, sizeof(shown)));
        good = false;
    }
    if (ret->cluster != NULL && ret->cluster[0] == '\0')
        ret->cluster = NULL;
    return good;
}

/* All destinations of a source. False: reported. */
static bool
mapping_read_dests(struct option_reader *r, const struct conf_value *v, struct mapping_conf *m)
{
    uint32_t n = v->type == CONF_ARRAY ? v->list.n : 1;
    bool good = true;

    if (v->type != CONF_STR && v->type != CONF_ARRAY && v->type != CONF_MAP) {
        option_fail_at(r, v, "Expected an entry for the mapping destination");
        return false;
    }
    struct mapping_dest_conf *dests = option_take(r, n, sizeof(*dests));
    if (dests == NULL)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        const struct conf_value *item = v->type == CONF_ARRAY ? &v->list.items[i] : v;
        if (v->type == CONF_STR) {
            dests[i].weight = MAPPING_WEIGHT_MAX;
            good &= option_read_text(r, v, &dests[i].dest);
        } else if (item->type == CONF_MAP) {
            good &= mapping_read_dest(r, item == v ? v : item, item, &dests[i]);
        } else {
            option_fail_at(r, item, "Expected an entry for the mapping destination");
            good = false;
        }
    }
    m->dests = dests;
    m->n_dests = n;
    return good;
}

void
option_read_mappings(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    char shown[OPTION_SHOWN_LEN], why[MAPPING_WHY_MAX];
    uint32_t n = 0;

    if (!option_is(r, v, CONF_MAP))
        return;
    option_mark_replaced(r, v);
    struct mapping_conf *maps = option_take(r, v->list.n, sizeof(*maps));
    for (uint32_t i = 0; maps != NULL && i < v->list.n; i++) {
        const struct conf_value *item = &v->list.items[i];
        if (item->flags & OPTION_REPLACED)
            continue;
        if (memchr(item->key.bytes, '\0', item->key.len) != NULL || !subject_valid((const uint8_t *)item->key.bytes, item->key.len)) {
            option_fail_at(r, v, "Subject %s is not a valid subject", option_quote(&item->key, shown));
            continue;
        }
        maps[n].src = option_copy(r, item->key.bytes, item->key.len);
        if (maps[n].src == NULL || !mapping_read_dests(r, item, &maps[n]))
            continue;
        enum err e = mapping_check(&maps[n], item->type != CONF_STR, why, sizeof(why));
        if (e == ERR_NOMEM)
            r->no_memory = true;
        else if (e != OK)
            option_fail_at(r, item, "%s", why);
        n++;
    }
    if (r->in_unsupported == 0 && maps != NULL) {
        r->o->mappings = maps;
        r->o->n_mappings = n;
    }
}
