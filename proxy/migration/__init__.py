"""From a configuration of nginx to options of this program, and what is left behind.

`tree` reads the file, `places` finds where requests are passed on, `pool` and `directives` know
what becomes of each directive, `translate` puts it together, `command` prints it.
"""
