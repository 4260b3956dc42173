"""The backend that Keras will have, told from its file without loading it."""

import sys

import pytest

from tfhash import machine


@pytest.mark.parametrize(
    "content, name",
    (
        ('{"backend": "jax"}', "jax"),
        ('{"backend": null}', "tensorflow"),
        ("{}", "tensorflow"),
        ("[]", "tensorflow"),
        ('"torch"', "tensorflow"),
        ("{", "tensorflow"),
    ),
)
def test_the_backend_is_what_the_users_file_names(tmp_path, monkeypatch, content, name):
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert machine.backend_name() == "tensorflow"  # there is no file
    (tmp_path / "keras.json").write_text(content)
    assert machine.backend_name() == name
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert machine.backend_name() == "torch"
