"""TorchScript archives: their code is parsed and followed, never run."""
