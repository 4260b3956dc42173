"""A simulated cluster gives what one machine gives, whatever is killed; bad input is named."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import tfhash
from tfhash import Codes, metrics
from tfhash.distributed import cluster
from tfhash.errors import InputError

N, BATCH = 2560, 64


def test_without_ray_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'tfhash\[ray\]'"):
        tfhash.distributed.region_counts(tmp_path)


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


def test_an_address_that_is_none_is_refused():
    pytest.importorskip("ray")
    with pytest.raises(InputError, match=r"such as 10\.0\.0\.1:6379.*Received: nowhere"):
        cluster.joined("nowhere").__enter__()


@pytest.fixture(scope="module")
def nodes():
    """Three Ray nodes on this machine, joined."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    # A busy machine may take long to start a node.
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "200")
    os.environ.setdefault("RAY_worker_niceness", "0")
    simulated = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    for _ in range(2):
        simulated.add_node(num_cpus=1)
    ray.init(simulated.address, log_to_driver=False)
    yield simulated
    ray.shutdown()
    simulated.shutdown()


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


def encode(work, out, **options):
    folder = work[0]
    return tfhash.distributed.encode(
        folder / "model.keras", folder / "x.npy", out, batch_size=BATCH, shard_rows=512, **options
    )


@pytest.mark.full
def test_a_cluster_gives_what_one_machine_gives(nodes, work, tmp_path):
    folder, x, codes = work
    out = tmp_path / "codes"
    found = encode(work, out)
    assert found == codes == Codes.load(out, mmap=True)
    assert len(list(out.glob("*.codes"))) > 2
    assert encode(work, out) == codes  # all there
    by_value = tfhash.distributed.encode(
        (folder / "model.keras").read_bytes(), x, tmp_path / "other", batch_size=BATCH
    )
    assert by_value == codes

    assert tfhash.distributed.region_counts(out) == metrics.count_regions(codes)
    assert not list(out.glob(".region_counts*"))
    for k in (1, 7, N):
        near = tfhash.distributed.hamming_knn(out, codes[:50], k)
        for one, other in zip(near, metrics.hamming_knn(codes, codes[:50], k), strict=True):
            np.testing.assert_array_equal(one, other)
    graph, expected = tfhash.distributed.knn_graph(out, 9), metrics.knn_graph(codes, 9)
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(graph, name), getattr(expected, name))


@pytest.mark.full
def test_a_worker_that_is_killed_is_replaced(nodes, work, tmp_path):
    out = tmp_path / "codes"
    killed: list[str] = []

    def kill():
        while not killed and not (out / "manifest.json").exists():
            if list(out.glob(".*.partial")) or list(out.glob("*.codes")):
                children = os.popen("pgrep -f ray::_ShardEncoder").read().split()
                for pid in children[:1]:
                    os.kill(int(pid), signal.SIGKILL)
                    killed.append(pid)
            time.sleep(0.002)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        assert encode(work, out) == work[2]
    finally:
        thread.join()
    assert killed


@pytest.mark.full
def test_bad_shards_and_inputs_are_named(nodes, work, tmp_path):
    folder, x, _ = work
    out = tmp_path / "codes"
    encode(work, out)
    np.save(folder / "x2.npy", x + 1)
    with pytest.raises(ValueError, match=r"\.codes: Expected"):
        tfhash.distributed.encode(
            folder / "model.keras", folder / "x2.npy", out, batch_size=BATCH, shard_rows=512
        )
    path = sorted(out.glob("*.codes"))[1]
    data = bytearray(path.read_bytes())
    data[4100] ^= 1
    path.write_bytes(data)
    for measure in (
        lambda: tfhash.distributed.region_counts(out),
        lambda: tfhash.distributed.knn_graph(out, 3),
    ):
        with pytest.raises(ValueError, match=rf"{path.name}: Expected"):
            measure()
    assert not list(out.glob(".region_counts*"))
    path.unlink()
    with pytest.raises(FileNotFoundError, match=path.name):
        tfhash.distributed.region_counts(out)


def test_what_is_no_saved_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"bytes of a \.keras file\. Received: object"):
        tfhash.distributed.encode(object(), np.zeros((3, 5)), tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file"):
        tfhash.distributed.encode(tmp_path / "no.keras", np.zeros((3, 5)), tmp_path)


DRIVER = """
import sys
import tfhash
from tfhash import distributed
model, inputs, out, address = sys.argv[1:]
distributed.encode(model, inputs, out, batch_size=64, shard_rows=512, address=address)
"""


@pytest.mark.full
def test_after_the_driver_was_killed_the_same_call_goes_on(nodes, work, tmp_path):
    folder, out = work[0], tmp_path / "codes"
    files = [str(folder / "model.keras"), str(folder / "x.npy"), str(out), nodes.address]
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, *files])
    while not list(out.glob("*.codes")) and driver.poll() is None:
        time.sleep(0.01)
    driver.kill()
    driver.wait()
    assert encode(work, out) == work[2]
