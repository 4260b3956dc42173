"""A simulated cluster gives what one machine gives, whatever is killed; bad input is named."""

import http.server
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

import tfhash
from tfhash import Codes, cli, metrics
from tfhash.distributed import cluster
from tfhash.errors import InputError
from tfhash.studies import runner, study

N, BATCH, SHARD = 8000, 64, 512


def test_without_ray_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'tfhash\[ray\]'"):
        tfhash.distributed.region_counts(tmp_path)


def test_without_ray_the_command_is_one_line(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    command = ["tfhash", "run", "layer_width", f"--save_path={tmp_path}", "--ray=local"]
    assert cli.tfhash(command) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "pip install 'tfhash[ray]'" in line
    assert list(tmp_path.iterdir()) == []


def test_versions_that_differ_are_named():
    ours = {"tfhash": "1.0", "keras": "3.15"}
    cluster.check_versions(ours, {"a": ours, "b": dict(ours)})
    for name, there in (("tfhash", "0.9"), ("keras", "3.5")):
        with pytest.raises(InputError, match=rf"{name} {ours[name]} .*{name} {there} on node b"):
            cluster.check_versions(ours, {"a": ours, "b": ours | {name: there}})
    with pytest.raises(InputError, match="keras none on node b"):
        cluster.check_versions(ours, {"b": {"tfhash": "1.0"}})


@pytest.mark.parametrize("address", ("127.0.0.1:1", "127.0.0.1:99999"))
def test_an_address_that_nobody_answers_at_is_named(address):
    pytest.importorskip("ray")
    with pytest.raises(InputError, match=f"answers at {address}"), cluster.joined(address):
        pass


def test_a_server_that_is_none_of_ray_is_named_at_once():
    pytest.importorskip("ray")
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"127.0.0.1:{server.server_port}"
    try:
        with pytest.raises(InputError, match=f"at {address}.*none of Ray"):
            cluster.joined(address).__enter__()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_address_that_is_none_is_refused():
    pytest.importorskip("ray")
    with pytest.raises(InputError, match=r"such as 10\.0\.0\.1:6379.*Received: nowhere"):
        cluster.joined("nowhere").__enter__()


def test_what_is_no_saved_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"bytes of a \.keras file\. Received: object"):
        tfhash.distributed.encode(object(), np.zeros((3, 5)), tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file"):
        tfhash.distributed.encode(tmp_path / "no.keras", np.zeros((3, 5)), tmp_path)


@pytest.fixture(scope="module")
def nodes():
    """Three Ray nodes on this machine, joined."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_worker_niceness", "0")
    simulated = Cluster()
    for _ in range(3):
        add_node(simulated)
    ray.init(simulated.address, log_to_driver=False)
    yield simulated
    ray.shutdown()
    simulated.shutdown()


def add_node(simulated):
    """Start a node, and again where a busy machine takes longer than the 30 s that Ray waits."""
    for attempt in range(3):
        try:
            simulated.add_node(num_cpus=1, include_dashboard=False)
            return
        except Exception:
            if attempt == 2:
                raise


def kill_workers(node):
    """Kill the workers of a node, whatever they do. Returns whether there were any."""
    raylet = node.all_processes["raylet"][0].process.pid
    found = False
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError, ProcessLookupError):
            name = (entry / "cmdline").read_bytes()
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == raylet and name.startswith(b"ray::") and b"Agent" not in name:
                os.kill(int(entry.name), signal.SIGKILL)
                found = True
    return found


@contextmanager
def meanwhile(*steps):
    """Each step is called again and again until it returns true, then the next, in a thread.

    All must be through when the block ends.
    """
    left, ended = list(steps), threading.Event()

    def work():
        while left and not ended.is_set():
            with suppress(FileNotFoundError):  # what is looked at may be renamed meanwhile
                if left[0]():
                    del left[0]
            time.sleep(0.01)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    assert not left


def lose_a_node(nodes):
    nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
    return True


def killed_driver(code, arguments, when):
    """Run a driver, and kill it as soon as `when()`."""
    driver = subprocess.Popen([sys.executable, *code, *arguments])
    while not when():
        assert driver.poll() is None, "it ended before it was killed"
        time.sleep(0.01)
    driver.kill()
    driver.wait()


DRIVER = """
import sys
from tfhash import distributed
model, inputs, out, address = sys.argv[1:]
distributed.encode(model, inputs, out, batch_size=64, shard_rows=512, address=address)
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A model's file, inputs' file, and the codes that one machine makes of them."""
    import keras

    folder = tmp_path_factory.mktemp("work")
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(40, activation="relu"), keras.layers.Dense(30, activation="relu")]
    model = keras.Sequential([keras.Input((5,)), *layers, keras.layers.Dense(3)])
    model.save(folder / "model.keras")
    x = np.random.default_rng(0).normal(size=(N, 5)).astype(np.float32)
    x[-500:] = x[:500]
    np.save(folder / "x.npy", x)
    return folder, x, tfhash.Encoder(model).encode(x, batch_size=BATCH)


@pytest.fixture(scope="module")
def collection(nodes, work):
    """A collection that three nodes have encoded, while driver, worker and node were killed."""
    folder, _, codes = work
    out = folder / "codes"
    model, inputs = folder / "model.keras", folder / "x.npy"

    def shards():
        return len(list(out.glob("*.codes")))

    arguments = [*map(str, (model, inputs, out)), nodes.address]
    killed_driver(["-c", DRIVER], arguments, lambda: shards() >= 2)
    assert not (out / "manifest.json").exists()
    before = shards()
    with meanwhile(
        lambda: shards() >= before + 2 and kill_workers(nodes.head_node),
        lambda: shards() >= before + 4 and lose_a_node(nodes),
    ):
        found = tfhash.distributed.encode(model, inputs, out, BATCH, SHARD)
    add_node(nodes)
    assert found == codes
    return out


@pytest.mark.full
def test_a_cluster_encodes_as_one_machine_whatever_is_killed(collection, work, tmp_path):
    folder, x, codes = work
    assert Codes.load(collection, mmap=True) == codes
    by_value = tfhash.distributed.encode(
        (folder / "model.keras").read_bytes(), x[:500], tmp_path / "other", batch_size=BATCH
    )
    assert by_value == codes[:500]
    np.save(tmp_path / "x2.npy", x + 1)
    with pytest.raises(ValueError, match=r"\.codes: Expected"):
        tfhash.distributed.encode(
            folder / "model.keras", tmp_path / "x2.npy", collection, BATCH, SHARD
        )


@pytest.mark.full
def test_metrics_of_a_cluster_are_those_of_one_machine_whatever_is_killed(nodes, collection, work):
    codes = work[2]

    def kill_one():
        return kill_workers(nodes.head_node)

    scratch = collection / ".region_counts"
    code = "import sys; from tfhash import distributed; distributed.region_counts(*sys.argv[1:])"
    killed_driver(
        ["-c", code], [str(collection), nodes.address], lambda: list(scratch.glob("*/*.words"))
    )
    with meanwhile(lambda: list(scratch.glob("*/*.words")) and kill_one()):
        assert tfhash.distributed.region_counts(collection) == metrics.count_regions(codes)
    assert not list(collection.glob(".region_counts*"))

    for k in (1, N):
        found = tfhash.distributed.hamming_knn(collection, codes[:50], k)
        for one, other in zip(found, metrics.hamming_knn(codes, codes[:50], k), strict=True):
            np.testing.assert_array_equal(one, other)

    with meanwhile(kill_one):
        graph = tfhash.distributed.knn_graph(collection, 9)
    expected = metrics.knn_graph(codes, 9)
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(graph, name), getattr(expected, name))

    options = {"n_clusters": 5, "n_init": 2, "max_iter": 20, "random_state": 0}
    with meanwhile(kill_one, lambda: lose_a_node(nodes)):
        clusters = tfhash.distributed.kmeans(collection, **options)
    add_node(nodes)
    one = metrics.CodeKMeans(**options).fit(codes)
    np.testing.assert_array_equal(clusters.labels_, one.labels_)
    np.testing.assert_array_equal(clusters.cluster_centers_, one.cluster_centers_)
    assert (clusters.inertia_, clusters.n_iter_) == (one.inertia_, one.n_iter_)


@pytest.mark.full
def test_bad_shards_are_named(nodes, collection):
    path = sorted(collection.glob("*.codes"))[1]
    whole = path.read_bytes()
    data = bytearray(whole)
    data[4100] ^= 1
    path.write_bytes(data)
    for measure in (
        lambda: tfhash.distributed.region_counts(collection),
        lambda: tfhash.distributed.knn_graph(collection, 3),
        lambda: tfhash.distributed.kmeans(collection, 3),
    ):
        with pytest.raises(ValueError, match=rf"{path.name}: Expected"):
            measure()
    assert not list(collection.glob(".region_counts*"))
    path.unlink()
    with pytest.raises(FileNotFoundError, match=path.name):
        tfhash.distributed.region_counts(collection)
    path.write_bytes(whole)


def contents(root):
    """Weights, histories and results of all runs, by file."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.suffix == ".keras":
            found[name] = zipfile.ZipFile(path).read("model.weights.h5")
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


@pytest.mark.full
def test_a_study_on_a_cluster_is_that_of_one_machine_whatever_is_killed(nodes, tmp_path):
    flags = {"dataset": "digits", "widths": (4, 6), "repeat": 4, "epoch": 30}
    asked = study("layer_width")

    def options(path):
        return asked.options(**flags, metrics=("redundancy", "kmeans"), path=path)

    there = tmp_path / "there"

    def in_training():
        return list(there.glob("**/.*.partial"))

    command = ["run", "layer_width", f"--save_path={there}", f"--ray={nodes.address}"]
    command += ["--dataset=digits", "--widths=4,6", "--repeat=4", "--epoch=30"]
    killed_driver(["-m", "tfhash"], [*command, "--metrics=redundancy,kmeans"], in_training)
    started = time.time()

    def at_work():
        return any(path.stat().st_mtime > started for path in in_training())

    with meanwhile(lambda: at_work() and kill_workers(nodes.head_node), lambda: lose_a_node(nodes)):
        tfhash.distributed.run("layer_width", options(there))
    add_node(nodes)
    here = tmp_path / "here"
    runner.run(asked, options(here))
    assert contents(there) == contents(here)
