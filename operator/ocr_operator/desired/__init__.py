"""What there should be: the manifests of an OCRService. Pure."""
