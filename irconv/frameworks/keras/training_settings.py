"""Keras' layers that do something in training alone, with their settings; apart from their codecs, as every model is
asked whether it has one."""

from __future__ import annotations

from collections.abc import Mapping

_FILL = "fill_mode fill_value interpolation"
_IMAGE = "data_format seed value_range"

#: Layer -> its settings. RandomCrop is not among them: it crops, at inference too.
TRAINING_ALONE: Mapping[str, str] = {
    "Identity": "",
    "ActivityRegularization": "l1 l2",
    "GaussianDropout": "rate seed",
    "GaussianNoise": "stddev seed",
    "RandomBrightness": f"factor {_IMAGE}",
    "RandomColorDegeneration": f"factor {_IMAGE}",
    "RandomColorJitter": f"brightness_factor contrast_factor saturation_factor hue_factor {_IMAGE}",
    "RandomContrast": f"factor {_IMAGE}",
    "RandomElasticTransform": f"factor scale {_FILL} {_IMAGE}",
    "RandomErasing": f"factor scale fill_value {_IMAGE}",
    "RandomFlip": f"mode {_IMAGE}",
    "RandomGaussianBlur": f"factor kernel_size sigma {_IMAGE}",
    "RandomGrayscale": f"factor {_IMAGE}",
    "RandomHeight": "factor interpolation seed",
    "RandomHue": f"factor {_IMAGE}",
    "RandomInvert": f"factor {_IMAGE}",
    "RandomPerspective": f"factor scale {_FILL} {_IMAGE}",
    "RandomPosterization": f"factor {_IMAGE}",
    "RandomRotation": f"factor {_FILL} {_IMAGE}",
    "RandomSaturation": f"factor {_IMAGE}",
    "RandomSharpness": f"factor {_IMAGE}",
    "RandomShear": f"x_factor y_factor {_FILL} {_IMAGE}",
    "RandomTranslation": f"height_factor width_factor {_FILL} {_IMAGE}",
    "RandomWidth": "factor interpolation seed",
    "RandomZoom": f"height_factor width_factor {_FILL} {_IMAGE}",
}
