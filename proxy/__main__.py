"""`python -m proxy`, and the console script `uwsgi-frontend`."""

from proxy.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
