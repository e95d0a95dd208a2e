"""The proxy as a process: how it starts, what it says, how it ends."""
