"""The families by name: one line for each table of the papers."""

from __future__ import annotations

from pocketvision.models import (
    mnasnet,
    mobilenet_v1,
    mobilenet_v2,
    mobilenet_v3,
    resnet,
    shufflenet_v1,
    shufflenet_v2,
    squeezenet,
    xception,
)
from pocketvision.models.family import Dial, Family
from pocketvision.validation import DIALS

V1, V2, V3 = mobilenet_v1, mobilenet_v2, mobilenet_v3
BYPASS = Dial("bypass", DIALS["bypass"], squeezenet.with_bypass)
GROUPS = Dial("groups", DIALS["groups"], shufflenet_v1.with_groups, "g")

# fmt: off
MODELS: dict[str, Family] = {
    "mobilenet_v1": Family(V1.TRUNK, V1.HEAD, V1.CONVENTIONS),
    "mobilenet_v1_full": Family(V1.FULL, V1.HEAD, V1.CONVENTIONS),
    "mobilenet_v1_shallow": Family(V1.SHALLOW, V1.HEAD, V1.CONVENTIONS),
    "mobilenet_v2": Family(V2.TRUNK, V2.HEAD, V2.CONVENTIONS, V2.widen),
    "mobilenet_v3_large": Family(V3.LARGE, V3.LARGE_HEAD, V3.CONVENTIONS),
    "mobilenet_v3_small": Family(V3.SMALL, V3.SMALL_HEAD, V3.CONVENTIONS),
    "mobilenet_v3_large_minimalistic": Family(
        V3.minimalistic(V3.LARGE), V3.LARGE_MINIMALISTIC_HEAD, V3.CONVENTIONS),
    "mobilenet_v3_small_minimalistic": Family(
        V3.minimalistic(V3.SMALL), V3.SMALL_MINIMALISTIC_HEAD, V3.CONVENTIONS),
    "mnasnet_a1": Family(mnasnet.A1, mnasnet.HEAD, mnasnet.CONVENTIONS, mnasnet.widen),
    "mnasnet_b1": Family(mnasnet.B1, mnasnet.HEAD, mnasnet.CONVENTIONS, mnasnet.widen),
    "mnasnet_small": Family(mnasnet.SMALL, mnasnet.HEAD, mnasnet.CONVENTIONS, mnasnet.widen),
    "squeezenet_1.0": Family(squeezenet.V1_0, squeezenet.HEAD, squeezenet.CONVENTIONS, least=24, dial=BYPASS),
    "squeezenet_1.1": Family(squeezenet.V1_1, squeezenet.HEAD, squeezenet.CONVENTIONS, least=20, dial=BYPASS),
    "shufflenet_v1": Family(
        shufflenet_v1.TRUNK, shufflenet_v1.HEAD, shufflenet_v1.CONVENTIONS, shufflenet_v1.widen, dial=GROUPS),
    "shufflenet_v2": Family(
        shufflenet_v2.TRUNK, shufflenet_v2.HEAD, shufflenet_v2.CONVENTIONS, shufflenet_v2.widen),
    "xception": Family(
        xception.TRUNK, xception.HEAD, xception.CONVENTIONS, resolution=xception.RESOLUTION, least=16),
    "resnet_50": Family(resnet.RESNET_50, resnet.HEAD, resnet.CONVENTIONS),
    "se_resnet_50": Family(resnet.SE_RESNET_50, resnet.HEAD, resnet.CONVENTIONS),
    "resnet_50_separable": Family(resnet.RESNET_50_SEPARABLE, resnet.HEAD, resnet.CONVENTIONS),
}
# fmt: on
