"""Folders, as tests look at them."""


def contents(folder):
    """What is in each file of a folder and its subfolders."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
