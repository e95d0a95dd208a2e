"""Real nginx and the proxy side by side: the same bytes in, the same behaviour out.

    corpus_*.py     cases as data: raw requests, raw replies, and where a difference is intended
    client.py       the raw client          observe.py       what client and backend saw
    fleet.py        nginx, the proxies and the fake backends behind them
    differences.py  the intended differences, each with its reason

nginx is the oracle: what it did, changed by the differences that a case names, is what the proxy
must do. An unnamed difference fails, and so does a named one that is none.
"""
