"""Malformed, hostile and merely unusual requests, and what the service answers to each."""
