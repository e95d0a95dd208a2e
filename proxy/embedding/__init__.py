"""The front end inside somebody else's program: in an event loop, or in a thread beside one.

It owns nothing of the process: no signal handler, no logging, no event loop policy, nothing that
outlives `stop`.
"""
