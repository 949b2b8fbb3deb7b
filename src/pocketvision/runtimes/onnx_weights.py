"""The weights in an ONNX file, read from its bytes: devices have ONNX Runtime, but not the `onnx` package.

Protocol buffers' wire format (protobuf.dev/programming-guides/encoding); the numbers of the fields are those of
`onnx.proto`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

GRAPH, INITIALIZER = 7, 5  # of ModelProto, of GraphProto
KIND, FLOATS, NAME, RAW = 2, 4, 8, 9  # of TensorProto: data_type, float_data, name, raw_data
KINDS = {1: "<f4", 10: "<f2", 11: "<f8"}  # TensorProto.DataType -> NumPy's, of those that may not be finite
FIXED = {1: 8, 5: 4}  # bytes by wire type
LENGTH = 2  # the wire type of what has a length


def initialisers(data: bytes) -> Iterator[tuple[str, NDArray[np.floating]]]:
    """Name and numbers of each floating-point weight of the graph, flat. ValueError where the bytes make no sense."""
    for graph in _messages(memoryview(data), GRAPH):
        for tensor in _messages(graph, INITIALIZER):
            fields = {number: value for number, value in _fields(tensor) if number in (KIND, FLOATS, NAME, RAW)}
            kind = KINDS.get(fields.get(KIND, 0))  # type: ignore[arg-type]
            stored = fields.get(RAW, fields.get(FLOATS))
            if kind and isinstance(stored, memoryview):
                name = bytes(fields.get(NAME, b"")).decode("utf-8", "replace")
                yield name, np.frombuffer(stored, kind, len(stored) // np.dtype(kind).itemsize)


def _messages(data: memoryview, wanted: int) -> Iterator[memoryview]:
    return (value for number, value in _fields(data) if number == wanted and isinstance(value, memoryview))


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The number of each field, and its bytes or its integer."""
    place = 0
    while place < len(data):
        key, place = _integer(data, place)
        value: int | memoryview
        if key & 7 == 0:
            value, place = _integer(data, place)
        else:
            length = FIXED.get(key & 7, -1)
            if key & 7 == LENGTH:
                length, place = _integer(data, place)
            if not 0 <= length <= len(data) - place:
                raise ValueError(f"a field of {length} bytes at byte {place}")
            value, place = data[place : place + length], place + length
        yield key >> 3, value


def _integer(data: memoryview, place: int) -> tuple[int, int]:
    """A variable-length integer, and where the next field begins."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            break
        byte = data[place]
        value, place = value | (byte & 127) << shift, place + 1
        if byte < 128:
            return value, place
    raise ValueError(f"no integer ends at byte {place}")
