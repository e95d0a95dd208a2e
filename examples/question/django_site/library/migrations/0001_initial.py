"""The tables, and the rows that the pages show."""

from django.db import migrations, models

_AUTHORS, _BOOKS = 10, 40


def fill(apps, schema_editor):
    """Write the same books every time."""
    author, book = apps.get_model("library", "Author"), apps.get_model("library", "Book")
    authors = [author(name=f"Author {at}") for at in range(_AUTHORS)]
    author.objects.bulk_create(authors)
    found = list(author.objects.order_by("id"))
    book.objects.bulk_create(
        book(title=f"Book {at}", year=1950 + at, author=found[at % _AUTHORS])
        for at in range(_BOOKS)
    )


class Migration(migrations.Migration):
    """The first and only one."""

    initial = True
    dependencies = ()
    operations = (
        migrations.CreateModel(
            "Author",
            [
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100)),
            ],
        ),
        migrations.CreateModel(
            "Book",
            [
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("title", models.CharField(max_length=200)),
                ("year", models.IntegerField()),
                (
                    "author",
                    models.ForeignKey("library.Author", models.CASCADE, related_name="books"),
                ),
            ],
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    )
