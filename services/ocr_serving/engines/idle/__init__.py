"""Cores that no request is at work on, and how a request that is alone uses them."""
