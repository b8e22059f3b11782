"""Keeping: manifests on files, immutable run records, the rebuildable index."""
