"""Exported programs of PyTorch: overloads of ATen become layers, those that a module of ``torch.nn`` is among them."""
