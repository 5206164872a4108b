"""What the services cost and how well they read, measured on real pages through the public command."""
