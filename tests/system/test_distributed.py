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
from sklearn.exceptions import ConvergenceWarning

import held_tasks
import tfhash
from tfhash import Codes, _store, cli, metrics
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


def test_what_is_no_array_of_inputs_is_refused(tmp_path):
    x = np.zeros((3, 5))
    np.savez(tmp_path / "two.npz", x=x, y=x)
    np.save(tmp_path / "objects.npy", np.array([None]))
    (tmp_path / "text.npy").write_text("1 2 3")
    (tmp_path / "empty.npy").touch()
    refused = {
        "no.npy": (FileNotFoundError, "inputs in .*no.npy. Received: no such file"),
        "two.npz": (ValueError, "one array .*several, in .*two.npz"),
        "objects.npy": (ValueError, "numbers in .*objects.npy. Received"),
        "text.npy": (ValueError, "numbers in .*text.npy. Received"),
        "empty.npy": (ValueError, "numbers in .*empty.npy. Received"),
    }
    for name, (kind, message) in refused.items():
        with pytest.raises(kind, match=message):
            tfhash.distributed.encode(b"", tmp_path / name, tmp_path)
    for inputs, message in (
        ([[1.0]], "Received: list"),
        (np.float32(1), "Received: float32"),
        (np.array(1.0), "a single number"),
        (x[:0], "at least one input"),
    ):
        with pytest.raises(ValueError, match=message):
            tfhash.distributed.encode(b"", inputs, tmp_path)


def test_a_cluster_of_other_versions_of_ray_names_both():
    ray = pytest.importorskip("ray")
    from ray._private.utils import check_version_info

    of_cluster = {"ray_version": "2.0.0", "python_version": "3.8.1"}
    with pytest.raises(RuntimeError) as error:
        check_version_info(of_cluster, "here")
    refused = str(cluster._refused("h:1", error.value))
    assert all(part in refused for part in ("at h:1", "2.0.0", "3.8.1", ray.__version__))
    assert "Install the same versions" in refused


@pytest.fixture(scope="module")
def nodes():
    """Three Ray nodes on this machine, joined."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_worker_niceness", "0")
    # A node that answers no more is lost after five checks, which are 3 s apart by default. How
    # long an answer may take, on a busy machine, is another setting.
    os.environ.setdefault("RAY_health_check_period_ms", "500")
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


def arrays(job, found):
    """What a job finds, as arrays."""
    if job == "knn_graph":
        return found.data, found.indices, found.indptr
    if job == "kmeans":
        names = ("labels_", "cluster_centers_", "inertia_", "n_iter_", "n_features_in_")
        return tuple(getattr(found, name) for name in names)
    return found if isinstance(found, tuple) else (found,)


def alone(job, codes):
    """What one machine finds."""
    if job == "region_counts":
        return metrics.count_regions(codes)
    if job == "hamming_knn":
        return metrics.hamming_knn(codes, codes[: held_tasks.QUERIES], held_tasks.K)
    if job == "knn_graph":
        return metrics.knn_graph(codes, held_tasks.K)
    return metrics.CodeKMeans(**held_tasks.CLUSTERS).fit(codes)


@pytest.mark.full
@pytest.mark.parametrize("job", held_tasks.JOBS)
def test_metrics_are_those_of_one_machine_whatever_is_killed(
    job, nodes, collection, work, tmp_path, monkeypatch
):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    killed_driver(
        [held_tasks.__file__],
        [job, str(collection), nodes.address, str(first)],
        lambda: held_tasks.held(first),
    )
    (first / "go").touch()

    def kill_a_worker():
        for _, process in held_tasks.held(second):
            os.kill(int(process), signal.SIGKILL)
            return True

    def lose_its_node():
        at_work = {node for node, _ in held_tasks.held(second)}
        for node in nodes.worker_nodes:
            if node.node_id in at_work:
                nodes.remove_node(node, allow_graceful=False)
                return True

    def go():
        (second / "go").touch()
        return True

    with monkeypatch.context() as patch, meanwhile(kill_a_worker, lose_its_node, go):
        patch.setattr(cluster, "_on_one_thread", held_tasks.holding(second, held_tasks.FREE[job]))
        found = held_tasks.JOBS[job](collection, None)
    add_node(nodes)
    expected = alone(job, work[2])
    for one, other in zip(arrays(job, found), arrays(job, expected), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not list(collection.glob(".region_counts*"))


@pytest.mark.full
def test_one_neighbor_and_all_of_them(collection, work):
    for k in (1, N):
        found = tfhash.distributed.hamming_knn(collection, work[2][:50], k)
        for one, other in zip(found, metrics.hamming_knn(work[2], work[2][:50], k), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.full
def test_a_warning_is_about_the_line_of_the_user(nodes, tmp_path):
    codes = Codes.from_bits(np.eye(3, dtype=np.uint8)[np.arange(20) % 3])
    codes.save(tmp_path / "0.codes")
    _store.write_manifest(tmp_path, ["0.codes"])
    with pytest.warns(ConvergenceWarning, match="Expected 4 clusters. Found: 3") as warned:
        tfhash.distributed.kmeans(tmp_path, 4, n_init=1, random_state=0)
    assert warned[0].filename == __file__


@pytest.mark.full
def test_a_node_with_another_version_is_refused(nodes, tmp_path):
    # Python runs this file first: the node's tfhash is one that has nothing but a version.
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, types\n"
        "sys.modules['tfhash'] = types.ModuleType('tfhash')\n"
        "sys.modules['tfhash'].__version__ = '0.0.1'\n"
    )
    other = nodes.add_node(num_cpus=1, env_vars={"PYTHONPATH": str(tmp_path)})
    try:
        expected = rf"tfhash {tfhash.__version__} on every node.*tfhash 0\.0\.1 on node .*"
        with pytest.raises(InputError, match=expected + other.node_id[:8]):
            cluster.joined(None).__enter__()
    finally:
        nodes.remove_node(other)


@pytest.mark.full
def test_another_cluster_than_the_one_joined_is_refused(nodes):
    with cluster.joined(nodes.address), cluster.joined("local"):
        pass
    with pytest.raises(InputError, match=rf"cluster 127\.0\.0\.9:1\. .*{nodes.address}"):
        cluster.joined("127.0.0.9:1").__enter__()


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
