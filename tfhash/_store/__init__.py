"""The files that codes are kept in."""

from tfhash._store.file import StoredCodes, read, read_source, write
from tfhash._store.growing import GrowingStore

__all__ = ["GrowingStore", "StoredCodes", "read", "read_source", "write"]
