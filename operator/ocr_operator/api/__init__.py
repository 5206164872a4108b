"""What users write: the OCRService, typed, checked and as a CustomResourceDefinition."""
