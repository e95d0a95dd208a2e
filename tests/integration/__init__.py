"""The front end on real sockets: what a client sees, and what is left behind."""
