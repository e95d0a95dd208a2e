"""What docs/benchmarks.md says in words about contests: who competes, how, and what was left out.

Pure text; `page` puts it between the tables. No number here that was measured.
"""

from benchmarks.contests import CONTESTS, MIXED, OVERLOAD, REQUEST_TIMEOUT_S
from benchmarks.results import WorkloadResult

METHOD = f"""\
- *Overload* and *Slow requests among quick ones*: every contestant is started anew for every round
  with uWSGI instances of its own (`benchmarks/sleeper.py`), makes 20 requests that are thrown away,
  and is alone on the machine; the order turns round by round. The load comes from
  `benchmarks/loops.py`, a process of its own, over keep-alive connections.
- *Overload* is a closed loop: {OVERLOAD.clients} clients that send the next request when they have
  the answer to the one before; after a 502 or 503 at once. *2xx/s* are good answers within the
  measured time; *of ceiling* is that number divided by the one of `ceiling` in the same round.
  Requests still running at the end of that time are waited for, and their latency and their fate
  are counted, so that nothing hides behind the end.
- *Slow requests among quick ones* is an open loop: {MIXED.rate:g} requests/s on average, 70 % of
  what four workers can do, independent of each other (exponential gaps). Which request comes when
  and which is slow is drawn from a seed, the number of the round, the same for all contestants.
  Latency counts from the intended moment of sending. Of every 20 requests in a row one is slow.
  *quick* are the percentiles of the quick requests alone: what they wait, they wait for others.
- *failed %* counts every outcome but 2xx: other statuses, resets, refused connections, and answers
  that took longer than {REQUEST_TIMEOUT_S:g} s. Latencies are those of the 2xx, percentiles exact
  (nearest rank). *front end cores* is the CPU time of the front end divided by the time it ran."""

UNMEASURED = """\
- *Overload*: how many per cent fail depends on how impatient the clients are; here a failed one
  asks again at once, which makes more failures. Clients that give up, that back off, or that come
  anew instead of again were not measured; nor was nginx with `limit_conn`, or with the queue of its
  commercial edition.
- *Slow requests among quick ones*: one load, 70 %, and one mix. At low load all contestants are
  alike. The applications sleep; ones that compute would compete with the front end for the cores.
  nginx has one worker process: with several and no `zone`, each of them would see only its own
  requests, and `least_conn` would choose worse than here.
- Neither has workers that crash, reload or hang, large bodies, or backends over TCP."""

_READING = {
    "overload": """\
No front end makes workers faster: what it can do is to keep them busy, lose nobody meanwhile, and
be fair. Everybody who is not refused waits: with all clients in line, clients divided by 2xx/s is
the time that each answer takes. The latencies of a contestant that refuses most requests are those
of the few that got into the listen queue. `nginx-long-queue` loses nobody either: who may raise
uWSGI's `--listen` (and `somaxconn`) above the number of requests that ever wait has a line in the
kernel. uWSGI does not report it on a unix socket, and works off what clients have given up.""",
    "mixed": """\
A front end that gives a request to an instance before that has a free worker makes it wait behind
whatever that instance is doing. With a line of its own before single-worker instances it does not
choose until a worker is free; one instance with several workers gets the same from the listen
queue that these share. Five per cent of the requests are slow, so p95 of all requests lies just
between the two kinds and says little; read p50, p99 and the quick ones.""",
}


def contestants(result: WorkloadResult) -> str:
    """Return a list of those who competed, with the load."""
    contest = next(each for each in CONTESTS if each.kind == result.kind)
    present = {*result.variants, *result.failed}
    lines = [f"{result.title[0].upper()}{result.title[1:]}: {result.detail}.", ""]
    lines += [
        f"- `{each.name}`: {each.text}" for each in contest.contestants if each.name in present
    ]
    return "\n".join(lines)


def reading(kind: str) -> str:
    """Return how to read the table of a kind."""
    return _READING[kind]
