"""The job API of PaddleOCR's cloud: a file is taken now, read page by page behind what callers wait for, and fetched later."""
