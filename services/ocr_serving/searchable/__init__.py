"""PDFs with invisible words: how words are set, and how a PDF of somebody's is changed, which the decoding process does."""
