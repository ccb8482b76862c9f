"""What a file is that no reader takes, by its first bytes: said in refusals."""

from __future__ import annotations

import zipfile
from pathlib import Path

_HEAD = 512

#: First bytes (and where they stand) -> what the file is, and what to do.
_MARKS: tuple[tuple[int, bytes, str, str], ...] = (
    (
        0,
        b"GGUF",
        "is a GGUF file, whose weights are mostly packed by llama.cpp's own rules",
        "Take the original weights.",
    ),
    (0, b"lmgg", "is a GGML file of llama.cpp", "Take the original weights."),
    (0, b"tjgg", "is a GGML file of llama.cpp", "Take the original weights."),
    (4, b"TFL3", "is a TensorFlow Lite model", "Take the SavedModel or Keras file that it was made of."),
    (0, b"version https://git-lfs", "is a Git LFS pointer, not the file itself", "Fetch it with `git lfs pull`."),
    (0, b"\x1f\x8b", "is compressed with gzip", "Unpack it with gunzip first."),
    (
        0,
        b"\x04\x22\x4d\x18",
        "is compressed with lz4",
        "Unpack it with `lz4 -d` first; a pickle is read as it is where lz4 is installed (irconv[lz4]).",
    ),
    (0, b"ZF0x", "is compressed as joblib before 0.10 did", "Load it with joblib and dump it again."),
    (0, b"BZh", "is compressed with bzip2", "Unpack it with bunzip2 first."),
    (0, b"\xfd7zXZ", "is compressed with xz", "Unpack it with unxz first."),
    (0, b"\x28\xb5\x2f\xfd", "is compressed with zstd", "Unpack it with unzstd first."),
    (4, b"ORTM", "is a model in ONNX Runtime's own format", "Take the .onnx file that it was made of."),
    (0, b"ftrt", "is an engine of TensorRT", "Take the model that it was made of."),
    (0, b"RKNN", "is a model of RKNN, for processors of Rockchip", "Take the model that it was made of."),
    (0, b"7767517\n", "is the graph of an ncnn model", "Take the model that it was made of."),
    (0, b"MATLAB 5.0 MAT-file", "is data of MATLAB", "Export the network with exportONNXNetwork, and give that file."),
    (0, b"7z\xbc\xaf", "is a 7z archive", "Unpack it first."),
    (0, b"Rar!", "is a RAR archive", "Unpack it first."),
    (0, b"\x7fELF", "is a program", ""),
    (0, b"%PDF", "is a PDF document", ""),
    (0, b"\x89PNG", "is a picture", ""),
    (257, b"ustar", "is a tar archive", "Unpack it, and give what is in it."),
)
_PAGES = (b"<!doctype html", b"<html", b"<?xml", b"<head")
_OPENVINO = (b"<net ", b"<layers>")
_KERAS = (b'"class_name"', b'"config"')
_SAME = "Take the model that it was made of."
#: Endings of the names of files whose content says nothing -> what they are, and what to do.
_ENDINGS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    ((".caffemodel",), "is a model of Caffe", "Convert it with a tool that reads Caffe, such as to ONNX."),
    ((".prototxt",), "is the graph of a Caffe model", "Convert it with a tool that reads Caffe, such as to ONNX."),
    ((".cfg", ".weights"), "is of a Darknet model", "Convert it with a tool that reads Darknet, such as to ONNX."),
    ((".pdmodel", ".pdiparams", ".pdparams"), "is of a PaddlePaddle model", "Export it to ONNX with paddle2onnx."),
    ((".mnn",), "is a model of MNN", _SAME),
    ((".engine", ".plan", ".trt"), "is an engine of TensorRT", _SAME),
    ((".onnx.data", ".onnx_data"), "is the weights of an ONNX model", "Give the .onnx file beside it."),
    ((".params",), "is the weights of an MXNet model", "Export it to ONNX with mx2onnx."),
)
_CALLED = (".h5", ".hdf5", ".keras", ".pt", ".pth", ".pt2", ".onnx", ".pb", ".safetensors", ".npz", ".npy", ".pkl")
_WEIGHTS = "model.safetensors or pytorch_model.bin"
_CORE_ML = ("is a Core ML model", "Take the model that it was made of.")
_MODELS = (".h5", ".hdf5", ".keras", ".pt", ".pth", ".onnx", ".pb", ".safetensors", ".npz", ".pkl", ".bin", ".ckpt")


def described(path: Path) -> tuple[str, str]:
    """What a file seems to be, and what to do about it; both empty where nothing is known."""
    if path.suffix == ".mlpackage":
        return _CORE_ML
    if path.is_dir():
        return _folder(path)
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        return "is empty", "Fetch it again."
    if any(mark in head for mark in _OPENVINO):
        return "is the graph of an OpenVINO model", "Take the model that it was made of."
    if head.lstrip()[:1] == b"{" and all(mark in head for mark in _KERAS):
        return "is the architecture of a Keras model", "Give the file of its weights, and this one with --arch."
    if head.lstrip()[:20].lower().startswith(_PAGES):
        return "is a web page, not the file that it was to be", "Fetch it again: the download gave a page of text."
    if head[:4] == b"PK\x03\x04":
        return _zip(path)
    if head.startswith((b"http://", b"https://")) and b"\n" not in head.strip():
        return "holds an address, not what is found there", "Fetch that first."
    if path.suffix == ".mlmodel":
        return _CORE_ML
    marked = next(((what, remedy) for at, mark, what, remedy in _MARKS if head[at:].startswith(mark)), None)
    name = path.name.lower()
    return marked or next(
        ((what, remedy) for endings, what, remedy in _ENDINGS if name.endswith(endings)),
        (f"is called {path.suffix}, but its content is none", "It is damaged, or something else by that name.")
        if name.endswith(_CALLED)
        else ("", ""),
    )


def _folder(path: Path) -> tuple[str, str]:
    names = [child.name for child in path.iterdir()]
    if not names:
        return "is an empty folder", ""
    if "config.json" in names:
        return f"is a folder with config.json, and has no weights ({_WEIGHTS})", "Fetch these, too."
    models = sorted(name for name in names if name.lower().endswith(_MODELS))
    if models:
        listed = ", ".join(models[:3]) + (", ..." if len(models) > 3 else "")
        return f"is a folder with {listed}", "Give one of these."
    return "", ""


def _zip(path: Path) -> tuple[str, str]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return "is a damaged zip archive", "Fetch it again."
    if any(name.endswith("Manifest.json") and "mlpackage" in str(path) for name in names):
        return _CORE_ML
    if path.suffix == ".keras":
        return (
            "is a zip archive without a model of Keras (metadata.json, config.json, model.weights.h5)",
            "Save it again.",
        )
    models = [name for name in names if name.lower().endswith(_MODELS)]
    if models:
        listed = ", ".join(models[:3]) + (", ..." if len(models) > 3 else "")
        return f"is a zip archive with {listed} in it", "Unpack it, and give that file."
    return "is a zip archive of something else", ""
