"""From the bytes of a picture or a document to pixels, within limits of memory and time."""
