"""Several processes that serve together (`--workers`): a supervisor, and workers forked by it.

                    ┌─► worker 1 ─┐        accept from the same listening sockets
supervisor ─channel─┼─► worker 2 ─┼─► ...  each is a whole `proxy.server`
     │              └─► worker N ─┘
     └── admin listener: asks all workers, answers for them together

The supervisor serves no traffic. It binds, forks, watches, forks again, and passes on: signals,
questions of the admin endpoints, announcements of backends. See docs/decisions/0015.
"""
