"""Sources that build the settings tree: the command line and the environment.

`options` holds the one table that everything here is made from. `argv` and `env` read, `sources`
merges, `check` judges, `show` and `docs` write. Nothing here serves, binds or connects.
"""
