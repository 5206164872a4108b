"""Trains a small key-information model of LayoutXLM's signature on forms that it makes up: `python -m training.kie`."""
