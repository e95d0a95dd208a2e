"""The lab: the same application behind uWSGI alone, nginx, gunicorn and this proxy, compared.

A side room: nothing on the road of a request imports it. docs/lab.md describes the method.
"""
