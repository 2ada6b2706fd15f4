/* recovery_progress.c - share, rate and remaining time of a start.
 *
 * Guarantees: no division by zero, no share above 1, whatever the figures are: each is read for
 * itself while the recovery goes on. It must not know where they are shown.
 */
#include "recovery_progress.h"

enum { MS_A_SECOND = 1000 };

static const double bytes_a_mebibyte = 1024.0 * 1024.0;

void recovery_progress_of(const struct ledger_progress *figures, struct recovery_progress *progress)
{
    *progress = (struct recovery_progress){0};
    if (figures->bytes_total == 0)
        return;
    progress->share = (double)figures->bytes_done / (double)figures->bytes_total;
    if (progress->share > 1)
        progress->share = 1;
    if (figures->bytes_done == 0 || figures->elapsed_ms == 0)
        return;
    double bytes_per_ms = (double)figures->bytes_done / (double)figures->elapsed_ms;
    progress->mib_per_second = bytes_per_ms * MS_A_SECOND / bytes_a_mebibyte;
    uint64_t bytes_left =
        figures->bytes_done < figures->bytes_total ? figures->bytes_total - figures->bytes_done : 0;
    double ms_left = (double)bytes_left / bytes_per_ms;
    progress->seconds_are_known = true;
    progress->seconds_left = ((uint64_t)ms_left + MS_A_SECOND - 1) / MS_A_SECOND;
}
