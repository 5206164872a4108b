"""What tests share: services, networks made for a test, a control plane, an operator, a web server that misbehaves as told."""
