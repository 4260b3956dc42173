"""Pickles of plain data, read without running anything that they ask for.

A pickle is a program. Python's own unpickler runs whatever it names; even with a list of allowed
names, a small file can keep it busy for ever (dictionary keys made of tuples of tuples, whose hash
takes exponential time) or make it take all memory. So the few instructions that data need are
carried out here, on dictionaries with plain keys, lists, tuples, strings, whole numbers and arrays
of integers; none of the file's bytes are handed to NumPy's own unpickling.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any

import numpy as np

# Most instructions: a batch of 10,000 images has some 40,000 (labels, names of files).
MOST_STEPS = 1_000_000


class Refused(ValueError):
    """The pickle asks for something that plain data do not need."""


class PickledArray:
    """Stands in for `numpy.ndarray` in a pickle; `value` is the array, once its state is set."""

    value: np.ndarray | None = None

    def set_state(self, state: Any) -> None:
        """Take the version, shape, type, order and bytes that NumPy wrote."""
        _, shape, dtype, fortran_order, data = _tuple(state, 5)
        self.value = _array(data, dtype, shape, "F" if fortran_order is True else "C")


class _Dtype:
    """Stands in for `numpy.dtype`: little-endian or single-byte integers only."""

    def __init__(self, name: Any) -> None:
        name = name.decode("latin-1") if isinstance(name, bytes) else name
        if name not in ("u1", "i1", "i4", "i8"):
            raise Refused(f"an array of type {_short(name)}")
        self.name = name

    def set_state(self, state: Any) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        if order not in ("<", "|", b"<", b"|"):
            raise Refused(f"an array of byte order {_short(order)}")


def loads(content: bytes) -> Any:
    """The value that `content` pickles. 8-bit strings of Python 2 come as bytes.

    Raises
    ------
    Refused
        It asks for something else than plain data.
    Exception
        It is damaged: whatever decoding it raised.
    """
    return _Machine().run(content)


class _Machine:
    """The stack, the marks in it and the memo of a pickle that is being read."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self, content: bytes) -> Any:
        for step, (code, argument, _) in enumerate(pickletools.genops(content)):
            if step >= MOST_STEPS:
                raise Refused(f"a pickle of more than {MOST_STEPS:,} instructions")
            if code.name == "STOP":
                return self.stack.pop()
            self.step(code.name, argument)
        raise ValueError("the pickle has no end")

    def step(self, name: str, argument: Any) -> None:
        """Carry out one instruction."""
        stack = self.stack
        match name:
            case "PROTO" | "FRAME":
                pass
            case "MARK":
                self.marks.append(len(stack))
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(name == "NEWTRUE")
            case "INT" | "BININT" | "BININT1" | "BININT2" | "LONG" | "LONG1":
                stack.append(argument)
            case "STRING" | "BINSTRING" | "SHORT_BINSTRING":
                stack.append(argument.encode("latin-1"))
            case "UNICODE" | "BINUNICODE" | "SHORT_BINUNICODE":
                stack.append(argument)
            case "BINBYTES" | "SHORT_BINBYTES" | "BINBYTES8" | "BYTEARRAY8":
                stack.append(bytes(argument))
            case "EMPTY_LIST":
                stack.append([])
            case "LIST":
                stack.append(self.since_mark())
            case "APPEND":
                value = stack.pop()
                self.top(list).append(value)
            case "APPENDS":
                values = self.since_mark()
                self.top(list).extend(values)
            case "EMPTY_DICT":
                stack.append({})
            case "DICT":
                pairs = self.since_mark()
                stack.append({})
                self.set_items(pairs)
            case "SETITEM":
                pair = [stack.pop(), stack.pop()][::-1]
                self.set_items(pair)
            case "SETITEMS":
                self.set_items(self.since_mark())
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE":
                stack.append(tuple(self.since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                n = int(name[-1])
                stack[-n:] = [tuple(stack[-n:])]
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "GLOBAL":
                stack.append(_known(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                attribute, module = stack.pop(), stack.pop()
                stack.append(_known(module, attribute))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                if not isinstance(function, _Function) or not isinstance(arguments, tuple):
                    raise Refused(f"a call of {_short(function)}")
                stack.append(function.call(*arguments))
            case "BUILD":
                state = stack.pop()
                if not isinstance(stack[-1], PickledArray | _Dtype):
                    raise Refused(f"a state for {_short(stack[-1])}")
                stack[-1].set_state(state)
            case _:
                raise Refused(f"the instruction {name}, which plain data do not need")

    def since_mark(self) -> list[Any]:
        """Take what lies on the stack above the last mark."""
        mark = self.marks.pop()
        values = self.stack[mark:]
        del self.stack[mark:]
        return values

    def top(self, kind: type) -> Any:
        if not isinstance(self.stack[-1], kind):
            raise Refused(f"{_short(self.stack[-1])} in place of a {kind.__name__}")
        return self.stack[-1]

    def set_items(self, pairs: list[Any]) -> None:
        into = self.top(dict)
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if not isinstance(key, str | bytes):
                raise Refused(f"{_short(key)} as the key of a dictionary")
            into[key] = value


class _Function:
    """A function that a pickle may call."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call


def _array(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes):
        raise Refused("an array that does not consist of plain bytes")
    if not isinstance(shape, tuple) or not all(isinstance(size, int) for size in shape):
        raise Refused(f"an array of shape {_short(shape)}")
    return np.frombuffer(data, dtype=f"<{dtype.name}").reshape(
        shape, order="F" if order == "F" else "C"
    )


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any, *_: Any) -> PickledArray:
    array = PickledArray()
    array.value = _array(data, dtype, shape, order)
    return array


def _scalar(dtype: Any, data: Any) -> int:
    return int(_array(data, dtype, (), "C"))


def _encode(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
        raise Refused("a call of _codecs.encode on something other than bytes")
    return text.encode("latin-1")


def _tuple(value: Any, length: int) -> tuple[Any, ...]:
    if not isinstance(value, tuple) or len(value) != length:
        raise Refused(f"a state of {_short(value)}")
    return value


def _short(value: Any) -> str:
    """A value as a message shows it. Those made of others may be without end."""
    return repr(value[:40]) if isinstance(value, str | bytes) else f"a {type(value).__name__}"


# What batches need, under the names that Python 2, NumPy 1 and NumPy 2 wrote.
_FUNCTIONS = {
    ("numpy", "dtype"): _Function(lambda name, *_: _Dtype(name)),
    ("numpy", "ndarray"): _Function(lambda *_: PickledArray()),
    # How Python 3 writes bytes in the protocols that Python 2 could read.
    ("_codecs", "encode"): _Function(_encode),
}
for _core in ("numpy.core", "numpy._core"):
    _FUNCTIONS[(f"{_core}.multiarray", "_reconstruct")] = _Function(lambda *_: PickledArray())
    _FUNCTIONS[(f"{_core}.multiarray", "scalar")] = _Function(_scalar)
    _FUNCTIONS[(f"{_core}.numeric", "_frombuffer")] = _Function(_from_buffer)


def _known(module: Any, name: Any) -> _Function:
    if not isinstance(module, str) or not isinstance(name, str):
        raise Refused("a function whose name is no text")
    try:
        return _FUNCTIONS[(module, name)]
    except KeyError:
        raise Refused(f"a pickle that calls {module[:40]}.{name[:40]}") from None
