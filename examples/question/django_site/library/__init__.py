"""A small Django project with a database: books, and who has borrowed them."""
