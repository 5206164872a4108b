"""What becomes of an answer: its text, drawings, tables, documents and the files they are written to."""
