"""A Python file with ``load()``, which gives a module in eval mode, in PyTorch. The file is run."""

import importlib.util
import inspect
import sys
from importlib import import_module
from typing import Any


def flat(found: Any) -> Any:
    """The tensors of a result, however it nests them."""
    if isinstance(found, dict):
        found = list(found.values())
    if isinstance(found, (list, tuple)):
        return [tensor for part in found for tensor in flat(part)]
    return [found] if hasattr(found, "detach") else []


class Record:
    """What is made while a module runs: name, the names of what it is made of, and the tensor."""

    def __init__(self, path: str) -> None:
        self._path, self._inside = path, 0
        self._made: Any = {}
        self._uses: Any = {}
        self.values: Any = []

    def enter(self, module: Any, given: Any) -> None:
        """A module of PyTorch's own begins: its functions are not the file's."""
        self._inside += 1

    def leave(self, name: str) -> Any:
        """What notes the result of a module of PyTorch's own."""

        def hook(module: Any, given: Any, result: Any) -> None:
            self._inside -= 1
            if not self._inside:
                self._note(name, given, result)

        return hook

    def function(self, function: Any, given: Any, result: Any) -> None:
        """Note the result of a function that the file calls, with its line."""
        frame = sys._getframe(2)
        while frame is not None and frame.f_code.co_filename != self._path:
            frame = frame.f_back  # type: ignore[assignment]
        if not self._inside and frame is not None:
            self._note(f"{getattr(function, '__name__', 'function')} (line {frame.f_lineno})", given, result)

    def _note(self, name: str, given: Any, result: Any) -> None:
        takes = [self._made[id(tensor)] for tensor in flat(given) if id(tensor) in self._made]
        for tensor in flat(result):
            self._uses[name] = self._uses.get(name, 0) + 1
            full = name if self._uses[name] == 1 else f"{name} #{self._uses[name]}"
            self._made[id(tensor)] = full
            self.values.append((full, takes, tensor))  # which also keeps its identity its own


class Side:
    """The module of one file."""

    name = "torch"

    def __init__(self, path: str, options: Any) -> None:
        self._torch, self._path = import_module("torch"), path
        import_module("torch.overrides")
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

    def names(self, arrays: Any) -> Any:
        """What every submodule of PyTorch's own and every function of the file gives, with what each takes."""
        return [(name, takes) for name, takes, _ in self._recorded(arrays)]

    def values(self, arrays: Any, names: Any) -> Any:
        """The values of these names, in the order in which they are made."""
        wanted = set(names)
        return [(name, self._array(tensor)) for name, _, tensor in self._recorded(arrays) if name in wanted]

    def _recorded(self, arrays: Any) -> Any:
        record = Record(self._path)
        own = [
            (name, part) for name, part in self._module.named_modules() if type(part).__module__.startswith("torch.")
        ]
        own = [(name, part) for name, part in own if not isinstance(part, self._torch.nn.Sequential)]
        hooks = [part.register_forward_pre_hook(record.enter) for _, part in own]
        hooks += [part.register_forward_hook(record.leave(name)) for name, part in own]

        base: Any = self._torch.overrides.TorchFunctionMode

        class Mode(base):  # type: ignore[misc]
            def __torch_function__(self, function: Any, types: Any, given: Any = (), named: Any = None) -> Any:
                result = function(*given, **(named or {}))
                record.function(function, [given, named], result)
                return result

        try:
            with Mode():
                self.run(arrays)
        finally:
            for hook in hooks:
                hook.remove()
        return record.values
