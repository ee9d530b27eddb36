/* Lame duck mode, as main sees it: tell, wait, close, stop. The shards' part is core/net/lame_duck.h.
 *
 *     OFF --SIGUSR2--> INFORM --all shards have told--> GRACE --grace period over--> CLOSE --all closed--> stop
 *                                                         +------ no client left -------+-------------------^
 */
#include "core/net/lame_duck.h"
#include "core/rt/log.h"
#include "core/server/notify.h"
#include "core/server/server_priv.h"

void
server_ldm_enter(struct server *s)
{
    if (s->ldm.state != SERVER_LDM_OFF)
        return;
    log_inf("Entering lame duck mode, stop accepting new clients");
    notify_stopping();
    s->ldm.state = SERVER_LDM_INFORM;
    net_lame_duck_start(s->shards);
}

int64_t
server_ldm_deadline(const struct server *s)
{
    return s->ldm.state == SERVER_LDM_GRACE ? s->ldm.deadline_ns : INT64_MAX;
}

bool
server_ldm_step(struct server *s)
{
    const struct options *o = &s->cfg->opts;

    if (s->ldm.state == SERVER_LDM_INFORM && net_lame_duck_informed(&s->net_set, s->shards->n_shards)) {
        s->ldm.state = SERVER_LDM_GRACE;
        s->ldm.deadline_ns = signals_now_ns() + o->lame_duck_grace_ns;
    }
    if (s->ldm.state != SERVER_LDM_OFF && net_lame_duck_done(&s->net_set, s->shards->n_shards))
        return true;
    if (s->ldm.state == SERVER_LDM_GRACE && signals_now_ns() >= s->ldm.deadline_ns) {
        s->ldm.state = SERVER_LDM_CLOSE;
        log_inf("Closing existing clients");
        net_lame_duck_close(s->shards, &s->net_set, o->lame_duck_duration_ns - o->lame_duck_grace_ns);
    }
    return false;
}
