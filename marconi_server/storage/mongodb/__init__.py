"""The driver for deployments; begin reading in `driver`."""
