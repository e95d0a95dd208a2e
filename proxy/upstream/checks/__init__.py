"""Active checks: asking backends how they are, beside the traffic and never in its way.

    Checks ──► Scheduler     when is which backend due for which check (pure)
      │  └───► Standing      what the answers of a round make of it (pure; one rise/fall counter)
      ▼
    probe ───► Check         connect, ping, http, stats: one question, one finding
                 └──► Talk   its connection, over the same Network and Channel as the traffic's

A check takes no lease and no place in the waiting line; at most `max_running` run at a time.
"""
