"""Where backends come from while the server runs: a file, DNS, and uWSGI's own announcements."""
