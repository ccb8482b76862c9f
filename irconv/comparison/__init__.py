"""Compares two models: tensor by tensor and layer by layer, whatever frameworks they come from."""
