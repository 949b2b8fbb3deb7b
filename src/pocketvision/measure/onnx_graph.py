"""The graph in an ONNX file, read by protobuf alone, which ONNX Runtime brings: a device need not have `onnx`.

Declared are the few fields that tell what a node does and where it stands, with the numbers of onnx.proto; protobuf
passes over the others.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# message: {field: (number, type, repeated)}
FIELDS: dict[str, dict[str, tuple[int, str, bool]]] = {
    "ModelProto": {"graph": (7, "GraphProto", False)},
    "GraphProto": {"node": (1, "NodeProto", True), "initializer": (5, "TensorProto", True)},
    "NodeProto": {
        "input": (1, "string", True),
        "output": (2, "string", True),
        "name": (3, "string", False),
        "op_type": (4, "string", False),
        "attribute": (5, "AttributeProto", True),
    },
    "AttributeProto": {"name": (1, "string", False), "i": (3, "int64", False), "ints": (8, "int64", True)},
    "TensorProto": {"dims": (1, "int64", True), "name": (8, "string", False)},
}
PACKAGE = "pocketvision.onnx"  # in a pool of its own: beside the `onnx` package, too


def read_graph(path: str | Path) -> Any:
    """The GraphProto of an ONNX file, of the fields above."""
    model = _model_class()()
    model.ParseFromString(Path(path).read_bytes())
    return model.graph


@lru_cache(maxsize=1)
def _model_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="pocketvision_onnx.proto", package=PACKAGE, syntax="proto2")
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        for field, (number, kind, repeated) in fields.items():
            added = message.field.add(name=field, number=number)
            added.label = added.LABEL_REPEATED if repeated else added.LABEL_OPTIONAL
            if kind in FIELDS:
                added.type, added.type_name = added.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
            else:
                added.type = added.TYPE_STRING if kind == "string" else added.TYPE_INT64
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.ModelProto"))
