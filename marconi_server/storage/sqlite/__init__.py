"""The embedded driver; begin reading in `driver`."""
