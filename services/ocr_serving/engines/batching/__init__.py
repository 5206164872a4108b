"""Batches across requests: the batcher, the process that owns a device, and what the two sides say to each other."""
