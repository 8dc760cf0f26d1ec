"""A real MongoDB for tests and for trying things out, started from what is installed.

`python -m tests.mongodb up` runs one by hand; tests take the fixtures of `plugin.py`.
"""
