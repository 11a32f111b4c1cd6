"""Where alerts come from: any number of files, folders, archives or standard input, as typed chunks."""

from vedette.connect.read import Reader, read

__all__ = ["Reader", "read"]
