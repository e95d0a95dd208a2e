"""The sweep over numbers of workers: throughput of each, and the law that fits."""
