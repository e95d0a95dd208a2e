"""The load: what clients ask, how they send it, and what they get; a process of its own."""
