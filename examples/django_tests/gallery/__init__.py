"""A Django project of three files, whose tests are the point of this example."""
