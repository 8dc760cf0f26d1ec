"""Storage: the contract (`contract`), its errors, the driver registry and the drivers."""
