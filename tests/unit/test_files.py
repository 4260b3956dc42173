"""Writing files: whole or not at all, with the mode and the links that were there."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tfhash.files import FileLock, open_regular, replacing, write_json, write_text

posix = pytest.mark.skipif(os.name == "nt", reason="modes, links and signals of POSIX")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_when_the_block_ends_and_not_before(tmp_path):
    path = tmp_path / "x"
    write_text(path, "old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    with pytest.raises(KeyError), replacing(path) as file:
        file.write(b"newer")
        raise KeyError
    assert path.read_bytes() == b"new"
    write_json(str(path), {"a": [1]})
    assert path.read_text() == '{\n  "a": [\n    1\n  ]\n}\n'
    assert names(tmp_path) == ["x"]


@posix
@pytest.mark.parametrize("mask, expected", ((0o022, 0o644), (0o077, 0o600), (0o000, 0o666)))
def test_a_new_file_has_what_umask_leaves_and_an_old_one_keeps_its_mode(mask, expected, tmp_path):
    before = os.umask(mask)
    try:
        write_text(tmp_path / "new", "")
        assert mode(tmp_path / "new") == expected
        for kept in (0o600, 0o644, 0o666, 0o444, 0o755):
            path = tmp_path / f"{kept:o}"
            path.write_text("old")
            path.chmod(kept)
            write_text(path, "new")
            assert (path.read_text(), mode(path)) == ("new", kept)
    finally:
        os.umask(before)


@posix
def test_no_other_thread_sees_another_umask(tmp_path, monkeypatch):
    monkeypatch.setattr("os.umask", lambda mask: pytest.fail("the process's umask was changed"))
    write_text(tmp_path / "x", "")


@posix
def test_nobody_else_can_open_a_private_file_while_it_is_written(tmp_path):
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o600)
    with replacing(path):
        (temporary,) = (p for p in tmp_path.iterdir() if p != path)
        assert mode(temporary) == 0o600


@posix
def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path):
    (tmp_path / "far").mkdir()
    target = tmp_path / "far" / "target"
    (tmp_path / "link").symlink_to("far/target")
    (tmp_path / "link2").symlink_to("link")
    for text in ("made", "replaced"):
        write_text(tmp_path / "link2", text)
        assert target.read_text() == text
        assert (tmp_path / "link2").is_symlink() and (tmp_path / "link").is_symlink()
    assert (names(tmp_path), names(tmp_path / "far")) == (["far", "link", "link2"], ["target"])
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(OSError) as raised:
        write_text(tmp_path / "round", "")
    assert raised.value.errno == errno.ELOOP
    (tmp_path / "nowhere").symlink_to("no_folder/file")
    with pytest.raises(FileNotFoundError, match="no_folder"):
        write_text(tmp_path / "nowhere", "")


@posix
def test_what_is_no_regular_file_is_refused_and_left(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "null").symlink_to("/dev/null")
    for name, kind in (("fifo", "FIFO"), ("folder", "folder"), ("null", "device")):
        with pytest.raises(OSError, match=rf"Received: a {kind}.*{name}"):
            write_text(tmp_path / name, "text")
        for access in ("rb", "r+b", "ab"):
            with pytest.raises(OSError, match=rf"folder|{kind}.*{name}"):
                open_regular(tmp_path / name, access)
    assert names(tmp_path) == ["fifo", "folder", "null"]
    assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)


@posix
def test_a_link_in_the_place_of_an_own_file_is_refused(tmp_path):
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "own").symlink_to("victim")
    for access in ("rb", "r+b", "w+b", "ab"):
        with pytest.raises(OSError, match=r"symbolic link; remove it.*own"):
            open_regular(tmp_path / "own", access, follow=False)
    with pytest.raises(OSError, match="symbolic link"):
        FileLock(tmp_path / "own").acquire()
    assert (tmp_path / "victim").read_text() == "mine"
    with open_regular(tmp_path / "own", "rb") as file:
        assert file.read() == b"mine"


def test_folders_that_are_not_there_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"folder to write 'x' in.*no_folder'"):
        write_text(tmp_path / "no_folder" / "x", "")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        write_text(tmp_path / "file" / "x", "")


def test_long_names_are_written(tmp_path):
    for name in ("n" * 255, "ö" * 127):
        write_text(tmp_path / name, name)
        assert (tmp_path / name).read_text(encoding="utf-8") == name
    assert len(names(tmp_path)) == 2


WRITER = """
import sys, signal
from pathlib import Path
from tfhash.files import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    if sys.argv[2] == "die":
        signal.raise_signal(signal.SIGKILL)
    print("writing", flush=True)
    sys.stdin.read()
"""


@posix
def test_what_killed_writers_left_is_removed_and_what_living_ones_write_is_not(tmp_path):
    path, command = tmp_path / "x", [sys.executable, "-c", WRITER, str(tmp_path / "x")]
    here = Path(__file__).parents[1]
    for _ in range(2):
        assert subprocess.run([*command, "die"], cwd=here).returncode == -signal.SIGKILL
    (dead,) = names(tmp_path)  # the second writer has removed what the first one left
    for other in (".x.notes.tmp", ".x.0123abcd.tmp2", ".y.0123abcd.tmp"):
        (tmp_path / other).write_text("a user's")
    with subprocess.Popen(
        [*command, "live"], cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as living:
        assert living.stdin is not None and living.stdout is not None
        assert living.stdout.readline() == b"writing\n"
        write_text(path, "ours")
        assert dead not in names(tmp_path)
        assert len(names(tmp_path)) == 5  # ours, the users' three, and the one that is written
        living.stdin.close()
    assert living.returncode == 0
    assert path.read_bytes() == b"half"  # who ends last wins
    assert names(tmp_path) == [".x.0123abcd.tmp2", ".x.notes.tmp", ".y.0123abcd.tmp", "x"]


def test_many_threads_write_one_file(tmp_path):
    path, errors = tmp_path / "x", []

    def write(which):
        try:
            for _ in range(30):
                write_text(path, str(which) * 10_000)
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if path.exists():
            text = path.read_text()
            assert len(text) == 10_000 and len(set(text)) == 1
    for thread in threads:
        thread.join()
    assert not errors
    assert names(tmp_path) == ["x"]


@posix
def test_a_full_disk_is_named_and_leaves_the_old_file(tmp_path):
    import resource

    path = tmp_path / "x"
    write_text(path, "old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="x'"):
            write_text(path, "new" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x"]


def test_a_lock_is_held_by_one(tmp_path):
    one, other = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert one.acquire()
    assert not other.acquire()
    one.release()
    assert other.acquire()
    other.release()


def test_a_figure_that_cannot_be_drawn_leaves_the_old_one(tmp_path, monkeypatch):
    figure_module = pytest.importorskip("matplotlib.figure")
    from tfhash import figures

    figure = figure_module.Figure(figsize=(1, 1))
    files = figures.save(figure, tmp_path / "figure.of.x=1")
    assert [path.name for path in files] == ["figure.of.x=1.png", "figure.of.x=1.svg"]
    before = [path.read_bytes() for path in files]
    assert before[0].startswith(b"\x89PNG") and b"<svg" in before[1]

    def torn(figure, file, **_):
        file.write(b"half a figure")
        raise KeyboardInterrupt

    monkeypatch.setattr(figure_module.Figure, "savefig", torn)
    with pytest.raises(KeyboardInterrupt):
        figures.save(figure, tmp_path / "figure.of.x=1")
    assert [path.read_bytes() for path in files] == before
    assert names(tmp_path) == ["figure.of.x=1.png", "figure.of.x=1.svg"]
