"""The backends: which there are, which one is next, and one try at one of them."""
