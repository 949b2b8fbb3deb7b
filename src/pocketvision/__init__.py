"""pocketvision: small vision networks that fit your device.

The public names; each is loaded on first use, so that `import pocketvision` needs neither torch nor time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pocketvision import measure as measure
    from pocketvision.errors import InputError as InputError
    from pocketvision.evaluation import evaluate as evaluate
    from pocketvision.exporting import export as export
    from pocketvision.fitting.doctor import doctor as doctor
    from pocketvision.fitting.job import fit as fit
    from pocketvision.fitting.train import train as train
    from pocketvision.loading import load as load
    from pocketvision.measure.bench import bench as bench
    from pocketvision.measure.profile import profile as profile
    from pocketvision.models import create_model as create_model
    from pocketvision.models import list_models as list_models
    from pocketvision.network import Network as Network
    from pocketvision.network import build as build
    from pocketvision.network import features as features
    from pocketvision.results import Result as Result
    from pocketvision.spec import Spec as Spec
    from pocketvision.weights.file import save as save

__version__ = "0.1.0"

_WHERE = {
    "InputError": "errors",
    "Network": "network",
    "Result": "results",
    "Spec": "spec",
    "bench": "measure.bench",
    "build": "network",
    "create_model": "models",
    "doctor": "fitting.doctor",
    "evaluate": "evaluation",
    "export": "exporting",
    "features": "network",
    "fit": "fitting.job",
    "list_models": "models",
    "load": "loading",
    "profile": "measure.profile",
    "save": "weights.file",
    "train": "fitting.train",
}

_MODULES = ("measure",)  # whose names are used as pv.measure.table

__all__ = sorted([*_WHERE, *_MODULES])  # noqa: PLE0605 (a list of strings, sorted)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"pocketvision.{name}")
    if name not in _WHERE:
        raise AttributeError(f"module 'pocketvision' has no attribute {name!r}")
    value = getattr(import_module(f"pocketvision.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
