"""What the help of each command shows at its end: command lines as people need them first."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "": (
        "pocketvision fit photos/ --budget 5ms",
        "pocketvision predict runs/photos-5ms/model.onnx photos/new/",
        "pocketvision bench runs/photos-5ms/model.onnx",
    ),
    "fit": (
        "pocketvision fit photos/ --budget 5ms",
        "pocketvision fit photos/ --budget 5ms --pretrained auto --time 10m",
        "pocketvision fit photos/ --budget 20ms --max-size 4MB --threads 2",
        "pocketvision fit photos/ --budget 30ms --device ssh://me@board",
    ),
    "train": (
        "pocketvision train photos/ --model mobilenet_v2 --resolution 96",
        "pocketvision train photos/ --model mobilenet_v3_small --folds 5",
        "pocketvision train photos/ --model mobilenet_v2 --set mixup=0.2",
    ),
    "doctor": ("pocketvision doctor photos/", "pocketvision doctor labels.csv --strict"),
    "models": ("pocketvision models", "pocketvision models 'mobilenet_v3*'", "pocketvision models squeezenet_1.1"),
    "predict": (
        "pocketvision predict runs/photos-5ms/model.onnx cat.jpg",
        "pocketvision predict runs/photos-5ms/model.onnx new-photos/ --json",
        "pocketvision predict mobilenet_v2 cat.jpg --pretrained mobilenet_v2.pth",
    ),
    "eval": (
        "pocketvision eval runs/photos-5ms/model.onnx photos/",
        "pocketvision eval mobilenet_v2 labels.csv --pretrained mobilenet_v2.pth",
    ),
    "export": (
        "pocketvision export runs/photos/model.safetensors --out cats.onnx",
        "pocketvision export mobilenet_v2 --width 0.5 --resolution 96",
    ),
    "bench": (
        "pocketvision bench mobilenet_v2 mobilenet_v3_large --threads 1,2",
        "pocketvision bench runs/photos-5ms/model.onnx --out now.json",
        "pocketvision bench --compare before.json now.json",
        "pocketvision bench mobilenet_v2 --device ssh://me@board",
        "pocketvision bench 'mobilenet_v*' --zoo",
    ),
    "profile": (
        "pocketvision profile mobilenet_v3_large --resolution 96",
        "pocketvision profile runs/photos-5ms/model.safetensors --out page.html",
    ),
    "guidelines": ("pocketvision guidelines", "pocketvision guidelines --only G1 --only G2 --threads 2"),
    "machine": ("pocketvision machine", "pocketvision machine --out machine.json"),
}
