"""Weights of one network in the places of another, whatever their names and layouts."""
