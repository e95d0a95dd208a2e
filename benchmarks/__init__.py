"""The measuring bench: this proxy and nginx in front of the same uWSGI, driven in turn.

`python -m benchmarks --help` says how to run it; docs/benchmarks.md is what the last full run
wrote. Nothing in `proxy` or `protocol` imports this package. Of them it imports `proxy.lab` alone,
which starts and drives programs: it sees the proxy as its users do, as a process with a port.
"""
