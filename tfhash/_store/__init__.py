"""The files that codes are kept in."""

from tfhash._store.checks import check_padding
from tfhash._store.file import StoredCodes, read, read_source, write
from tfhash._store.growing import GrowingStore
from tfhash._store.manifest import MANIFEST, read_manifest, write_manifest
from tfhash._store.shards import StoredShards, read_shards, rows_per_page

__all__ = [
    "MANIFEST",
    "GrowingStore",
    "StoredCodes",
    "StoredShards",
    "check_padding",
    "read",
    "read_manifest",
    "read_shards",
    "read_source",
    "rows_per_page",
    "write",
    "write_manifest",
]
