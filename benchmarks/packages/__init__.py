"""Models of third-party Keras packages, built by the packages themselves and converted: `make zoo-packages`."""
