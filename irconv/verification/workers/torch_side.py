"""A Python file with ``load()``, which gives a module in eval mode, in PyTorch. The file is run."""

import importlib.util
import inspect
from importlib import import_module
from typing import Any


def flat(found: Any) -> Any:
    """The tensors of a result, however it nests them."""
    if isinstance(found, dict):
        found = list(found.values())
    if isinstance(found, (list, tuple)):
        return [tensor for part in found for tensor in flat(part)]
    return [found] if hasattr(found, "detach") else []


class Side:
    """The module of one file."""

    name = "torch"

    def __init__(self, path: str, options: Any) -> None:
        self._torch = import_module("torch")
        self.version = str(self._torch.__version__).split("+")[0]
        spec = importlib.util.spec_from_file_location("irconv_verified", path)
        assert spec is not None, path
        assert spec.loader is not None, path
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self._module = module.load().eval()
        names = list(inspect.signature(self._module.forward).parameters)
        self.inputs = [{"name": name, "shape": None, "dtype": ""} for name in names]
        self.outputs: Any = []
        sizes = {self._torch.float16: 2, self._torch.bfloat16: 1, self._torch.float64: 8, self._torch.float32: 4}
        stored = [one.dtype for one in self._module.state_dict().values() if one.dtype in sizes]
        least = min(stored, key=lambda dtype: sizes[dtype]) if stored else self._torch.float32
        self.precision = str(least).split(".")[-1]

    def _array(self, tensor: Any) -> Any:
        tensor = tensor.detach()
        return (tensor.float() if tensor.dtype == self._torch.bfloat16 else tensor).cpu().numpy()

    def run(self, arrays: Any) -> Any:
        """The outputs in order, from the inputs in order."""
        with self._torch.no_grad():
            found = self._module(*[self._torch.from_numpy(array) for array in arrays])
        return [self._array(tensor) for tensor in flat(found)]

    def values(self, arrays: Any, names: Any) -> Any:
        """The results of these submodules, or of all, in the order in which they are called."""
        found: Any = []

        def note(name: str) -> Any:
            def hook(module: Any, given: Any, result: Any) -> None:
                found.extend((name, self._array(tensor)) for tensor in flat(result)[:1])

            return hook

        wanted = [(name, part) for name, part in self._module.named_modules() if name and (not names or name in names)]
        hooks = [part.register_forward_hook(note(name)) for name, part in wanted]
        try:
            self.run(arrays)
        finally:
            for hook in hooks:
                hook.remove()
        return found
