"""A standalone queue server that speaks the OpenStack Marconi v1 API."""

__version__ = "0.1.0"
