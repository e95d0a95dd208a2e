"""`python -m proxy`, and the console script `uwsgi-frontend`."""


def main() -> int:
    """Run the command and return its exit code; Ctrl-C while it is being imported is no bug."""
    try:
        from proxy.cli import main as run

        return run()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
